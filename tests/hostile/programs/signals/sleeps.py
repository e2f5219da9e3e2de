#: about = "Sleeps for ever and uses no CPU time."
#: walls = ["wall_time"]
#: limits = { wall_seconds = 1 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: stdout = "good night\n"
#: wall_seconds_min = 1.0
#: cpu_seconds_max = 0.9

import signal

print("good night", flush=True)
signal.pause()
