#: about = "Looks for a report pipe in a profile that makes no report."
#: walls = ["job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["[]", "make EACCES"]

import errno
import os

# What a pytest run or a warm interpreter needs, which is root's.
print([name for name in os.listdir("/tester") if name not in ("pytest_driver.py", "warm")])
try:
    os.mkfifo("/tester/report")
except OSError as error:
    print("make", errno.errorcode[error.errno])
