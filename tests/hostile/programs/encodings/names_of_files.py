#: about = "Is given files with names that look like options, lines, patterns and other files."
#: walls = []
#: files = [{ path = "-rf", content = "1" }, { path = "a\nb", content = "2" }, { path = "...", content = "3" }, { path = "*", content = "4" }, { path = "A.py", content = "5" }, { path = "a.py", content = "6" }, { path = "\u00E9", content = "7" }, { path = "e\u0301", content = "8" }, { path = "con.txt", content = "9" }, { path = "trailing ", content = "10" }]
#: [expect]
#: status = "ok"
#: stdout = "[('*', '4'), ('-rf', '1'), ('...', '3'), ('A.py', '5'), ('a\\nb', '2'), ('a.py', '6'), ('con.txt', '9'), ('e\\u0301', '8'), ('trailing ', '10'), ('\\xe9', '7')]\n"

import os

names = sorted(name for name in os.listdir("/box") if name != "main.py")
print(ascii([(name, open("/box/" + name).read()) for name in names]))
