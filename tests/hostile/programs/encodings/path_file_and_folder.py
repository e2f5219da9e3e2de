#: about = "Has a path that is a file in one place and a folder in another."
#: walls = []
#: files = [{ path = "main.py/inner", content = "" }]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
