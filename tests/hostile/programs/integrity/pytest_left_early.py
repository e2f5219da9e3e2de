#: about = "Ends the interpreter with 0 in the middle of a suite, before the test that would fail."
#: walls = []
#: profile = "pytest"
#: args = ["-q", "-s", "--no-header"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = false
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_first", "passed"]]
#: stdout = "."

import os


def test_first():
    pass


def test_leaves():
    os._exit(0)


def test_fails():
    assert False
