#: about = "Leaves a file and runs on until it is ended: what it left is no less its own."
#: walls = ["wall_time"]
#: artifacts = ["left"]
#: limits = { wall_seconds = 1 }
#: [expect]
#: status = "time_limit"
#: limit = "wall"
#: artifacts = [{ path = "left", content = "left" }]

import signal

with open("/box/left", "w") as file:
    file.write("left")
signal.pause()
