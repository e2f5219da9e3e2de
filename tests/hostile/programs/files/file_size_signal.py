#: about = "Lets the kernel end it for a file that grows too large, by the default action of SIGXFSZ."
#: walls = ["file_size"]
#: limits = { file_bytes = 1048576 }
#: [expect]
#: status = "signaled"
#: signal = 25

import signal

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
with open("/box/large", "wb") as file:
    while True:
        file.write(b"x" * 65536)
