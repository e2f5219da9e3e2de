#: about = "Leaves symbolic links to the host's secrets, to its own files and to nothing, under names that are wanted."
#: walls = ["artifact_links"]
#: artifacts = ["out/*"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "out/real", content = "real\n" }]
#: artifacts_refused = [{ path = "out/absolute", reason = "symlink" }, { path = "out/dangling", reason = "symlink" }, { path = "out/process", reason = "symlink" }, { path = "out/relative", reason = "symlink" }]

import os

os.mkdir("/box/out")
with open("/box/out/real", "w") as file:
    file.write("real\n")
os.symlink("/etc/shadow", "/box/out/absolute")
os.symlink("real", "/box/out/relative")
os.symlink("nowhere", "/box/out/dangling")
os.symlink("/proc/1/environ", "/box/out/process")
