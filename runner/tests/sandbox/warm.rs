//! The warm interpreter: whatever runs by way of it behaves as it does in a plain start.

use tester_runner::message::{Cause, Exit, Start};

use crate::harness::{Run, Sandbox, python, start};

/// Programs that show what a start looks like. Each prints what it sees.
const PROGRAMS: [(&str, &str); 25] = [
    ("modules", "import sys; print(sorted(set(sys.modules) - {'colorsys'}))"),
    ("hello", "print('hello')"),
    ("arguments", "import sys; print(sys.argv, sys.orig_argv)"),
    ("paths", "import sys, os; print(sys.path, os.getcwd(), sys.executable, sys.prefix, sys.flags)"),
    (
        "main",
        "import sys; m = sys.modules['__main__']; print({k: v for k, v in vars(m).items() if k not in ('sys', 'm')}, \
         sorted(n for n in sys.modules if 'custom' in n or n in ('ctypes', 'resource', '_socket')))",
    ),
    ("exit", "import sys; print('a'); sys.exit(3)"),
    ("exit_text", "import sys; sys.exit('no\\u20ac')"),
    ("exit_nothing", "raise SystemExit"),
    (
        "raises",
        "def f():\n    raise ValueError('x')\ntry:\n    f()\nexcept ValueError as e:\n    raise KeyError(1) from e",
    ),
    ("recursion", "def f(n):\n    return f(n + 1)\nprint(1, flush=True)\nf(0)"),
    (
        "depth",
        "import sys, inspect; print(sys.getrecursionlimit(), len(inspect.stack())); print(sys._getframe().f_back)",
    ),
    ("syntax", "print('never')\nx = = 1"),
    ("interrupt", "print('a')\nraise KeyboardInterrupt"),
    ("signal", "import os, signal; print('lost'); os.kill(os.getpid(), signal.SIGTERM)"),
    ("abort", "import os; os.abort()"),
    (
        "at_exit",
        "import atexit, sys\natexit.register(print, 'one')\natexit.register(print, 'two')\nsys.stdout.write('unflushed')",
    ),
    ("os_exit", "import os, sys\nsys.stdout.write('lost')\nos._exit(5)"),
    (
        "streams",
        "import sys, os\nfor s in sys.stdin, sys.stdout, sys.stderr: print(s.encoding, s.errors, s.line_buffering, \
         s.write_through, s.mode, s.name, s.buffer, s.isatty(), s.seekable(), s.fileno())\nprint(input(), sys.stdin.read())\n\
         open('/dev/stdout', 'w').write('out\\n'); open('/dev/stderr', 'w').write('err\\n'); os.write(2, b'2')",
    ),
    (
        "process",
        "import os, resource as r\nprint(os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), os.umask(0), \
         os.getsid(0) == os.getpid() == os.getpgid(0), os.nice(0), sorted(os.listdir('/proc/self/fd')))\n\
         print([r.getrlimit(x) for x in (r.RLIMIT_CORE, r.RLIMIT_FSIZE, r.RLIMIT_NOFILE, r.RLIMIT_NPROC, r.RLIMIT_STACK)])\n\
         print([l for l in open('/proc/self/status') if l.split(':')[0] in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', \
         'CapEff', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'SigBlk', 'SigIgn', 'SigCgt', 'Threads')])\n\
         print(open('/proc/self/oom_score_adj').read(), os.stat('/proc/self').st_uid)",
    ),
    (
        "environment",
        "import os, subprocess; print(list(os.environ.items())); print(subprocess.run(['env'], capture_output=True, text=True).stdout)",
    ),
    (
        "threads",
        "import threading, time\nt = threading.Thread(target=lambda: (time.sleep(.2), print('late')))\nt.start()\n\
         print(threading.main_thread().name, threading.main_thread().ident == threading.get_ident(), threading.current_thread() is threading.main_thread(), threading.active_count())",
    ),
    (
        "processes",
        "import multiprocessing as mp, sys\ndef f(q): q.put((__name__, mp.current_process().name))\n\
         if __name__ == '__main__':\n    for m in mp.get_all_start_methods():\n        c = mp.get_context(m); q = c.SimpleQueue(); \
         p = c.Process(target=f, args=(q,)); p.start(); print(m, q.get()); p.join(); print(p.exitcode)\n    print(mp.parent_process())",
    ),
    (
        "again",
        "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv, sys.path)'], capture_output=True))",
    ),
    (
        "defaults",
        "import sys, locale, site, time, warnings, gc, signal\nprint(locale.getlocale(), locale.getpreferredencoding(), \
         sys.getfilesystemencoding(), site.ENABLE_USER_SITE, site.USER_BASE, time.tzname, warnings.filters, gc.isenabled(), \
         gc.get_threshold(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGPIPE), sys.excepthook, sys.displayhook, \
         sys.getswitchinterval(), sys.meta_path, sys.path_hooks, sorted(sys.path_importer_cache))",
    ),
    (
        "warning",
        "import warnings; warnings.warn('careful'); import asyncio\nasync def f(): return 1\nprint(asyncio.run(f()))\nf()",
    ),
];

