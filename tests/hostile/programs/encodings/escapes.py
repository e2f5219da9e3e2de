#: about = "Writes terminal escapes, overrides of direction and carriage returns that would rewrite a log."
#: walls = []
#: [expect]
#: status = "runtime_error"
#: exit_code = 3
#: stdout = "\u001b[2J\u001b[H\u001b]0;title\u0007ok\rOK\u202Egnorw\u202C\b\b\n"
#: stderr = "\u001b]52;c;cm0gLXJm\u0007\n2026-01-01T00:00:00Z  INFO forged line of a log\n"

import sys

sys.stdout.write("\x1b[2J\x1b[H\x1b]0;title\x07ok\rOK\u202egnorw\u202c\b\b\n")
sys.stderr.write("\x1b]52;c;cm0gLXJm\x07\n2026-01-01T00:00:00Z  INFO forged line of a log\n")
sys.exit(3)
