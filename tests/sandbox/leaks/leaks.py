"""Leaves something by every means known, or looks for all of it.

`leave` does both, so that it is known of each means that it works and would be seen; then the next program, with `look`, must
see nothing. What is refused to a program is listed as refused. Prints one JSON document.
"""

import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
OWN = {"main.py"}
PORT = 4711
KEY = 0x1EAF


def writable_folders():
    """Found, not listed: everything below / that this program may write into."""
    found = []
    for folder, inner, _ in os.walk("/"):
        if folder in ("/proc", "/sys"):
            inner.clear()
        elif os.access(folder, os.W_OK):
            found.append(folder)
            inner.clear()
    return sorted(found)


PLACES = writable_folders()


def syscall(number, *arguments):
    ctypes.set_errno(0)
    result = LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# Each of these leaves something, and says nothing.


def in_place(make):
    """In every place where it works; an error only if it works in none."""

    def leave():
        errors = []
        for place in PLACES:
            try:
                make(place)
            except OSError as error:
                errors.append(error)
        if len(errors) == len(PLACES):
            raise errors[0]

    return leave


def many(place):
    for number in range(200):
        open(f"{place}/many-{number}", "w").close()


def locked_away(place):
    os.makedirs(place + "/000/inner")
    open(place + "/000/inner/secret", "w").write("secret")
    os.chmod(place + "/000/inner", 0)
    os.chmod(place + "/000", 0)


def deep(place):
    here = os.open(place, os.O_RDONLY)
    for _ in range(500):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def names(place):
    for name in (".hidden", "new\nline", "\u202etxt", " ", "-rf", ".raised-1", "lost+found", "core", "a" * 255):
        open(f"{place}/{name}", "w").close()
    open(os.fsencode(place) + b"/\xff\xfe", "w").close()


def special(place):
    os.mkfifo(place + "/fifo")
    os.symlink("/etc/passwd", place + "/link")
    socket.socket(socket.AF_UNIX).bind(place + "/socket")
    open(place + "/file", "w").write("x" * 10000)
    os.link(place + "/file", place + "/again")
    os.chmod(place + "/file", 0o7777)
    os.truncate(place + "/file", 1 << 20)


def startup_files():
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = f"/box/.local/lib/{version}/site-packages"
    os.makedirs(site)
    evil = "import sys; sys.leaked = True"
    for name in ("usercustomize.py", "sitecustomize.py", "evil.pth", "json.py"):
        open(f"{site}/{name}", "w").write(evil)
    for name in ("sitecustomize.py", "usercustomize.py", "conftest.py", "json.py", "pytest.ini", ".bashrc", ".profile"):
        open(f"/box/{name}", "w").write(evil)
    for folder in (".config", ".pytest_cache", "__pycache__", ".cache"):
        os.makedirs(f"/box/{folder}/inner")
    open("/box/__pycache__/main.cpython-311.pyc", "w").write(evil)


def family(make):
    """A child that nobody waits for, in a session of its own; it goes on once it says that it has begun."""

    def leave():
        up, tell = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0:
                os._exit(0)
            try:
                make()
                os.write(tell, b"0")
            except OSError as error:
                os.write(tell, str(error.errno).encode())
            while True:
                signal.pause()
        os.close(tell)
        said = os.read(up, 10)
        if said != b"0":
            raise OSError(int(said), os.strerror(int(said)))

    return leave


def deaf():
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)


def stopped():
    if (child := os.fork()) == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)


def brood():
    for _ in range(12):
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)
            signal.pause()


HELD = []


def listening():
    for kind, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            server = socket.socket(kind)
            server.bind((address, PORT))
            server.listen()
            HELD.append(server)
        except OSError:
            if kind == socket.AF_INET:
                raise
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", PORT))
    datagrams.sendto(b"secret", ("127.0.0.1", PORT))
    HELD.append(datagrams)


def abstract():
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0leak")
    server.listen()
    HELD.append(server)


def memory():
    held = os.memfd_create("secret")
    os.write(held, b"secret" * 1_000_000)
    shared = mmap.mmap(-1, 48 << 20)
    shared.write(bytes(48 << 20))
    HELD.append(shared)


