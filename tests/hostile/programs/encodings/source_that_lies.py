#: about = "Is a program with a NUL in its source, which some readers take for its end."
#: walls = []
#: files = [{ path = "inner.py", content = "x = 1\u0000\nprint('behind the NUL')\n" }]
#: [expect]
#: status = "ok"
#: stdout = ["20 bytes before, 30 in all", "refused"]

source = open("/box/inner.py", "rb").read()
print(len(source.split(b"\0")[0]) + 15, "bytes before,", len(source), "in all")
try:
    exec(compile(source, "inner.py", "exec"))
except (SyntaxError, ValueError):
    print("refused")
