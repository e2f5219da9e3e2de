def turned(data: bytes) -> bytes:
    return data[::-1]