/// Those that are run in a sandbox of their own, too.
const AS_ITSELF: [&str; 8] =
    ["modules", "main", "recursion", "at_exit", "streams", "process", "environment", "processes"];

const STDIN: &[u8] = "first\nsécond\nthird".as_bytes();

fn order(uid: u32, warm: bool, last: bool) -> Start {
    let mut order = python();
    order.argv.extend(["a b".to_owned(), String::new(), "é".to_owned()]);
    order.env.push(("OF_THE_JOB".to_owned(), "1 2\n".to_owned()));
    Start { uid, warm, last, ..order }
}

/// What a run came to, as far as two runs of one program are alike.
fn shown(run: &Run) -> (Cause, Option<Exit>, String, String) {
    // Addresses differ from run to run, and so do uids here.
    let alike = |text: String| {
        let mut out = String::new();
        for (number, part) in text.split("0x").enumerate() {
            out += if number == 0 { part } else { part.trim_start_matches(|c: char| c.is_ascii_hexdigit()) };
        }
        (20_001..20_099).fold(out, |text, uid: u32| text.replace(&uid.to_string(), "UID"))
    };
    (run.ended.cause, run.ended.exit, alike(run.out()), alike(run.err()))
}

#[test]
fn programs_of_one_sandbox_behave_as_in_a_plain_start() {
    let mut plain = Sandbox::new();
    let mut warm = Sandbox::new();
    // Preloaded is what no program here imports, so that whoever has it started warm.
    assert_eq!(warm.warm_up(&python(), &["colorsys"]), None);
    for (number, (name, program)) in (0_u32..).zip(PROGRAMS) {
        let files = [("main.py", program.as_bytes())];
        let uid = 20_010 + number;
        let expected = plain.run(&order(uid, true, false), &files, STDIN);
        let found = warm.run(&order(uid, true, false), &files, STDIN);
        assert_eq!(shown(&found), shown(&expected), "{name}");
        assert!(found.started && found.ended.clean && found.ended.memory_peak_bytes > 0, "{name}");
    }
    let proof = b"import sys; print('colorsys' in sys.modules, [m for m in ('ctypes', '_socket') if m in sys.modules])";
    assert_eq!(warm.run(&order(20_090, true, false), &[("main.py", proof)], b"").out(), "True []\n");
    assert_eq!(plain.run(&order(20_090, true, false), &[("main.py", proof)], b"").out(), "False []\n");
}

#[test]
fn a_program_that_is_the_last_one_is_the_interpreter_itself_and_behaves_as_in_a_plain_start() {
    let mut plain = Sandbox::new();
    for (number, (name, program)) in (0_u32..).zip(PROGRAMS.into_iter().filter(|(name, _)| AS_ITSELF.contains(name))) {
        let files = [("main.py", program.as_bytes())];
        let uid = 20_010 + number;
        let expected = plain.run(&order(uid, true, false), &files, STDIN);
        let mut warm = Sandbox::new();
        assert_eq!(warm.warm_up(&python(), &["colorsys"]), None);
        let found = warm.run(&order(uid, true, true), &files, STDIN);
        assert_eq!(shown(&found), shown(&expected), "{name}");
        assert_eq!(found.ended.clean, expected.ended.clean, "{name}");
    }
    let look = b"import os, sys; print('colorsys' in sys.modules, os.getppid(), [p for p in os.listdir('/proc') if p.isdigit()] == ['1', str(os.getpid())])";
    let mut warm = Sandbox::new();
    assert_eq!(warm.warm_up(&python(), &["colorsys"]), None);
    assert_eq!(warm.run(&order(20_090, true, true), &[("main.py", look)], b"").out(), "True 1 True\n");
}

