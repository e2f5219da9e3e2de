#: about = "Makes files without content until there can be no more."
#: walls = ["scratch_files"]
#: limits = { scratch_files = 500 }
#: [expect]
#: status = "ok"
#: stdout = ["/box ENOSPC below 500", "/tmp ENOSPC below 500"]

import errno

for folder in ("/box", "/tmp"):
    made = 0
    try:
        while True:
            open(f"{folder}/{made}", "x").close()
            made += 1
    except OSError as error:
        print(folder, errno.errorcode[error.errno], "below" if 490 < made < 500 else made, 500)
