#: about = "Asks the kernel to spare it when memory runs out, and to take PID 1 instead."
#: walls = ["oom_preference", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["starts with 1000", "below PID 1 EACCES", "of PID 1 EACCES"]

import errno


def write(path, value):
    try:
        with open(path, "w") as file:
            file.write(value)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]


print("starts with", open("/proc/self/oom_score_adj").read().strip())
print("below PID 1", write("/proc/self/oom_score_adj", "-1000"))
print("of PID 1", write("/proc/1/oom_score_adj", "1000"))
