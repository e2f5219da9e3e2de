#: about = "Is given a variable whose value has a NUL in it, behind which another could hide."
#: walls = []
#: env = { NAME = "value\u0000LD_PRELOAD=/box/evil.so" }
#: [expect]
#: status = "rejected"
#: reason = "bad_env"

print("never runs")
