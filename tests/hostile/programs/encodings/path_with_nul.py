#: about = "Has a file whose name ends, for whoever reads C strings, before it does for the others."
#: walls = []
#: files = [{ path = "main.py\u0000.txt", content = "print('other')" }]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
