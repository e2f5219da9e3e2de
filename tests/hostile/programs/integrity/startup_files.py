#: about = "Plants code where the interpreter of the next run would load it: site, user site, startup file, path files."
#: walls = ["emptied_between_cases", "read_only_root"]
#: cases = [{ name = "plants", args = ["plant"] }, { name = "looks" }]
#: [expect]
#: status = "ok"
#: [[expect.cases]]
#: name = "plants"
#: status = "ok"
#: stdout = ["3 planted", "1 refused"]
#: [[expect.cases]]
#: name = "looks"
#: status = "ok"
#: stdout = "as it was\n"

import os
import site
import sys
import sysconfig

user = site.getusersitepackages()
places = [
    "/box/sitecustomize.py",
    user + "/usercustomize.py",
    user + "/evil.pth",
    sysconfig.get_path("stdlib") + "/usercustomize.py",
]
if "plant" in sys.argv:
    planted = 0
    for place in places:
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w") as file:
                file.write("import os; os.write(1, b'planted code ran')\n")
            planted += 1
        except OSError:
            pass
    print(planted, "planted")
    print(len(places) - planted, "refused")
else:
    print("as it was" if not any(os.path.exists(place) for place in places) else "still there")
