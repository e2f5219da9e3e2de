"""What processes use, from /proc; and how often something can be done in a while by several at once."""

import os
import pathlib
import threading
import time


def memory_mib(pid, file="status", field="VmRSS:"):
    """Resident memory; with `smaps_rollup` and `Pss:`, what several processes share counted in parts."""
    for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/{file} has no {field}")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(lanes, seconds, lane):
    """Calls a second of so many threads. `lane()` gives a thread what it calls again and again, and what it calls at the end."""
    done, end, failed = [0] * lanes, time.monotonic() + seconds, []

    def work(number):
        try:
            call, close = lane()
            while time.monotonic() < end:
                call()
                done[number] += 1
            close()
        except Exception as error:  # Told by the main thread.
            failed.append(error)

    began = time.monotonic()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(done) / (time.monotonic() - began)
