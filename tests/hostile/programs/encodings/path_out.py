#: about = "Has a file whose path leads out of its folder."
#: walls = []
#: files = [{ path = "a/../../etc/passwd", content = "root::0:0::/:/bin/sh" }]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
