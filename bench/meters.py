"""Counting what comes back, without decoding it: deliveries by their bytes, confirms by tags."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from bench.errors import BenchError
from bench.messages import CONSUMER_TAG_BYTES

_CONFIRM = struct.Struct(">BHIHHQBB")  # a basic.ack or basic.nack frame from the broker
_CONFIRM_SIZE = _CONFIRM.size  # 21 bytes
_BASIC_CLASS, _DELIVER, _ACK, _NACK = 60, 60, 80, 120

#: type, channel, payload size, class, method, consumer tag (skipped), delivery tag
_DELIVERY = struct.Struct(f">BHIHH{1 + CONSUMER_TAG_BYTES}xQ")


class DeliveryMeter:
    """Turns the bytes received on one connection into deliveries.

    *sizes* are those of the deliveries of one cycle, in order (`messages.delivery_sizes`).  Once
    in each piece that was received the next delivery is looked at: if it is not a basic.deliver
    with exactly the delivery tag that is due, what arrived is not what was published.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._ends = [0, *accumulate(sizes)]
        self.received_bytes = 0
        self.count = 0  # whole deliveries

    def feed(self, piece: memoryview) -> None:
        """Count *piece*; raise `BenchError` if a delivery in it is not the one that is due."""
        begins_at = self._end_of(self.count) - self.received_bytes
        due_tag = self.count + 1
        if begins_at < 0:  # the beginning of this one came with an earlier piece
            begins_at = self._end_of(self.count + 1) - self.received_bytes
            due_tag += 1
        if begins_at + _DELIVERY.size <= len(piece):
            kind, _, _, class_id, method_id, tag = _DELIVERY.unpack_from(piece, begins_at)
            if (kind, class_id, method_id, tag) != (1, _BASIC_CLASS, _DELIVER, due_tag):
                raw = bytes(piece[begins_at : begins_at + 200])
                raise BenchError(f"delivery {due_tag} was due, this came instead: {raw!r}")
        self.received_bytes += len(piece)
        cycles, rest = divmod(self.received_bytes, self._ends[-1])
        self.count = cycles * (len(self._ends) - 1) + bisect_right(self._ends, rest) - 1

    @property
    def is_between_deliveries(self) -> bool:
        return self._end_of(self.count) == self.received_bytes

    def _end_of(self, count: int) -> int:
        """How many bytes the first *count* deliveries have."""
        cycles, rest = divmod(count, len(self._ends) - 1)
        return cycles * self._ends[-1] + self._ends[rest]


class ConfirmLedger:
    """Which of the messages published so far the broker has confirmed.

    Confirms come in any order, one by one or up to a tag: everything up to `_floor` is
    confirmed, and beyond it what stands in `_beyond`.
    """

    def __init__(self) -> None:
        self._floor = 0
        self._beyond: set[int] = set()
        self._rest = b""  # the beginning of a confirm that is still under way

    @property
    def confirmed_count(self) -> int:
        return self._floor + len(self._beyond)

    def feed(self, piece: bytes) -> None:
        """Take note of the confirms in *piece*; raise `BenchError` for anything else."""
        raw = self._rest + piece
        whole = len(raw) - len(raw) % _CONFIRM_SIZE
        self._rest = raw[whole:]
        for kind, _, _, class_id, method_id, tag, bits, _ in _CONFIRM.iter_unpack(raw[:whole]):
            if (kind, class_id, method_id) != (1, _BASIC_CLASS, _ACK):
                what = "a nack" if method_id == _NACK else repr(raw[:200])
                raise BenchError(f"a confirm was due, this came instead: {what}")
            if bits & 1:
                self._floor = max(self._floor, tag)
                self._beyond = {other for other in self._beyond if other > self._floor}
            else:
                self._beyond.add(tag)
            while self._floor + 1 in self._beyond:
                self._floor += 1
                self._beyond.discard(self._floor)
