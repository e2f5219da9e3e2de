#: about = "Has a file whose path begins at the root."
#: walls = []
#: files = [{ path = "/etc/ld.so.preload", content = "/box/evil.so" }]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
