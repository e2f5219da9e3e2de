#: about = "Is given a PATH on which an interpreter of its own comes first."
#: walls = []
#: env = { PATH = "/box:/usr/bin:/bin" }
#: files = [{ path = "python3", content = "#!/bin/sh\necho an impostor\n", executable = true }]
#: [expect]
#: status = "ok"
#: stdout = ["the interpreter of the image True", "PATH /box:/usr/bin:/bin"]

import os

print("the interpreter of the image", os.readlink("/proc/self/exe").startswith("/usr/"))
print("PATH", os.environ["PATH"])
