#: about = "The shell's classic fork bomb, whose processes come and go faster than they can be counted."
#: walls = ["processes", "wall_time", "kill"]
#: limits = { processes = 20, wall_seconds = 2 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: pids_limit_hits_min = 1
#: processes_killed_min = 0

exec 2>/dev/null
bomb() { bomb | bomb & }
bomb
kill -STOP $$
