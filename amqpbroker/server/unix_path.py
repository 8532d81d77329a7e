"""Names of Unix sockets that are longer than the system takes.

An address has room for 107 bytes, a directory's name may be longer.  Through a file descriptor of
the directory every name is short.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

#: What fits into an address, in bytes.
ADDRESS_BYTES_MAX: Final = 107


@contextmanager
def short_path(path: str) -> Generator[str]:
    """A name for *path* that fits into an address, for the time of the block."""
    if len(os.fsencode(path)) <= ADDRESS_BYTES_MAX:
        yield path
        return
    directory, name = os.path.split(path)
    file = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{file}/{name}"
    finally:
        os.close(file)
