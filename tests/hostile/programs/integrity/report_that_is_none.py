#: about = "Looks for a report pipe in a profile that makes no report."
#: walls = ["job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["[]", "make EACCES"]

import errno
import os

print([name for name in os.listdir("/tester") if name != "pytest_driver.py"])
try:
    os.mkfifo("/tester/report")
except OSError as error:
    print("make", errno.errorcode[error.errno])
