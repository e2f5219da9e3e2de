#: about = "Fills as many pipes as it can have, and wants each larger than anybody may."
#: walls = ["open_files", "memory"]
#: limits = { open_files = 64 }
#: [expect]
#: status = "ok"
#: stdout = ["30 pipes, then EMFILE", "every one was filled", "larger EPERM"]

import errno
import fcntl
import os

pipes = []
try:
    while True:
        pipes.append(os.pipe())
except OSError as error:
    print(f"{len(pipes)} pipes, then {errno.errorcode[error.errno]}")
full = 0
for _, end in pipes:
    os.set_blocking(end, False)
    try:
        while True:
            os.write(end, b"x" * 4096)
    except BlockingIOError:
        full += 1
print("every one was filled" if full == len(pipes) else full)
os.close(pipes.pop()[0])
largest = int(open("/proc/sys/fs/pipe-max-size").read())
try:
    fcntl.fcntl(pipes[0][1], fcntl.F_SETPIPE_SZ, 2 * largest)
except OSError as error:
    print("larger", errno.errorcode[error.errno])
