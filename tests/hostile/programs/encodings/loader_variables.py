#: about = "Is given the variables that the loader and the interpreter obey, which must reach nobody but the program."
#: walls = ["no_new_privileges"]
#: env = { LD_PRELOAD = "/box/none.so", LD_DEBUG_OUTPUT = "/box/debug", LD_AUDIT = "/box/none.so", GLIBC_TUNABLES = "glibc.malloc.check=3", PYTHONSTARTUP = "/box/evil.py", PYTHONINSPECT = "", BASH_ENV = "/box/evil.sh" }
#: files = [{ path = "evil.py", content = "print('never')" }, { path = "evil.sh", content = "echo never" }]
#: [expect]
#: status = "ok"
#: stdout = ["LD_PRELOAD /box/none.so", "GLIBC_TUNABLES glibc.malloc.check=3", "PYTHONSTARTUP /box/evil.py", "PID 1 is as it was"]
#: stderr = "ERROR: ld.so: object '/box/none.so' cannot be loaded as audit interface: cannot open shared object file; ignored.\nERROR: ld.so: object '/box/none.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.\n"

import os

for name in ("LD_PRELOAD", "GLIBC_TUNABLES", "PYTHONSTARTUP"):
    print(name, os.environ[name])
try:
    os.kill(1, 0)
except PermissionError:
    print("PID 1 is as it was")
