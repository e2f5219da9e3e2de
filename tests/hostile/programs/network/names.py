#: about = "Asks for names, to carry data out in the question."
#: walls = ["network"]
#: [expect]
#: status = "ok"
#: stdout = ["secret.example.org unknown", "localhost.example.org unknown", "metadata.google.internal unknown", "nameservers unreachable"]

import re
import socket

for name in ("secret.example.org", "localhost.example.org", "metadata.google.internal"):
    try:
        print(name, socket.getaddrinfo(name, 80))
    except socket.gaierror:
        print(name, "unknown")
try:
    servers = re.findall(r"(?m)^nameserver\s+(\S+)", open("/etc/resolv.conf").read())
except OSError:
    servers = []
reached = []
for server in [*servers, "127.0.0.11", "8.8.8.8"]:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        asking = socket.socket(family, socket.SOCK_DGRAM)
        asking.settimeout(0.5)
        asking.connect((server, 53))
        asking.send(b"\0" * 12)
        asking.recv(512)
        reached.append(server)
    except OSError:
        pass
print("nameservers", reached or "unreachable")
