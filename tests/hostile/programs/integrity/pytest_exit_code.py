#: about = "Lets the suite fail and then changes the exit code to 0 from a hook at the interpreter's end."
#: walls = []
#: profile = "pytest"
#: args = ["-p", "no:terminal"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = false
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_fails", "failed"]]

import atexit
import os


def test_fails():
    atexit.register(os._exit, 0)
    assert False
