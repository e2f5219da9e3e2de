#: about = "Writes one byte more than it may and waits to see whether anybody noticed."
#: walls = ["output"]
#: limits = { stdout_bytes = 10000 }
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { fill = "o", bytes = 10000 }
#: stdout_bytes = 10001
#: stdout_truncated = true

import os
import signal

os.write(1, b"o" * 10001)
signal.pause()
