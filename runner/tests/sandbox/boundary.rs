//! What a program is, and what it cannot reach.

use std::process::Command;

use tester_runner::message::Exit;

use crate::harness::{Sandbox, python, start};

/// Runs Python that must print exactly this.
fn prints(program: &str, expected: &str) {
    let run = Sandbox::new().run(&python(), &[("main.py", program.as_bytes())], b"");
    assert_eq!((run.out().as_str(), run.err().as_str()), (expected, ""));
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
}

#[test]
fn a_program_starts_with_exactly_three_descriptors() {
    // The shell lists itself: what `ls` would open is not there yet.
    let run = Sandbox::new().run(&start(&["sh", "-c", "cd /proc/$$/fd && echo *"]), &[], b"");
    let seen = run.out();
    assert!(seen == "0 1 2\n" || seen == "0 1 2 3\n", "{seen}");
    prints(
        "import os\n\
         for n in range(3, 256):\n\
         \x20   try: os.fstat(n); print('open', n)\n\
         \x20   except OSError: pass\n\
         print('checked')\n",
        "checked\n",
    );
}

#[test]
fn a_program_has_the_jobs_ids_and_no_power() {
    prints(
        "import os\n\
         s = dict(line.split(':', 1) for line in open('/proc/self/status'))\n\
         print([s[k].split() for k in ('Uid', 'Gid', 'Groups', 'NoNewPrivs', 'Seccomp')])\n\
         print({s[k].strip() for k in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')})\n\
         print(os.getcwd(), os.getsid(0) == os.getpid(), os.nice(0), open('/proc/self/oom_score_adj').read().strip())\n\
         print(oct(os.umask(0)), os.stat('/proc/self/status').st_uid)\n",
        "[['20001', '20001', '20001', '20001'], ['20001', '20001', '20001', '20001'], [], ['1'], ['2']]\n\
         {'0000000000000000'}\n/box True 19 1000\n0o22 20001\n",
    );
}

