"""What a pool costs that nobody uses: memory and CPU of the worker, of each container's shim, and of what waits inside."""

import pathlib
import time

import docker

from usage import cpu_seconds, memory_mib


def processes_of(container):
    """The shim of a container, and what runs in it: its PID 1, and the children of that."""
    shims = [pid for pid, words in command_lines() if "containerd-shim" in words[0] and container.id in words]
    inside = [int(row[1]) for row in container.top()["Processes"]]
    return shims, inside


def command_lines():
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0]:
            yield int(folder.name), [word.decode(errors="replace") for word in words]


def cost(worker, containers, seconds):
    """In MiB, shares of what several map counted in parts; and CPU seconds over so many seconds."""
    shims, inside = [], []
    for container in containers:
        try:
            found = processes_of(container)
        except docker.errors.APIError:
            # One that was made to attack the walls, and has ended since it was listed.
            continue
        shims += found[0]
        inside += found[1]
    pids = [worker.process.pid, *shims, *inside]
    before = sum(cpu_seconds(pid) for pid in pids)
    time.sleep(seconds)

    def total(numbers):
        return sum(memory_mib(pid, "smaps_rollup", "Pss:") for pid in numbers)

    return {"sandboxes": len(shims), "worker_mib": total([worker.process.pid]), "shims_mib": total(shims),
            "inside_mib": total(inside), "cpu_seconds": sum(cpu_seconds(pid) for pid in pids) - before, "seconds": seconds}
