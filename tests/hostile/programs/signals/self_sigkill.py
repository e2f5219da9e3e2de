#: about = "Kills itself with SIGKILL, as if the kernel had done it for memory."
#: walls = []
#: [expect]
#: status = "signaled"
#: signal = 9

import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
