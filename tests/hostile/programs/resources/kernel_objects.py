#: about = "Makes event, timer, epoll and inotify objects until it is refused each."
#: walls = ["open_files"]
#: [expect]
#: status = "ok"
#: stdout = ["eventfd EMFILE", "timerfd EMFILE", "epoll EMFILE", "inotify EMFILE", "signalfd EMFILE", "memfd EMFILE"]

import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
mask = ctypes.create_string_buffer(128)
makers = {
    "eventfd": lambda: libc.eventfd(0, 0),
    "timerfd": lambda: libc.timerfd_create(1, 0),
    "epoll": lambda: libc.epoll_create1(0),
    "inotify": lambda: libc.inotify_init1(0),
    "signalfd": lambda: libc.signalfd(-1, mask, 0),
    "memfd": lambda: libc.memfd_create(b"x", 0),
}
for name, make in makers.items():
    made = []
    while True:
        file = make()
        if file < 0:
            break
        made.append(file)
    error = ctypes.get_errno()
    for file in made:
        os.close(file)
    print(name, errno.errorcode[error])
