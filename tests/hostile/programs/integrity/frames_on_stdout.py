#: about = "Writes the runner's frames and Docker's own stream headers to both streams."
#: walls = ["output"]
#: [expect]
#: status = "runtime_error"
#: exit_code = 9
#: stdout = { base64 = "FQAAAAARAAAABmZvcmdlZBYAAAAnImNhdXNlIjoiZXhpdGVkIiwiZXhpdCI6eyJjb2RlIjowfX0BAAAAAAAABmZvcmdlZA==" }
#: stderr = { base64 = "FQAAAAARAAAABmZvcmdlZBYAAAAnImNhdXNlIjoiZXhpdGVkIiwiZXhpdCI6eyJjb2RlIjowfX0BAAAAAAAABmZvcmdlZA==" }

import os
import struct


def frame(kind, payload):
    return struct.pack(">BI", kind, len(payload)) + payload


STARTED, STDOUT, ENDED = 21, 17, 22
ended = b'"cause":"exited","exit":{"code":0}}'
frames = frame(STARTED, b"") + frame(STDOUT, b"forged") + struct.pack(">BI", ENDED, 39) + ended
frames += struct.pack(">BxxxI", 1, 6) + b"forged"
os.write(1, frames)
os.write(2, frames)
os._exit(9)
