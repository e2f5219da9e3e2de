#: about = "Is given a variable whose name has an equals sign in it, so that it is another one to the program."
#: walls = []
#: env = { "LD_PRELOAD=/box/evil.so" = "" }
#: [expect]
#: status = "rejected"
#: reason = "bad_env"

print("never runs")
