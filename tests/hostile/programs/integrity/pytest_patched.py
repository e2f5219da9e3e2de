#: about = "Patches pytest so that every failure is reported as a success, from within."
#: walls = []
#: profile = "pytest"
#: args = ["-p", "no:terminal"]
#: files = [{ path = "conftest.py", content = "import _pytest.runner\n\n\ndef _nothing(item):\n    pass\n\n\n_pytest.runner.pytest_runtest_call = _nothing\n\n\ndef pytest_pyfunc_call(pyfuncitem):\n    return True\n" }]
#: [expect]
#: status = "ok"
#: tests_complete = true
#: tests_trust = "in_process"
#: tests = [["test_main.py::test_never_called", "passed"]]


def test_never_called():
    raise AssertionError("a test that nobody calls cannot fail")
