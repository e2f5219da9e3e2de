#: about = "Asks for more address space than there is and catches the refusal."
#: walls = []
#: [expect]
#: status = "ok"
#: stdout = "MemoryError\n"

try:
    bytearray(1 << 47)
except MemoryError:
    print("MemoryError")
