#: about = "Is ended by its own interval timer, which is none of ours."
#: walls = []
#: [expect]
#: status = "signaled"
#: signal = 14
#: stdout = "set\n"

import signal

print("set", flush=True)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.001)
while True:
    signal.pause()
