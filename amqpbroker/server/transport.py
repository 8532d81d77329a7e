"""What a session reads from and writes to: a socket as it is, or one that speaks TLS.

A plain `socket.socket` is a transport, so that nothing stands between it and its session.
"""

import sys
from collections.abc import Iterable
from fcntl import ioctl
from termios import FIONREAD
from typing import Protocol


class Transport(Protocol):
    """A connected socket that never waits."""

    def fileno(self) -> int:
        """Its file descriptor; below 0 when it is closed."""
        ...

    def getsockname(self) -> object:
        """This end's address."""
        ...

    def setblocking(self, flag: bool, /) -> None:
        """Wait, or not."""
        ...

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read what is there; 0 is the end.

        Raises `BlockingIOError` when there is nothing, `NeedsRoom` when it must write first,
        other `OSError` when the connection is gone.
        """
        ...

    def send(self, data: bytes, /) -> int:
        """Write what there is room for; how many bytes that was.

        May raise `BlockingIOError` when it is none.  What is not written must come next.
        """
        ...

    def sendmsg(self, buffers: Iterable[memoryview], /) -> int:
        """Write pieces, one after the other; as `send`."""
        ...

    def close(self) -> None:
        """Close it, telling the other side if that takes no time."""
        ...


class NeedsRoom(BlockingIOError):
    """Nothing can be read before something is written, and the socket is full."""


def unread_bytes_of(transport: Transport) -> int:
    """How many bytes have arrived and were not read; with TLS they are encrypted."""
    unread = bytearray(4)
    ioctl(transport, FIONREAD, unread)
    return int.from_bytes(unread, sys.byteorder)
