#: about = "Opens the report pipe a second time, writes an end of its own, and lets the suite go on."
#: walls = []
#: profile = "pytest"
#: args = ["-q", "-s", "--no-header"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = false
#: tests_trust = "in_process"
#: tests = [["forged", "passed"]]
#: stdout = ""

import os


def test_writes():
    with open("/tester/report", "w") as report:
        report.write('{"test": {"name": "forged", "outcome": "passed", "duration_seconds": 0.1, "message": ""}}\n')
        report.write('{"end": {"exit": 0, "tests": 1}}\n')
        report.write("nothing may follow the end\n")
    os._exit(0)
