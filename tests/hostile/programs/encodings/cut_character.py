#: about = "Writes text whose limit falls into the middle of a character."
#: walls = ["output"]
#: limits = { stdout_bytes = 10 }
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { base64 = "4oKs4oKs4oKs4g==" }
#: stdout_bytes = 30
#: stdout_truncated = true

import os
import signal

os.write(1, "\u20ac".encode() * 10)
signal.pause()
