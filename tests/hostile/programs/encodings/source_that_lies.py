#: about = "Imports a source with a NUL in it, which some readers take for its end."
#: walls = []
#: files = [{ path = "inner.py", content = "x = 1\u0000\nprint('behind the NUL')\n" }]
#: [expect]
#: status = "ok"
#: stdout = ["31 bytes", "refused"]

source = open("/box/inner.py", "rb").read()
print(len(source), "bytes")
try:
    exec(compile(source, "inner.py", "exec"))
except (SyntaxError, ValueError):
    print("refused")
