#: about = "Takes away every permission on its files and folders, which the owner may give back and others may not."
#: walls = ["job_uid"]
#: artifacts = ["out/*", "plain"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "plain", content = "plain" }]
#: artifacts_refused = [{ path = "out", reason = "unreadable" }]

import os

os.mkdir("/box/out")
open("/box/out/hidden", "w").close()
os.chmod("/box/out", 0)
with open("/box/plain", "w") as file:
    file.write("plain")
