#: about = "Writes from twenty processes at once into both streams."
#: walls = ["output"]
#: [expect]
#: status = "ok"
#: stdout = { fill = "o", bytes = 200000 }
#: stderr = { fill = "e", bytes = 100000 }

import os

for _ in range(20):
    if os.fork() == 0:
        for _ in range(100):
            os.write(1, b"o" * 100)
            os.write(2, b"e" * 50)
        os._exit(0)
for _ in range(20):
    os.wait()