def locks():
    for path in ["/etc/passwd", *PLACES]:
        handle = os.open(path, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        HELD.append(handle)


def watches():
    watch = LIBC.inotify_init()
    if watch < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    for place in PLACES:
        LIBC.inotify_add_watch(watch, place.encode(), 0xFFF)


def in_flight():
    """Two sockets that hold each other and belong to no process."""
    ends = socket.socketpair()
    both = struct.pack("2i", *(end.fileno() for end in ends))
    for end in ends:
        end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, both)])
    for end in ends:
        end.close()


def own_process():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_NPROC, (50, 50))
    os.environ["LEAKED"] = "yes"
    os.umask(0)
    os.mkdir("/box/gone")
    os.chdir("/box/gone")
    os.rmdir("/box/gone")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    LIBC.prctl(15, b"leaked", 0, 0, 0)
    LIBC.prctl(29, 123456, 0, 0, 0)


MEANS = {
    "files of many kinds": in_place(special),
    "names": in_place(names),
    "many files": in_place(many),
    "folders without permissions": in_place(locked_away),
    "deep folders": in_place(deep),
    "startup files": startup_files,
    "daemon": family(lambda: None),
    "deaf daemon with a timer": family(deaf),
    "stopped process": family(stopped),
    "brood with zombies": family(brood),
    "listening sockets": family(listening),
    "abstract socket": family(abstract),
    "memory": family(memory),
    "locks": family(locks),
    "watches": family(watches),
    "sockets in flight": in_flight,
    "System V memory": lambda: syscall(29, KEY, 4096, 0o1666),
    "System V semaphore": lambda: syscall(64, KEY, 1, 0o1666),
    "System V queue": lambda: syscall(68, KEY, 0o1666),
    "POSIX queue": lambda: syscall(240, b"leak", os.O_CREAT | os.O_RDWR, 0o666, None),
    "file of a POSIX queue": lambda: os.close(os.open("/dev/mqueue/leak", os.O_CREAT | os.O_RDWR)),
    "key": lambda: syscall(248, b"user", b"leak", b"secret", 6, -3),
    "key of the uid": lambda: syscall(248, b"user", b"leak", b"secret", 6, -4),
    "support folder": lambda: open("/tester/leak", "w").close(),
    "test driver": lambda: open("/tester/pytest_driver.py", "a").close(),
    "device": lambda: os.chmod("/dev/null", 0o600),
    "file among devices": lambda: open("/dev/leak", "w").close(),
    "mode of a place": lambda: os.chmod("/box", 0o700),
    "times of a place": lambda: os.utime("/tmp", (1, 1)),
    "attribute of a place": lambda: os.setxattr("/tmp", "user.leak", b"secret"),
    "host name": lambda: open("/proc/sys/kernel/hostname", "w").write("leaked"),
    "last pid": lambda: open("/proc/sys/kernel/ns_last_pid", "w").write("30000"),
    "own group": lambda: open("/sys/fs/cgroup/cgroup.procs", "w").close(),
    "limits of the runner": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (3, 3)),
    "priority of the runner": lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    "address of the loopback": lambda: fcntl.ioctl(
        socket.socket(), 0x8916, struct.pack("16sH2x4s8x", b"lo", socket.AF_INET, bytes([127, 9, 9, 9]))
    ),
    "own process": own_process,
}


# Each of these gives what it sees, which is false if there is nothing.


def entries():
    return [ascii(f"{place}/{name}") for place in PLACES for name in os.listdir(place) if place != "/box" or name not in OWN]


def inodes():
    """What is used in places that this program has not used: the folder itself, and nothing else."""
    used = {place: os.statvfs(place) for place in PLACES if place != "/box"}
    return [place for place, found in used.items() if found.f_files - found.f_ffree > 1]


def blocks():
    used = {place: os.statvfs(place) for place in PLACES if place != "/box"}
    return [place for place, found in used.items() if found.f_blocks != found.f_bfree]


def processes():
    """All but PID 1 and this one; one that is root's is the sandbox's own."""
    found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
    return [name for name in found if os.stat("/proc/" + name).st_uid != 0]


def connects(kind, address):
    with socket.socket(kind) as client:
        return client.connect_ex(address) == 0


def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        try:
            own.bind(("127.0.0.1", PORT))
        except OSError:
            return True
    return False


def sockets():
    found = []
    for name in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "packet", "ip6_flowlabel"):
        try:
            lines = open("/proc/net/" + name).read().splitlines()[1:]
        except OSError:
            continue
        found += [f"{name}: {line.split()[1]}" for line in lines]
    named = [line.split()[7] for line in open("/proc/net/unix").read().splitlines()[1:] if len(line.split()) > 7]
    return found + named


