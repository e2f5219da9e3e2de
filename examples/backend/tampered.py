#!/usr/bin/env python3
"""Publishes a job whose signed bytes were changed in one place on the way, and prints its id. It must never run."""
import backend

claims = backend.job([("main.py", b"print('a job that was changed on the way ran')\n")], entry="main.py")
body = bytearray(backend.sign(claims))
# One letter in the middle of the payload becomes another.
middle = (body.index(b".") + body.rindex(b".")) // 2
body[middle] = ord("A") if body[middle] != ord("A") else ord("B")
backend.publish(backend.connect(), bytes(body), claims["jti"])
print(claims["jti"])
