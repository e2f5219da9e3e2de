"""The programs that everybody runs, and what they must print."""

PRINT = ("main.py", "print(1)\n", "1\n")
PYTEST = ("test_main.py", "def test_one():\n    assert 1 + 1 == 2\n\ndef test_two():\n    assert 'a' in 'abc'\n", "2 passed")
CASES = 50

COMMANDS = {"print": ["python3", "main.py"], "pytest": ["python3", "-m", "pytest", "-q", "-p", "no:cacheprovider"]}
FILES = {"print": PRINT, "pytest": PYTEST}


def check(name, output):
    """A run that was not one is no figure."""
    text = output.decode() if isinstance(output, bytes) else output
    if FILES[name][2] not in text:
        raise RuntimeError(f"{name} printed {text!r}")