def held_locks():
    found = []
    for path in ["/etc/passwd", *PLACES]:
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            found.append(path)
        os.close(handle)
    return found


def queues():
    found = [name for name in ("msg", "sem", "shm") if len(open("/proc/sysvipc/" + name).readlines()) > 1]
    for number, arguments in ((29, (KEY, 0, 0)), (64, (KEY, 0, 0)), (68, (KEY, 0)), (240, (b"leak", 0, 0, None))):
        try:
            found.append(syscall(number, *arguments))
        except OSError:
            pass
    return found


def keys():
    found = []
    for ring in (-3, -4):
        try:
            found.append(syscall(250, 10, ring, b"user", b"leak", 0))
        except OSError:
            pass
    return found


def memory_held():
    """Memory beyond what an interpreter takes, in MiB."""
    for path, anonymous in (("/sys/fs/cgroup/memory.stat", "anon"), ("/sys/fs/cgroup/memory/memory.stat", "rss")):
        try:
            lines = [line.split() for line in open(path)]
        except OSError:
            continue
        numbers = {name: int(number) for name, number in lines}
        held = (numbers[anonymous] + numbers["shmem"]) >> 20
        return held if held > LIMIT_MIB else 0
    return "unknown"


LIMIT_MIB = 48 if "warm" in sys.argv else 16

SIGHT = {
    "entries": entries,
    "inodes": inodes,
    "blocks": blocks,
    "processes": processes,
    "server": lambda: connects(socket.AF_INET, ("127.0.0.1", PORT)),
    "abstract server": lambda: connects(socket.AF_UNIX, "\0leak"),
    "datagram": datagram,
    "sockets": sockets,
    "locks": held_locks,
    "queues": queues,
    "keys": keys,
    "memory": memory_held,
    "module": lambda: getattr(sys, "leaked", False),
}


def state():
    """Everything about this process and its surroundings that every program must find the same."""
    status = [line.split(":\t") for line in open("/proc/self/status").read().splitlines()]
    same = ("SigBlk", "SigIgn", "SigCgt", "CapEff", "CapBnd", "Seccomp", "NoNewPrivs", "Umask", "Groups", "Threads")

    def about(path):
        found = os.lstat(path)
        attributes = os.listxattr(path, follow_symlinks=False) if stat.S_ISDIR(found.st_mode) else []
        return [oct(found.st_mode), found.st_uid, found.st_gid, found.st_nlink, found.st_size, attributes]

    times = {place: os.stat(place).st_mtime_ns for place in PLACES if place not in ("/box", "/dev/mqueue")}
    return {
        "status": {name: value for name, value in status if name in same},
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name[:7] == "RLIMIT_"},
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "affinity": sorted(os.sched_getaffinity(0)),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
        "timer slack": LIBC.prctl(30, 0, 0, 0, 0),
        "oom": open("/proc/self/oom_score_adj").read(),
        "name": open("/proc/self/comm").read(),
        "host name": socket.gethostname(),
        "places": PLACES,
        "about places": {place: about(place) for place in PLACES if place != "/box"},
        "times of places": times,
        "devices": {name: about("/dev/" + name)[:3] for name in sorted(os.listdir("/dev"))},
        "support": {name: about("/tester/" + name) for name in sorted(os.listdir("/tester"))},
        "driver": hashlib.sha256(open("/tester/pytest_driver.py", "rb").read()).hexdigest(),
        "mounts": hashlib.sha256(open("/proc/self/mountinfo", "rb").read()).hexdigest(),
        "runner": open("/proc/1/cmdline").read(),
        "stdin": sys.stdin.read() if "look" in sys.argv else "",
    }


def main():
    found = {"uid": os.getuid(), "state": state(), "refused": {}, "left": []}
    if "leave" in sys.argv:
        for means, leave in MEANS.items():
            try:
                leave()
                found["left"].append(means)
            except OSError as error:
                found["refused"][means] = errno.errorcode[error.errno]
        time.sleep(0.05)
    found["seen"] = {name: seen for name, look in SIGHT.items() if (seen := look())}
    print(json.dumps(found))
    sys.stdout.flush()
    if "leave" in sys.argv:
        # Whoever reads what comes now reads what was meant for another.
        family(lambda: os.write(1, b"late"))()
        os._exit(0)


main()
