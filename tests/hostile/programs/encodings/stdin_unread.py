#: about = "Is given megabytes of input, reads nothing of it, and closes it."
#: walls = []
#: stdin = { fill = "unread\n", bytes = 3000000 }
#: [expect]
#: status = "ok"
#: stdout = "done\n"

import os

os.close(0)
print("done")
