#: about = "Starts threads until it is refused."
#: walls = ["processes"]
#: limits = { processes = 10 }
#: [expect]
#: status = "ok"
#: stdout = "9 threads\n"
#: pids_limit_hits_min = 1

import threading

stop = threading.Event()
threads = []
try:
    while True:
        thread = threading.Thread(target=stop.wait)
        thread.start()
        threads.append(thread)
except RuntimeError:
    print(len(threads), "threads")
stop.set()
