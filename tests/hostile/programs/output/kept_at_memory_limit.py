#: about = "Says something and is then killed for memory with its stdout half full."
#: walls = ["memory"]
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "memory_limit"
#: limit = "memory"
#: oom_kills = 1
#: stdout = { fill = "kept ", bytes = 50000 }
#: stderr = "last words\n"

import os

os.write(1, b"kept " * 10000)
os.write(2, b"last words\n")
block = b"x" * (1 << 30)
