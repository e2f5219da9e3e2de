"""The warm interpreter: a Python that has started and imported what a profile preloads, and waits for its program.

It is started with the very command line that the program will have, and with this file's folder in PYTHONPATH. So it
comes here from the `site` module: after everything that a start does, just before it would run the program. It imports,
waits for an order, gives up every power and goes on; what then runs the program is the interpreter itself, as always.
Where that could differ from a plain start (another entry, other variables that are read at the start, a file of the job
that stands before a preloaded module), the process, powerless by now, executes the command anew: a plain start.

    runner ── the modules ────────────────────▶ imports them       (over the socket whose number is in TESTER_WARM)
           ◀─ `R`, or `E` and the reason ──────
           ── uid, limits and descriptors ────▶ gives up every power, alone or in a child; `P<pid>` on the status pipe
           ── the order, in a file; `go` ─────▶ takes arguments and environment; `+` on the status pipe; the program
           ◀─ how a child has ended ───────────

Nothing of this may stay behind where a program can see it: modules, descriptors, variables, paths. And nothing may go on
to a program by mistake: whatever fails here ends the process. Python 3.8 or later.
"""

import os
import sys

# What an interpreter or its libraries read before a program runs.
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "LOCPATH", "NLSPATH", "TZ", "HOME", "MALLOC_", "GLIBC_", "GCONV_", "OPENSSL_")
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, SIGKILL = 1, 4, 9
STATUS_OF_A_FAILURE = 70


def pairs(entries):
    return dict(entry.split("=", 1) for entry in entries)


def strings(data):
    """Strings that each end with a NUL byte."""
    return [os.fsdecode(string) for string in data.split(b"\0")[:-1]]


def read_whole(path):
    with open(path, "rb") as file:
        return file.read()


def companions(modules):
    """What a program that uses these modules imports next, before anything of its own: half of the start of pytest."""
    if "pytest" not in modules:
        return []
    from _pytest.config import default_plugins

    # Looking for plugins and configuring those takes the rest. Where nothing is cached, as in the driver, no step is either.
    others = ["email.message", "email.parser", "faulthandler", "importlib.metadata._adapters", "pdb", "unittest"]
    return ["_pytest." + plugin for plugin in default_plugins if plugin != "stepwise"] + others


class Absent(Exception):
    """The image has no file of this name itself."""