/// Whatever an interpreter reads while it starts, and files that stand before modules, make a plain start.
#[test]
fn what_only_a_plain_start_can_do_is_a_plain_start() {
    let loaded = "import sys; print('colorsys' in sys.modules)";
    let show = |more: &str| format!("{loaded}\n{more}");
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.warm_up(&python(), &["colorsys"]), None);
    let mut uid = 20_010;
    let mut run = |change: &dyn Fn(&mut Start), program: &str, more: &[(&str, &[u8])]| {
        uid += 1;
        let mut start = Start { uid, warm: true, last: false, ..python() };
        change(&mut start);
        let files = [&[("main.py", program.as_bytes()), ("other.py", program.as_bytes())], more].concat();
        let run = sandbox.run(&start, &files, b"");
        assert_eq!(run.ended.exit, Some(Exit::Code(0)), "{}", run.err());
        run.out()
    };
    let set = |name: &'static str, value: &'static str| {
        move |start: &mut Start| start.env.push((name.to_owned(), value.to_owned()))
    };
    assert_eq!(run(&|_| {}, loaded, &[]), "True\n");
    assert_eq!(run(&set("X", "1"), loaded, &[]), "True\n");
    assert_eq!(
        run(&set("PYTHONHASHSEED", "0"), &show("print(hash('a'))"), &[]),
        "False\n-3583444403012602103\n".replace("-3583444403012602103", &hash_of_a())
    );
    assert_eq!(
        run(&set("PYTHONPATH", "/box/more"), &show("import extra"), &[("more/extra.py", b"print('extra')")]),
        "False\nextra\n"
    );
    assert_eq!(run(&set("TZ", "Asia/Tokyo"), loaded, &[]), "False\n");
    assert_eq!(run(&set("LC_ALL", "C.UTF-8"), loaded, &[]), "False\n");
    assert_eq!(run(&|start| start.argv[1] = "other.py".to_owned(), loaded, &[]), "False\n");
    assert_eq!(
        run(&|start| start.argv = ["python3", "-X", "utf8", "main.py"].map(str::to_owned).to_vec(), loaded, &[]),
        "False\n"
    );
    assert_eq!(run(&|_| {}, &show("import colorsys"), &[("colorsys.py", b"print('own')")]), "False\nown\n");
    assert_eq!(run(&|_| {}, loaded, &[("colorsys/__init__.py", b"")]), "False\n");
    assert_eq!(run(&|_| {}, loaded, &[(".local/lib/x", b"")]), "False\n");
    assert_eq!(run(&|start| start.warm = false, loaded, &[]), "False\n");
    // And the interpreter still waits for those who can have it.
    assert_eq!(run(&|_| {}, loaded, &[]), "True\n");
}

fn hash_of_a() -> String {
    let mut order = python();
    order.env.push(("PYTHONHASHSEED".to_owned(), "0".to_owned()));
    Sandbox::new().run(&order, &[("main.py", b"print(hash('a'))")], b"").out().trim().to_owned()
}

#[test]
fn without_a_warm_interpreter_there_is_a_reason_and_a_plain_start() {
    let broken = |argv: &[&str], modules: &[&str], reason: &str| {
        let mut sandbox = Sandbox::new();
        let error = sandbox.warm_up(&start(argv), modules).expect("a reason");
        assert!(error.contains(reason), "{error}");
        let run = sandbox.run(&Start { warm: true, last: true, ..python() }, &[("main.py", b"print('plain')")], b"");
        assert_eq!((run.out().as_str(), run.err().as_str()), ("plain\n", ""));
    };
    broken(&["python3", "main.py"], &["no_such_module"], "ModuleNotFoundError: No module named 'no_such_module'");
    broken(&["python3", "-I", "main.py"], &["json"], "it ended before it was ready");
    broken(&["python3", "-S", "main.py"], &["json"], "main.py");
    broken(&["no-such-program"], &["json"], "No such file");
    broken(&["sleep", "60"], &["json"], "not ready in time");
}

/// What one program could leave for the next in a module that both have from the interpreter.
#[test]
fn modules_that_programs_would_share_more_than_code_of_are_not_preloaded() {
    let module = |code: &str| {
        let mut start = python();
        // No folder of the image can be written: the module comes from a file that Python reads at its start.
        start.env.push(("PYTHONPATH".to_owned(), "/tmp".to_owned()));
        start.argv = ["python3", "main.py"].map(str::to_owned).to_vec();
        let mut sandbox = Sandbox::new();
        sandbox.docker(&[
            "exec",
            &sandbox.name,
            "python3",
            "-c",
            &format!("open('/tmp/of_ours.py', 'w').write({code:?})"),
        ]);
        let error = sandbox.warm_up(&start, &["of_ours"]);
        let run = sandbox.run(
            &Start { warm: true, ..start },
            &[("main.py", b"import sys; print('of_ours' in sys.modules)")],
            b"",
        );
        (error, run.out())
    };
    let (error, out) = module("import mmap; shared = mmap.mmap(-1, 4096)");
    assert!(error.is_some_and(|error| error.contains("maps memory")) && out == "False\n", "{out}");
    let (error, out) = module("import os; left = os.pipe()");
    assert!(error.is_some_and(|error| error.contains("keeps a descriptor open")) && out == "False\n", "{out}");
    // With more than one thread there is no fork that every library survives: the child starts plainly.
    let threads = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()";
    assert_eq!(module(threads), (None, "False\n".to_owned()));
    assert_eq!(module("x = 1"), (None, "True\n".to_owned()));
}

