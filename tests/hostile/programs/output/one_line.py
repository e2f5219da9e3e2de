#: about = "Writes a hundred megabytes without a line end."
#: walls = ["output"]
#: limits = { stdout_bytes = 100000 }
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { fill = "x", bytes = 100000 }
#: stdout_bytes_min = 100001
#: stdout_truncated = true

import os

block = b"x" * 100_000_000
while block:
    block = block[os.write(1, block) :]
