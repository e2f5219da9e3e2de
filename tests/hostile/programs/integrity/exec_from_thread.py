#: about = "Becomes another program from a thread that is not its first, which takes over the process id."
#: walls = []
#: [expect]
#: status = "runtime_error"
#: exit_code = 5
#: stdout = "another program\n"

import os
import threading

threading.Thread(target=lambda: os.execv("/bin/sh", ["sh", "-c", "echo another program; exit 5"])).start()
while True:
    pass
