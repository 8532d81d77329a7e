"""What a client is to say, still in one piece each: a frame, or bytes that are none.

A frame keeps its parts apart until it is sent, so that a mutation can harm one and leave the
others whole: the head, the size, the end octet, and the arguments of a method one by one.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final

import attrs

from amqpbroker.spec.constants import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD
from amqpbroker.spec.method import Method
from amqpbroker.spec.table import encode_table

_FRAME_HEAD: Final = Struct(">BHI")
_INDEX: Final = Struct(">HH")
_HEADER: Final = Struct(">HHQ")  # class, weight, body bytes
_NUMBER_BYTES: Final = {"Octet": 1, "Short": 2, "Long": 4, "LongLong": 8}


@attrs.define
class Argument:
    """One argument of a method as bytes: `kind` as in `spec.methods`, or Bits for an octet."""

    kind: str
    raw: bytes


@attrs.define
class Unit:
    """A frame.  What is None is worked out from the rest when it is sent."""

    type: int
    channel: int
    payload: bytes = b""
    index: tuple[int, int] | None = None  # of a method: class and method id ...
    arguments: list[Argument] = attrs.field(factory=list[Argument])  # ... and its arguments
    size: int | None = None
    end: bytes = bytes((FRAME_END,))
    note: str = ""  # what was done to it

    @property
    def raw(self) -> bytes:
        """The bytes to send."""
        payload = self.payload
        if self.index is not None:
            pieces = [_INDEX.pack(*self.index), *(one.raw for one in self.arguments)]
            payload = b"".join(pieces) + payload
        size = len(payload) if self.size is None else self.size
        return _FRAME_HEAD.pack(self.type, self.channel, size) + payload + self.end


@attrs.define
class Loose:
    """Bytes that are no frame of their own."""

    raw: bytes
    note: str = ""


def method_unit(channel: int, method: Method) -> Unit:
    """A method in its frame, its arguments kept apart."""
    arguments: list[Argument] = []
    bits: list[bool] = []
    for name, kind in (*method.fields, ("", "")):
        if kind == "Bit":
            bits.append(bool(getattr(method, name)))
            continue
        if bits:
            octets = sum(bit << place for place, bit in enumerate(bits)).to_bytes(1)
            arguments.append(Argument("Bits", octets))
            bits = []
        if kind:
            arguments.append(Argument(kind, _encoded(kind, getattr(method, name))))
    return Unit(FRAME_METHOD, channel, index=(method.class_id, method.method_id),
                arguments=arguments)  # fmt: skip


def _encoded(kind: str, value: object) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(_NUMBER_BYTES[kind])
    if isinstance(value, bytes):
        return len(value).to_bytes(4) + value
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return len(raw).to_bytes(1) + raw
    assert isinstance(value, dict)
    return encode_table(value)  # pyright: ignore[reportUnknownArgumentType]


def content_units(
    channel: int, properties: bytes, bodies: Sequence[bytes], body_bytes: int | None = None
) -> list[Unit]:
    """A content header and body frames; the header announces them all, or *body_bytes*."""
    announced = sum(map(len, bodies)) if body_bytes is None else body_bytes
    header = _HEADER.pack(60, 0, announced) + properties
    return [
        Unit(FRAME_HEADER, channel, header),
        *(Unit(FRAME_BODY, channel, body) for body in bodies),
    ]
