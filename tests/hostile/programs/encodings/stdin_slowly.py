#: about = "Reads megabytes of input byte by byte at first, and counts whether all of them came."
#: walls = []
#: stdin = { fill = "0123456789\n", bytes = 3000000 }
#: [expect]
#: status = "ok"
#: stdout = ["3000000 bytes", "as they were sent True", "then nothing b''"]

import os

data = b"".join(os.read(0, 1) for _ in range(1000))
while piece := os.read(0, 65536):
    data += piece
print(len(data), "bytes")
print("as they were sent", data == (b"0123456789\n" * 300000)[: len(data)])
print("then nothing", os.read(0, 1))
