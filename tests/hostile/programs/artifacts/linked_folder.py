#: about = "Puts a symbolic link in place of the folder whose files are wanted."
#: walls = ["artifact_links"]
#: artifacts = ["out/*", "deep/inner/*"]
#: [expect]
#: status = "ok"
#: artifacts_refused = [{ path = "deep/inner", reason = "symlink" }, { path = "out", reason = "symlink" }]

import os

os.symlink("/etc", "/box/out")
os.mkdir("/box/deep")
os.symlink("/tester", "/box/deep/inner")
