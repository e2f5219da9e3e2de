#: about = "Burns CPU time in several processes, none of which uses much by itself."
#: walls = ["cpu_time", "kill"]
#: limits = { cpu_seconds = 1, wall_seconds = 20, cpus = 2 }
#: [expect]
#: status = "time_limit"
#: limit = "cpu"
#: processes_killed = 3
#: cpu_seconds_min = 1.0
#: stdout = "begun\n"

echo begun
for _ in 1 2 3; do (while :; do :; done) & done
while :; do :; done
