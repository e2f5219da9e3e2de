#: about = "Closes stdout and stderr and works on in silence."
#: walls = []
#: [expect]
#: status = "runtime_error"
#: exit_code = 7
#: stdout = "before\n"

import os
import time

os.write(1, b"before\n")
os.close(1)
os.close(2)
time.sleep(0.2)
os._exit(7)
