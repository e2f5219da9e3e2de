#: about = "Writes lines to stdout without end."
#: walls = ["output"]
#: [expect]
#: status = "output_limit"
#: limit = "stdout"
#: stdout = { fill = "y\n", bytes = 1048576 }
#: stdout_bytes_min = 1048577
#: stdout_truncated = true

exec yes
