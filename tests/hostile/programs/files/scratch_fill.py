#: about = "Fills its folder until nothing more goes in."
#: walls = ["scratch_size"]
#: limits = { scratch_bytes = 8388608 }
#: [expect]
#: status = "ok"
#: stdout = ["/box ENOSPC below 8 MiB", "/tmp ENOSPC below 8 MiB"]

import errno

for folder in ("/box", "/tmp"):
    written = 0
    with open(folder + "/fill", "wb", buffering=0) as file:
        try:
            while True:
                written += file.write(b"x" * 65536)
        except OSError as error:
            size = "below" if 7 << 20 < written <= 8 << 20 else written
            print(folder, errno.errorcode[error.errno], size, "8 MiB")
