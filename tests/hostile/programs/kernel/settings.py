#: about = "Writes to the kernel's settings: what it runs when a program crashes, its panic button, its own limits."
#: walls = ["proc_masks", "read_only_root", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["writable []", "cgroup False", "/proc/kcore is empty", "/proc/keys is empty", "/proc/timer_list is empty", "/sys/firmware is empty"]

import glob
import os

writable = []
for path in [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/irq/0/smp_affinity",
    "/proc/bus/pci/devices",
    "/proc/1/oom_score_adj",
    "/proc/1/comm",
    "/proc/1/attr/current",
    "/proc/1/coredump_filter",
    "/proc/1/timerslack_ns",
    "/proc/1/uid_map",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/uevent_helper",
    "/sys/power/state",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/fuse",
    "/dev/kvm",
    *glob.glob("/dev/[sv]d*"),
]:
    try:
        file = os.open(path, os.O_WRONLY)
        # These two are opened by anybody, and judge whoever writes.
        if path not in ("/proc/1/attr/current", "/proc/1/timerslack_ns") or os.write(file, b"0"):
            writable.append(path)
    except OSError:
        pass
print("writable", writable)
limits = [path for path in glob.glob("/sys/fs/cgroup/**/*", recursive=True) if os.access(path, os.W_OK)]
print("cgroup", bool(limits))
for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"):
    try:
        inside = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(16)
    except OSError:
        inside = b""
    print(path, "is empty" if not inside else inside)
