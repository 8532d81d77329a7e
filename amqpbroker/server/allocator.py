"""How the C library gives out memory for large pieces of bytes.

glibc by default maps each piece above 128 KiB anew, or gives the end of its heap back after each
message, and the kernel then clears the same pages again and again.  With bodies of 100 kB that
was a sixth of the broker's CPU: 97 to 104 us a message instead of 110 to 133 (2026-11-27, two
cores, others at work).  The price: up to `KEPT_BYTES` that nobody needs stay with the process.
"""

import ctypes
from typing import Final

#: Pieces larger than this are mapped, and given back when they are free, in bytes.
MAPPED_BYTES_MIN: Final = 4 * 1024 * 1024
#: How much free memory at the end of the heap stays ours, in bytes.
KEPT_BYTES: Final = 16 * 1024 * 1024

_M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
_M_MMAP_THRESHOLD: Final = -3


def keep_large_pieces() -> bool:
    """Let this process keep what large messages took, for the next; whether it could be had.

    Only for a process that is a broker and nothing else: it concerns all that the process does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library: then as it does
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES_MIN) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
    )
