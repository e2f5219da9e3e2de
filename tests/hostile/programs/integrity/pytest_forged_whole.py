#: about = "Writes a whole and perfect report itself and ends with 0, which no one outside can tell from a true one."
#: walls = []
#: profile = "pytest"
#: args = ["-q", "-s", "--no-header"]
#: [expect]
#: status = "ok"
#: tests_complete = true
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_hard", "passed"]]

import os


def test_hard():
    with open("/tester/report", "w") as report:
        report.write('{"test": {"name": "test_main.py::test_hard", "outcome": "passed", "duration_seconds": 0.1, "message": ""}}\n')
        report.write('{"end": {"exit": 0, "tests": 1}}\n')
    os._exit(0)
