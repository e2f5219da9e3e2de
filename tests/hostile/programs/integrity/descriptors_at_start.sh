#: about = "Looks at what it was given: descriptors, environment, ids, limits and the command line of PID 1."
#: walls = ["descriptors", "runner_hidden", "job_uid"]
#: [expect]
#: status = "ok"
#: stdout = ["0 1 2", "HOME LANG PATH PYTHONDONTWRITEBYTECODE", "processes 1", "Seccomp: 2", "NoNewPrivs: 1", "/box sandbox"]

# The shell's own variables are not exported, and PWD is its own doing.
# Descriptor 10 is where the shell reads this file.
ls /proc/$$/fd >/box/descriptors
echo $(grep -vx 10 /box/descriptors)
echo $(tr '\0' '\n' </proc/$$/environ | cut -d= -f1 | sort)
echo processes $(ls /proc | grep -cE '^1$')
grep -E '^(NoNewPrivs|Seccomp):' /proc/$$/status | sort -r | tr '\t' ' '
echo "$PWD" "$(cat /proc/sys/kernel/hostname)"
