#: about = "Prints what is expected of it but for invisible things: line ends of another system, a mark, a blank."
#: walls = []
#: cases = [{ name = "as expected", args = ["0"], stdout = "42\n" }, { name = "carriage return", args = ["1"], stdout = "42\n" }, { name = "byte order mark", args = ["2"], stdout = "42\n" }, { name = "no line end", args = ["3"], stdout = "42\n" }, { name = "zero width", args = ["4"], stdout = "42\n" }]
#: [expect]
#: status = "wrong_answer"
#: [[expect.cases]]
#: name = "as expected"
#: status = "ok"
#: stdout = "42\n"
#: [[expect.cases]]
#: name = "carriage return"
#: status = "wrong_answer"
#: stdout = "42\r\n"
#: [[expect.cases]]
#: name = "byte order mark"
#: status = "wrong_answer"
#: stdout = "\uFEFF42\n"
#: [[expect.cases]]
#: name = "no line end"
#: status = "wrong_answer"
#: stdout = "42"
#: [[expect.cases]]
#: name = "zero width"
#: status = "wrong_answer"
#: stdout = "42\u200B\n"

import sys

forms = ["42\n", "42\r\n", "\ufeff42\n", "42", "42\u200b\n"]
sys.stdout.buffer.write(forms[int(sys.argv[1])].encode())
