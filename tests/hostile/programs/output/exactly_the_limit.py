#: about = "Writes exactly as much as it may to both streams, turn by turn."
#: walls = ["output"]
#: limits = { stdout_bytes = 20000, stderr_bytes = 10000 }
#: [expect]
#: status = "ok"
#: stdout = { fill = "o", bytes = 20000 }
#: stderr = { fill = "e", bytes = 10000 }

import os

for _ in range(1000):
    os.write(1, b"o" * 20)
    os.write(2, b"e" * 10)
