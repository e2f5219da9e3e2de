#: about = "Is given arguments with line ends, quotes, dashes, nothing at all, and what a shell would run."
#: walls = []
#: args = ["", "a\nb", "--help", "-c", "$(id)", "; rm -rf /", "'\"`\\", "{entry}", "*", "日本語", " "]
#: [expect]
#: status = "ok"
#: stdout = "['', 'a\\nb', '--help', '-c', '$(id)', '; rm -rf /', '\\'\"`\\\\', '{entry}', '*', '日本語', ' ']\n"

import sys

print(sys.argv[1:])