#[test]
fn a_program_starts_with_every_signal_at_its_default_and_none_blocked() {
    let run = Sandbox::new().run(&start(&["sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"]), &[], b"");
    assert_eq!(run.out(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
}

#[test]
fn pid_1_can_neither_be_signalled_nor_traced_nor_looked_into() {
    prints(
        "import ctypes, os, signal\n\
         for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGCONT, 0):\n\
         \x20   try: os.kill(1, number); print('signalled', number)\n\
         \x20   except PermissionError: pass\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         assert libc.ptrace(16, 1, 0, 0) == -1 and ctypes.get_errno() == 1\n\
         for name in ('environ', 'mem', 'maps', 'fd', 'fdinfo', 'cwd', 'exe', 'root', 'auxv', 'stack', 'io', 'ns/net', 'map_files'):\n\
         \x20   path = '/proc/1/' + name\n\
         \x20   for look in (os.listdir, os.readlink, lambda p: open(p, 'rb').read()):\n\
         \x20       try: look(path); print('looked into', name)\n\
         \x20       except OSError: pass\n\
         print(open('/proc/1/cmdline').read().split(chr(0)))\n",
        "['/runner/bin/tester-runner', 'pid1', '']\n",
    );
}

#[test]
fn pid_1_is_closed_even_to_its_own_uid_before_and_after_a_run() {
    let mut sandbox = Sandbox::new();
    for _ in 0..2 {
        let look = ["exec", "--user", "0:0", &sandbox.name, "cat", "/proc/1/environ"];
        let output = Command::new("docker").args(look).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
        assert_eq!(sandbox.run(&start(&["true"]), &[], b"").ended.exit, Some(Exit::Code(0)));
    }
}

#[test]
fn a_program_dies_with_the_runner() {
    prints(
        "import ctypes\n\
         number = ctypes.c_int()\n\
         ctypes.CDLL(None).prctl(2, ctypes.byref(number))\n\
         print(number.value)\n",
        "9\n",
    );
}

#[test]
fn nothing_outside_of_the_scratch_folders_can_be_written_and_the_runner_not_opened() {
    prints(
        "import os\n\
         for path in ('/x', '/etc/x', '/tester/x', '/tester/pytest_driver.py', '/runner/x', '/runner/bin/tester-runner',\n\
         \x20            '/dev/x', '/sys/fs/cgroup/x', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/var/x',\n\
         \x20            '/dev/mqueue/x'):\n\
         \x20   try: open(path, 'ab'); print('wrote', path)\n\
         \x20   except OSError: pass\n\
         for path in ('/runner/bin/tester-runner', '/runner/bin'):\n\
         \x20   try: os.open(path, os.O_RDONLY); print('opened', path)\n\
         \x20   except OSError: pass\n\
         for path in ('/box/x', '/tmp/x'): open(path, 'w').write('fine')\n\
         print(os.access('/tester/pytest_driver.py', os.R_OK))\n",
        "True\n",
    );
}

#[test]
fn what_the_deny_list_names_is_refused_in_the_running_kernel() {
    prints(
        "import ctypes, errno, os, platform, socket\n\
         assert platform.machine() == 'x86_64'\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         def call(number, *arguments):\n\
         \x20   ctypes.set_errno(0)\n\
         \x20   result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])\n\
         \x20   return errno.errorcode[ctypes.get_errno()] if result == -1 else 'OK'\n\
         names = {'keyctl': 250, 'add_key': 248, 'bpf': 321, 'perf_event_open': 298, 'userfaultfd': 323, 'ptrace': 101,\n\
         \x20   'process_vm_readv': 310, 'pidfd_getfd': 438, 'open_by_handle_at': 304, 'unshare': 272, 'setns': 308, 'mount': 165,\n\
         \x20   'pivot_root': 155, 'chroot': 161, 'fsopen': 430, 'open_tree': 428, 'settimeofday': 164, 'adjtimex': 159,\n\
         \x20   'quotactl': 179, 'reboot': 169, 'iopl': 172}\n\
         print({name for name, number in names.items() if call(number, 0, 0, 0, 0, 0) != 'EPERM'})\n\
         names = {'io_uring_setup': 425, 'memfd_secret': 447, 'clone3': 435, 'shmget': 29, 'msgget': 68, 'semget': 64, 'mq_open': 240}\n\
         print({name for name, number in names.items() if call(number, 0, 0, 0, 0, 0) != 'ENOSYS'})\n\
         print(call(56, 0x10000000 | 17, 0, 0, 0, 0), call(0x40000000 | 39), call(135, 0x40000), call(135, 0xffffffff))\n\
         for family in (16, 17, 38, 40, 1, 2, 10):\n\
         \x20   try: socket.socket(family, socket.SOCK_DGRAM if family != 40 else socket.SOCK_STREAM); print(family, 'OK')\n\
         \x20   except OSError as error: print(family, errno.errorcode[error.errno])\n",
        "set()\nset()\nEPERM ENOSYS EPERM OK\n\
         16 EAFNOSUPPORT\n17 EAFNOSUPPORT\n38 EAFNOSUPPORT\n40 EAFNOSUPPORT\n1 OK\n2 OK\n10 OK\n",
    );
}

#[test]
fn there_is_no_network_but_the_own_loopback() {
    prints(
        "import errno, socket\n\
         print([name for _, name in socket.if_nameindex()] if False else open('/proc/net/dev').read().count(':'))\n\
         for address in (('169.254.169.254', 80), ('10.0.0.1', 80), ('172.17.0.1', 2375)):\n\
         \x20   s = socket.socket(); s.settimeout(5)\n\
         \x20   try: s.connect(address); print('connected')\n\
         \x20   except OSError as error: print(errno.errorcode[error.errno])\n",
        "1\nENETUNREACH\nENETUNREACH\nENETUNREACH\n",
    );
}
