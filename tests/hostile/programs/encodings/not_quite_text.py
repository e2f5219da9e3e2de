#: about = "Writes what looks like text: a lone surrogate, an overlong form, a cut character, a NUL, a byte order mark."
#: walls = []
#: [expect]
#: status = "ok"
#: stdout = { base64 = "7aCACsCvCuKCCgAK77u/eAr+/woNCgrigI4K" }

import sys

pieces = [b"\xed\xa0\x80", b"\xc0\xaf", b"\xe2\x82", b"\x00", b"\xef\xbb\xbfx", b"\xfe\xff", b"\r\n", "\u200e".encode()]
sys.stdout.buffer.write(b"\n".join(pieces) + b"\n")
