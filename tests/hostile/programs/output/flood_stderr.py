#: about = "Writes to stderr without end and keeps stdout quiet."
#: walls = ["output"]
#: limits = { stderr_bytes = 5000 }
#: [expect]
#: status = "output_limit"
#: limit = "stderr"
#: stdout = "quiet\n"
#: stderr = { fill = "e", bytes = 5000 }
#: stderr_bytes_min = 5001
#: stderr_truncated = true

import os

os.write(1, b"quiet\n")
while True:
    os.write(2, b"e" * 4096)
