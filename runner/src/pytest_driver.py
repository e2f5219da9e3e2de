"""Runs pytest as `python3 -m pytest` does, and reports every test into the runner's pipe.

One JSON document a line: {"test": {"name", "outcome", "duration_seconds", "message"}} for each test, and
{"end": {"exit", "tests"}} after the last. Without the pipe (a run by hand) nothing is reported.
Python 3.8 or later, pytest 6 or later.
"""

import json
import os
import sys

import pytest

REPORT_PIPE = "/tester/report"
NAME_BYTES_MAX = 1024
MESSAGE_BYTES_MAX = 4096


def bounded(text, bytes_max):
    """The text as valid Unicode, cut to so many bytes of UTF-8."""
    encoded = str(text).encode("utf-8", "backslashreplace")
    return encoded[:bytes_max].decode("utf-8", "ignore")


class Pipe:
    """The report pipe. Only the driver's own process writes: a test that forks must not report twice."""

    def __init__(self):
        self.owner = os.getpid()
        try:
            # Without waiting: a pipe that nobody reads is as good as none. Python opens it close-on-exec.
            self.descriptor = os.open(REPORT_PIPE, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(self.descriptor, True)
        except OSError:
            self.descriptor = None

    def send(self, document):
        if self.descriptor is None or os.getpid() != self.owner:
            return
        line = (json.dumps(document) + "\n").encode("ascii")
        try:
            while line:
                line = line[os.write(self.descriptor, line) :]
        except OSError:
            self.descriptor = None


class Reporter:
    """A pytest plugin that joins setup, call and teardown of each test into one line."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.running = {}
        self.awaited = set()
        self.tests = 0

    def pytest_collection_finish(self, session):
        self.awaited.update(item.nodeid for item in session.items)

    def pytest_runtest_logreport(self, report):
        test = self.running.setdefault(report.nodeid, {"outcome": None, "duration": 0.0, "message": ""})
        test["duration"] += report.duration
        outcome, message = judge(report)
        # The first failure stands; a test that passed may still fail in its teardown.
        if outcome is not None and test["outcome"] not in ("failed", "error"):
            if test["outcome"] in (None, "passed") or outcome in ("failed", "error"):
                test["outcome"], test["message"] = outcome, message
        if report.when == "teardown":
            del self.running[report.nodeid]
            self.awaited.discard(report.nodeid)
            self.send(report.nodeid, test["outcome"] or "passed", test["duration"], test["message"])

    def pytest_collectreport(self, report):
        if report.failed:
            self.send(report.nodeid, "error", getattr(report, "duration", 0.0), failure(report))
        elif report.skipped:
            self.send(report.nodeid, "skipped", getattr(report, "duration", 0.0), skip_reason(report))

    def send(self, name, outcome, duration, message):
        self.tests += 1
        self.pipe.send(
            {
                "test": {
                    "name": bounded(name, NAME_BYTES_MAX),
                    "outcome": outcome,
                    "duration_seconds": max(0.0, float(duration)),
                    "message": bounded(message, MESSAGE_BYTES_MAX),
                }
            }
        )


def judge(report):
    """Outcome and message of one phase; no outcome for a phase that says nothing about the test."""
    expected_failure = getattr(report, "wasxfail", None)
    if report.skipped:
        if expected_failure is not None:
            return "xfailed", expected_failure
        return "skipped", skip_reason(report)
    if report.failed:
        return ("failed" if report.when == "call" else "error"), failure(report)
    if report.when != "call":
        return None, ""
    return ("passed", "") if expected_failure is None else ("xpassed", expected_failure)


def failure(report):
    """The line that says what went wrong, or everything there is."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return crash.message
    return report.longrepr if report.longrepr is not None else ""


def skip_reason(report):
    """A skip is a tuple of file, line and reason."""
    longrepr = report.longrepr
    return longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr or ""


def main():
    # `python3 -m pytest` finds modules in the working folder; this file's own folder holds nothing for tests.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    sys.argv[0] = pytest.__file__
    pipe = Pipe()
    reporter = Reporter(pipe)
    code = int(pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]], plugins=[reporter]))
    # A suite that is ended with 0 before its last test (`pytest.exit(returncode=0)`) has no complete report.
    if code != 0 or not reporter.awaited:
        pipe.send({"end": {"exit": code, "tests": reporter.tests}})
    return code


if __name__ == "__main__":
    sys.exit(main())