/// The processes of a run are killed, whatever they do; the interpreter for the next run stays.
#[test]
fn the_interpreter_outlives_what_a_run_leaves_behind() {
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.warm_up(&python(), &["colorsys"]), None);
    let leaves = b"import os, signal, time
for n in range(8):
    if os.fork() == 0:
        os.setsid()
        for s in range(1, 32):
            try: signal.signal(s, signal.SIG_IGN)
            except (OSError, ValueError): pass
        if n % 2: os.kill(os.getpid(), signal.SIGSTOP)
        while True: time.sleep(9)
try: os.kill(os.getppid(), signal.SIGKILL)
except PermissionError: print('may not')
print(os.path.exists('/proc/%d/mem' % os.getppid()))
try: open('/proc/%d/environ' % os.getppid()).read()
except PermissionError: print('may not')
os.kill(-1, 0)
";
    let run = sandbox.run(&order(20_020, true, false), &[("main.py", leaves)], b"");
    assert_eq!(run.out(), "may not\nTrue\nmay not\n", "{}", run.err());
    assert_eq!((run.ended.exit, run.ended.processes_killed, run.ended.clean), (Some(Exit::Code(0)), 8, true));
    let proof =
        b"import sys, os; print('colorsys' in sys.modules, len([p for p in os.listdir('/proc') if p.isdigit()]))";
    let run = sandbox.run(&order(20_021, true, false), &[("main.py", proof)], b"");
    assert_eq!(run.out(), "True 3\n");
}

#[test]
fn limits_end_a_child_of_the_interpreter_as_they_end_any_program() {
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.warm_up(&python(), &["colorsys"]), None);
    let mut run = |uid, change: &dyn Fn(&mut Start), program: &str| {
        let mut start = order(uid, true, false);
        change(&mut start);
        sandbox.run(&start, &[("main.py", program.as_bytes())], b"").ended
    };
    let ended = run(20_020, &|start| start.wall_milliseconds = 300, "import time; time.sleep(60)");
    assert_eq!((ended.cause, ended.exit), (Cause::Wall, Some(Exit::Signal(9))));
    let ended = run(20_021, &|start| start.cpu_milliseconds = 300, "while True: pass");
    assert_eq!((ended.cause, ended.exit), (Cause::Cpu, Some(Exit::Signal(9))));
    let ended = run(20_022, &|start| start.stdout_bytes = 1000, "while True: print('y')");
    assert_eq!(ended.cause, Cause::Stdout);
    let ended = run(20_023, &|_| {}, "x = bytearray(400 << 20)");
    assert_eq!((ended.exit, ended.oom_kills > 0), (Some(Exit::Signal(9)), true));
    let ended = run(20_024, &|_| {}, "import sys; print(1); sys.exit('colorsys' not in sys.modules)");
    assert_eq!(ended.exit, Some(Exit::Code(0)), "it is there again for the next");
    // Forks faster than it can be killed one by one: whether the interpreter goes with it is all the same.
    let bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n    if os.getpid() % 7 == 0: os._exit(0)";
    let ended = run(20_025, &|start| start.wall_milliseconds = 500, bomb);
    assert!(ended.clean, "{ended:?}");
    let ended = run(20_026, &|_| {}, "pass");
    assert_eq!((ended.exit, ended.clean), (Some(Exit::Code(0)), true));
}

#[test]
fn an_interpreter_that_dies_while_it_waits_is_noticed_at_once() {
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.warm_up(&python(), &["colorsys"]), None);
    let pids = sandbox.host_pids();
    assert_eq!(pids.len(), 2);
    let victim = nix::unistd::Pid::from_raw(i32::try_from(pids[1]).unwrap());
    nix::sys::signal::kill(victim, nix::sys::signal::Signal::SIGKILL).unwrap();
    let fault = sandbox.fault();
    assert!(fault.message.contains("the warm interpreter ended while it waited") && !fault.from_job, "{fault:?}");
}
