#: about = "Has two files under one path, so that a reader who takes the last runs another program than one who takes the first."
#: walls = []
#: files = [{ path = "main.py", content = "print('the other')" }]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
