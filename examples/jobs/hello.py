print("Hello from a sandbox")
