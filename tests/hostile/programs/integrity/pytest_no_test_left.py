#: about = "Deselects and skips everything, so that nothing can fail."
#: walls = []
#: profile = "pytest"
#: args = ["-p", "no:terminal"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 0
#: tests_complete = true
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_hard", "skipped"]]

import pytest


@pytest.mark.skip(reason="too hard")
def test_hard():
    assert False
