"""What a client is to be sent, and how much of it the socket takes.

    queued   `pieces`, added in the course of a round
    unsent   what the socket did not take; while there is any, we wait for room

Small pieces are joined and sent in one call; large ones are handed to the kernel where they are,
never joined.  `flush` is called once a round.
"""

from itertools import islice
from typing import Final

from amqpbroker.server.transport import Transport

#: A client with this much unread output is not read from: its answers would pile up.
DEFAULT_OVERFULL_BYTES: Final = 4 * 1024 * 1024
#: With this part of it unread, a client is given no more deliveries.
CONGESTED_PART: Final = 8
#: Pieces of this mean size are sent without joining them (docs/performance.md).
_SCATTER_MEAN_BYTES: Final = 4096
#: The most pieces that one system call takes (Linux: IOV_MAX).
_SCATTER_PIECES_MAX: Final = 1024


class Outbox:
    """The output of one session, in order."""

    __slots__ = ("_transport", "_unsent", "byte_count", "pieces")

    pieces: list[bytes]  # not handed to the socket yet; whoever adds says so with `byte_count`
    byte_count: int  # queued and unsent
    _unsent: list[memoryview]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._unsent = []
        self.pieces = []
        self.byte_count = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the socket was full: it must tell when it has room."""
        return bool(self._unsent)

    def add(self, data: bytes) -> None:
        """Queue some bytes."""
        self.pieces.append(data)
        self.byte_count += len(data)

    def flush(self) -> None:
        """Send what the socket takes now.  Raises `OSError` when the connection is gone."""
        if self._unsent:
            self._send_unsent()
            if self._unsent:
                return
        pieces = self.pieces
        if not pieces:
            return
        if self.byte_count > len(pieces) * _SCATTER_MEAN_BYTES:
            self._unsent = list(map(memoryview, pieces))
            pieces.clear()
            self._send_unsent()
            return
        data = b"".join(pieces)
        pieces.clear()
        sent = self._try_send(data)
        self.byte_count -= sent
        if sent < len(data):
            self._unsent = [memoryview(data)[sent:]]

    def _try_send(self, data: bytes) -> int:
        try:
            return self._transport.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    def _send_unsent(self) -> None:
        unsent = self._unsent
        start = 0  # the first piece that is not sent
        while start < len(unsent):
            batch = list(islice(unsent, start, start + _SCATTER_PIECES_MAX))
            try:
                sent = self._transport.sendmsg(batch)
            except (BlockingIOError, InterruptedError):
                break
            self.byte_count -= sent
            is_full = sent < sum(map(len, batch))
            while start < len(unsent) and sent >= len(unsent[start]):
                sent -= len(unsent[start])
                start += 1
            if sent:
                unsent[start] = unsent[start][sent:]
            if is_full:
                break
        del unsent[:start]
