"""Reads bytes, not text: what comes in need not be UTF-8, and neither need what goes out."""
import sys

from turn import turned

data = sys.stdin.buffer.read()
sys.stdout.buffer.write(turned(data))
