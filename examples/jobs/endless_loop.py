print("what was printed before the end is kept", flush=True)
while True:
    pass
