#: about = "Leaves files whose names are no text, lines, options, patterns, or longer than anything that is shown."
#: walls = []
#: artifacts = ["out/**"]
#: [expect]
#: status = "ok"
#: artifacts = [{ path = "out/\u001b[2J", content = "5" }, { path = "out/*", content = "4" }, { path = "out/-rf", content = "3" }, { path = "out/a\nb", content = "2" }, { path = "out/é", content = "6" }]
#: artifacts_refused = [{ path = "out/\uFFFD.csv", reason = "not_utf8" }]

import os

os.mkdir("/box/out")
for name, content in [(b"\xff.csv", b"1"), (b"a\nb", b"2"), (b"-rf", b"3"), (b"*", b"4"), (b"\x1b[2J", b"5"), ("é".encode(), b"6")]:
    with open(b"/box/out/" + name, "wb") as file:
        file.write(content)
