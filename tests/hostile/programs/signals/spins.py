#: about = "Spins in one thread without a system call."
#: walls = ["cpu_time"]
#: limits = { cpu_seconds = 0.5, wall_seconds = 20 }
#: [expect]
#: status = "time_limit"
#: limit = "cpu"
#: stdout = "begun\n"
#: cpu_seconds_min = 0.5

print("begun", flush=True)
while True:
    pass
