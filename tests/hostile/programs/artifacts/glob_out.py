#: about = "Asks for files by a pattern that leads out of its folder."
#: walls = ["artifact_links"]
#: artifacts = ["../etc/*"]
#: [expect]
#: status = "rejected"
#: reason = "bad_path"

print("never runs")
