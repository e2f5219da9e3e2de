#: about = "Digs a thousand folders deep, closes them all, and leaves them for the next case to be emptied of."
#: walls = ["emptied_between_cases"]
#: cases = [{ name = "digs", args = ["dig"] }, { name = "looks" }]
#: [expect]
#: status = "ok"
#: [[expect.cases]]
#: name = "digs"
#: status = "ok"
#: stdout = "dug\n"
#: [[expect.cases]]
#: name = "looks"
#: status = "ok"
#: stdout = "['main.py'] [] []\n"

import os
import sys

if "dig" in sys.argv:
    for top in ("/box", "/tmp"):
        os.chdir(top)
        # Longer than any path that a call takes (4096 bytes), and not longer than AppArmor can name (8192).
        for depth in range(1000):
            os.mkdir("d" * 6)
            os.chdir("d" * 6)
            if depth > 0:
                os.chmod("..", 0)
        os.chmod(".", 0)
    print("dug")
else:
    print(os.listdir("/box"), os.listdir("/tmp"), os.listdir("/dev/shm"))
