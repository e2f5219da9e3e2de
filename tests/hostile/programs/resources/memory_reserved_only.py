#: about = "Maps far more memory than its limit with MAP_NORESERVE and touches little of it."
#: walls = []
#: limits = { memory_bytes = 67108864 }
#: [expect]
#: status = "ok"
#: stdout = "mapped 4 GiB\n"
#: memory_peak_bytes_max = 67108864

import mmap

flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_NORESERVE
pages = mmap.mmap(-1, 4 << 30, flags=flags)
for offset in range(0, 4 << 30, 1 << 30):
    pages[offset] = 1
print("mapped 4 GiB")
