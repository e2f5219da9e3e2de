#: about = "Sets itself a CPU limit that the kernel enforces before ours."
#: walls = []
#: [expect]
#: status = "signaled"
#: signal = 24
#: stdout = "set\n"

import resource

print("set", flush=True)
resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
while True:
    pass
