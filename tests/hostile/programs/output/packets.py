#: about = "Turns its pipe into packet mode, where what a short read leaves is thrown away."
#: walls = ["output"]
#: limits = { stdout_bytes = 1000 }
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { fill = "x", bytes = 1000 }
#: stdout_bytes = 4000
#: stdout_truncated = true

import fcntl
import os
import signal

fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
os.write(1, b"x" * 4000)
signal.pause()
