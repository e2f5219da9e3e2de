#: about = "Takes memory and touches every page until the kernel says no."
#: walls = ["memory", "swap"]
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "memory_limit"
#: limit = "memory"
#: oom_kills = 1
#: stdout = "begun\n"
#: memory_peak_bytes_min = 67108864
#: memory_peak_bytes_max = 83886080

print("begun", flush=True)
# In one piece: little by little, the interpreter's own pages would be evicted and read again before the kernel kills.
block = b"x" * (1 << 30)
