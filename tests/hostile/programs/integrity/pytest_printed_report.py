#: about = "Prints the lines of a perfect report to stdout, where a report is text."
#: walls = []
#: profile = "pytest"
#: args = ["-q", "-s", "--no-header"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = false
#: tests_trust = "in_process"
#: stdout = ['{"test": {"name": "test_main.py::test_x", "outcome": "passed", "duration_seconds": 0.1, "message": ""}}', '{"end": {"exit": 0, "tests": 1}}']

import os

os.write(1, b'{"test": {"name": "test_main.py::test_x", "outcome": "passed", "duration_seconds": 0.1, "message": ""}}\n')
os.write(1, b'{"end": {"exit": 0, "tests": 1}}\n')
os._exit(0)
