#: about = "Gives files every name that a file can have: newlines, dashes, dots, bytes that are no text, 255 of them."
#: walls = ["emptied_between_cases"]
#: cases = [{ name = "makes", args = ["make"] }, { name = "looks" }]
#: [expect]
#: status = "ok"
#: [[expect.cases]]
#: name = "makes"
#: status = "ok"
#: stdout = ["9 names", "256 bytes ENAMETOOLONG"]
#: [[expect.cases]]
#: name = "looks"
#: status = "ok"
#: stdout = "['main.py']\n"

import errno
import os
import sys

names = [b"-rf", b"--", b"a\nb", b"...", b" ", b"\xff\xfe", b"\x1b[2J", b"*", b"n" * 255]
if "make" in sys.argv:
    for name in names:
        open(b"/box/" + name, "x").close()
    print(len(os.listdir(b"/box")) - 1, "names")
    try:
        open(b"/box/" + b"n" * 256, "x")
    except OSError as error:
        print("256 bytes", errno.errorcode[error.errno])
else:
    print(os.listdir("/box"))
