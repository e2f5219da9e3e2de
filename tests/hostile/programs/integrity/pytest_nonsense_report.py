#: about = "Fills the report with records that are none: unknown members, not JSON, numbers that are no numbers."
#: walls = []
#: profile = "pytest"
#: args = ["-p", "no:terminal"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = false
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_writes", "passed"]]


def test_writes():
    with open("/tester/report", "wb") as report:
        report.write(b'{"test": {"name": "x", "outcome": "perfect", "duration_seconds": 0.1, "message": ""}}\n')
        report.write(b'{"test": {"name": "x", "outcome": "passed", "duration_seconds": NaN, "message": ""}}\n')
        report.write(b'{"status": "ok"}\n\xff\xfe\x00\n[[[[[[\n')
