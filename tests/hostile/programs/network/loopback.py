#: about = "Serves on its own loopback, which is there and leads to nobody else."
#: walls = ["network"]
#: [expect]
#: status = "ok"
#: stdout = ["stream hello", "datagram hello", "listeners besides it 0"]

import socket
import threading

server = socket.create_server(("127.0.0.1", 0))


def serve():
    connection, _ = server.accept()
    connection.sendall(b"hello")
    connection.close()


threading.Thread(target=serve).start()
print("stream", socket.create_connection(server.getsockname()).recv(5).decode())
one = socket.socket(type=socket.SOCK_DGRAM)
one.bind(("0.0.0.0", 0))
two = socket.socket(type=socket.SOCK_DGRAM)
two.sendto(b"hello", ("127.0.0.1", one.getsockname()[1]))
print("datagram", one.recv(5).decode())
own = f":{server.getsockname()[1]:04X}"
lines = open("/proc/net/tcp").read().splitlines()[1:]
print("listeners besides it", sum(line.split()[3] == "0A" and own not in line.split()[1] for line in lines))