class Template:
    """The process until it is a program."""

    def __init__(self):
        folder = os.path.dirname(__file__)
        self.arguments = strings(read_whole("/proc/self/cmdline"))
        started_with = pairs(strings(read_whole("/proc/self/environ")))
        # What a start in the C locale adds by itself (PEP 538).
        self.added = {name: value for name, value in os.environ.items() if name not in started_with}
        number = int(started_with.pop("TESTER_WARM"))
        _ours, _colon, others = started_with.pop("PYTHONPATH").partition(":")
        if others:
            started_with["PYTHONPATH"] = others
        self.environment = started_with
        self.take_environment(started_with)
        sys.path[:] = [place for place in sys.path if place != folder]
        sys.path_importer_cache.pop(folder, None)
        self.names = set()
        self.may_fork = self.may_go_on = True
        self.take_tools(number)

    def take_environment(self, environment):
        os.environ.clear()
        os.environ.update(environment)
        for name, value in self.added.items():
            os.environ.setdefault(name, value)

    def take_tools(self, number):
        """Loads what only this file needs, and hides it again: a program must find its own."""
        before, places = set(sys.modules), set(sys.path_importer_cache)
        import _socket
        import ctypes
        import gc
        import resource

        self.gc, self.resource = gc, resource
        self.prctl = ctypes.CDLL(None).prctl
        self.control = _socket.socket(fileno=number)
        self.control_kind = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        self.room, self.flags = _socket.CMSG_SPACE(8 * 4), _socket.MSG_CMSG_CLOEXEC
        for name in set(sys.modules) - before:
            del sys.modules[name]
        for place in set(sys.path_importer_cache) - places:
            del sys.path_importer_cache[place]

    def receive(self):
        """One message and its descriptors. Without the runner there is nothing to be."""
        message, ancillary, _flags, _address = self.control.recvmsg(65536, self.room, self.flags)
        if not message:
            os._exit(0)
        numbers = []
        for level, kind, data in ancillary:
            if (level, kind) == self.control_kind:
                numbers += [int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data), 4)]
        return strings(message), numbers

    def preload(self, modules):
        """Imports, and remembers what is there now and is not in a plain start."""
        before, descriptors = set(sys.modules), os.listdir("/proc/self/fd")
        for name in filter(None, modules):
            __import__(name)
        for name in companions(modules):
            try:
                __import__(name)
            except ImportError:
                # Not in this version: the program will not miss it either.
                pass
        self.names = {name.split(".")[0] for name in set(sys.modules) - before}
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        # What children would share with each other must not be there.
        if os.listdir("/proc/self/fd") != descriptors:
            raise ValueError("a module keeps a descriptor open, which one program could leave something in for the next")
        if any(line.split()[1][1:4:2] == b"ws" for line in read_whole("/proc/self/maps").splitlines()):
            raise ValueError("a module maps memory that one program could leave something in for the next")
        # A child has only the thread that made it; without the others a library may hang.
        self.may_fork = len(os.listdir("/proc/self/task")) == 1
        # What is there lives as long as the program, so nobody has to look for garbage in it: half the cost of an end.
        self.gc.collect()
        self.gc.freeze()

    def next_run(self):
        """Waits. Returns in whoever is to be the program: in this process, or in a child of it for each run."""
        while True:
            (how, *request), numbers = self.receive()
            if how == "become":
                return request, numbers
            child = os.fork()
            if child == 0:
                os.setsid()
                self.may_go_on = self.may_fork
                return request, numbers
            for number in numbers:
                os.close(number)
            self.tell_end(child)

    def tell_end(self, child):
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        # Its account is there until it is taken.
        try:
            waited = read_whole("/proc/%d/schedstat" % child).split()[1]
        except (OSError, IndexError):
            waited = b"0"
        # The account is of a type in this module, which would be imported and stay.
        preloaded = "resource" in sys.modules
        sys.modules.setdefault("resource", self.resource)
        _child, status, usage = os.wait4(child, 0)
        if not preloaded:
            del sys.modules["resource"]
        self.control.send(b"%d %d %s" % (status, usage.ru_maxrss * 1024, waited))

    def give_up_powers(self, request, numbers):
        """Becomes the job's, and waits for the runner to see that it is so. Returns the order."""
        uid, file_bytes, open_files = map(int, request[:3])
        *stdio, self.status, order, go = numbers
        for number, inherited in enumerate(stdio):
            os.dup2(inherited, number)
            os.close(inherited)
        self.control.close()
        # While /proc/self is still root's.
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")
        os.close(score)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # The change of ids has taken both: the process would not own its /proc/self, and outlive who watches over it.
        for option, value in ((PR_SET_DUMPABLE, 1), (PR_SET_PDEATHSIG, SIGKILL)):
            if self.prctl(option, value, 0, 0, 0) != 0:
                raise OSError("prctl failed")
        os.chdir(request[3])
        self.resource.setrlimit(self.resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        self.resource.setrlimit(self.resource.RLIMIT_NOFILE, (open_files, open_files))
        os.write(self.status, b"P%d\n" % os.getpid())
        if os.read(go, 1) != b"+":
            raise OSError("the runner does not let it go on")
        os.close(go)
        # A file that root wrote and gave away cannot be opened anew, but it can be read.
        size, data = os.fstat(order).st_size, b""
        while len(data) < size:
            data += os.pread(order, size - len(data), len(data))
        os.close(order)
        return strings(data)

    def take_order(self, order):
        """Returns where the interpreter can go on to exactly this program; executes it where not."""
        program, count, *rest = order
        argv, environment = rest[: int(count)], pairs(rest[int(count) :])
        try:
            same = self.may_go_on and self.is_same(argv, environment)
        except OSError:
            same = False
        os.write(self.status, b"+")
        if not same:
            self.execute(program, argv, environment)
        os.close(self.status)
        self.take_environment(environment)
        extra = argv[len(self.arguments) :]
        sys.argv += extra
        if hasattr(sys, "orig_argv"):
            sys.orig_argv += extra

    def is_same(self, argv, environment):
        def read_at_start(environment):
            return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}

        folders = {os.getcwd(), os.path.dirname(os.path.realpath(sys.argv[0]))}
        return (
            argv[1 : len(self.arguments)] == self.arguments[1:]
            and read_at_start(environment) == read_at_start(self.environment)
            # Packages of the user's own, which a start looks for.
            and not os.path.lexists(".local")
            and not any(entry.split(".")[0] in self.names for folder in folders for entry in os.listdir(folder))
        )

    def execute(self, program, argv, environment):
        try:
            os.execve(program, [program, *argv[1:]], environment)
        except OSError as error:
            failed = '{"step":"exec","errno":%d,"message":"%s"}' % (error.errno, os.strerror(error.errno))
            os.write(self.status, failed.encode())
        os._exit(STATUS_OF_A_FAILURE)


def run_own():
    """Runs the image's file of this name, before which ours stands."""
    del sys.modules["sitecustomize"]
    try:
        import sitecustomize  # noqa: F401, PLW0406
    except ImportError as error:
        if error.name == "sitecustomize":
            return False
        raise
    return True


def main():
    template = Template()
    own = run_own()
    modules, _none = template.receive()
    try:
        template.preload(modules)
    except BaseException as error:
        reason = "%s: %s" % (type(error).__name__, error)
        template.control.send(b"E" + reason.encode("utf-8", "backslashreplace")[:1000])
        os._exit(STATUS_OF_A_FAILURE)
    template.control.send(b"R")
    request, numbers = template.next_run()
    template.take_order(template.give_up_powers(request, numbers))
    if not own:
        raise Absent


try:
    main()
except Absent:
    # What `site` comes to in an image without the file; it goes on without a word.
    raise ImportError("No module named 'sitecustomize'", name="sitecustomize") from None
except BaseException:
    # A program must not begin with what is left of a template.
    os._exit(STATUS_OF_A_FAILURE)
