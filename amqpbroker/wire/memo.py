"""Memos: what was decoded once need not be decoded again.

Clients repeat themselves, so the bytes are the key.  A memo's values are never changed, its size
is bounded, and when it is full it is emptied: a client that never repeats itself pays, nobody
else.  A memo is invisible: the suite also runs without (`remember=False`).
"""

from typing import Final

from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import TABLE_FIELDS_MAX

PROPERTIES_MAX: Final = 1024
#: Longer properties hold headers or ids that will hardly come again.
_REMEMBERED_BYTES_MAX: Final = 256


class PropertiesMemo:
    """{bytes of the properties: Properties}, for all connections together."""

    __slots__ = ("_capacity", "known")

    def __init__(self, *, remember: bool = True) -> None:
        self.known: dict[bytes, Properties] = {}
        self._capacity = PROPERTIES_MAX if remember else 0

    def find(self, raw: bytes) -> Properties:
        """The properties of these bytes; raises `MalformedProperties`."""
        properties = self.known.get(raw)
        if properties is None:
            properties = Properties(raw, fields_max=TABLE_FIELDS_MAX)
            if len(raw) <= _REMEMBERED_BYTES_MAX and self._capacity:
                if len(self.known) >= self._capacity:
                    self.known.clear()
                self.known[raw] = properties
        return properties
