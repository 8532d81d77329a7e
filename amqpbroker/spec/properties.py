"""A message's basic properties: carried as the bytes they came in, understood on demand.

    properties   short   flags: bit 15 content-type ... bit 2 cluster-id; bit 1 means nothing,
                         bit 0 would continue the flags and must be clear
                 the values of the flagged properties, in the order of `NAMES`

The bytes travel from publisher to consumer unchanged: that is fast, and it keeps the types of
header fields, which decoding and encoding would not.  `Properties` checks that the bytes are well
formed, because whatever passes here is sent to other clients, and reads the few properties on
which routing and queueing depend.  `edited` splices a changed property in.

Source: specification section 4.2.6.1; bytes that cannot be decoded are 541 in RabbitMQ (S-006).
"""

from struct import Struct
from struct import error as StructError
from typing import Final

from amqpbroker.spec.table import (
    EMPTY_TABLE,
    MalformedTable,
    Table,
    check_table,
    decode_table,
    encode_table,
)

#: {property: the wire kind of its value}, in wire order
NAMES: Final[dict[str, str]] = {
    "content_type": "shortstr",
    "content_encoding": "shortstr",
    "headers": "table",
    "delivery_mode": "octet",
    "priority": "octet",
    "correlation_id": "shortstr",
    "reply_to": "shortstr",
    "expiration": "shortstr",
    "message_id": "shortstr",
    "timestamp": "timestamp",
    "type": "shortstr",
    "user_id": "shortstr",
    "app_id": "shortstr",
    "cluster_id": "shortstr",
}
_FLAG_OF: Final = {name: 1 << (15 - index) for index, name in enumerate(NAMES)}
_WIRE_ORDER: Final = [(_FLAG_OF[name], name, kind) for name, kind in NAMES.items()]
_CONTINUED: Final = 1
_FIXED_BYTES: Final = {"octet": 1, "timestamp": 8}
_SHORT: Final = Struct(">H")
_TIMESTAMP: Final = Struct(">Q")

#: A message with any of these needs a look before it is routed or queued.
_LOOK_AT: Final = _FLAG_OF["reply_to"] | _FLAG_OF["user_id"] | _FLAG_OF["expiration"]
DELIVERY_MODE_PERSISTENT: Final = 2


class MalformedProperties(ValueError):
    """Bytes that are no list of properties."""


class Properties:
    """The properties of a message, by the bytes that they came in.  Never mutated.

    `delivery_mode` and `priority` are read at once; the others by `text` and `headers`.  Where
    they stand is not kept: a queue may hold a million of these.
    """

    __slots__ = (
        "_headers",
        "delivery_mode",
        "is_persistent",
        "may_have_cc",
        "needs_a_look",
        "priority",
        "raw",
    )

    raw: bytes  # the flags and the values, as they stand in a content header
    delivery_mode: int | None
    priority: int | None
    is_persistent: bool
    may_have_cc: bool  # there are headers, and CC or BCC may be among them
    needs_a_look: bool  # before it is routed: CC, reply-to, user-id or expiration
    _headers: Table | None

    def __init__(self, raw: bytes, *, fields_max: int | None = None) -> None:
        """Check *raw*, the part of a content header behind the body size.

        *fields_max* limits the headers of a stranger; what a message had when it was taken in, and
        what the broker adds, is not counted again.
        Raises `MalformedProperties`.
        """
        self.raw = raw
        self._headers = None
        spans = _spans_of(raw, fields_max)
        self.delivery_mode = raw[spans["delivery_mode"][0]] if "delivery_mode" in spans else None
        self.priority = raw[spans["priority"][0]] if "priority" in spans else None
        self.is_persistent = self.delivery_mode == DELIVERY_MODE_PERSISTENT
        # Speed: decoding a task's headers costs some 5 us, and hardly any have these.
        self.may_have_cc = "headers" in spans and b"CC" in raw
        self.needs_a_look = self.may_have_cc or bool(_SHORT.unpack_from(raw)[0] & _LOOK_AT)

    def __contains__(self, name: str) -> bool:
        return bool(_SHORT.unpack_from(self.raw)[0] & _FLAG_OF[name])

    def text(self, name: str) -> str | None:
        """The value of a short string property, or None when it is absent."""
        if name not in self:
            return None
        start, end = _spans_of(self.raw)[name]
        return self.raw[start + 1 : end].decode("utf-8", "surrogateescape")

    @property
    def timestamp(self) -> int | None:
        """Seconds since 1970, or None when absent."""
        span = _spans_of(self.raw).get("timestamp")
        return None if span is None else _TIMESTAMP.unpack_from(self.raw, span[0])[0]

    @property
    def headers(self) -> Table:
        """The headers table, decoded once; empty when there is none."""
        if self._headers is None:
            span = _spans_of(self.raw).get("headers")
            self._headers = EMPTY_TABLE if span is None else decode_table(self.raw, *span)[0]
        return self._headers

    def edited(self, **changes: "str | int | Table | None") -> "Properties":
        """A copy with some properties set, or removed where the value is None.

        All other bytes stay as they are.
        """
        assert changes.keys() <= NAMES.keys(), "no such property"
        flags = 0
        pieces: list[bytes] = []
        spans = _spans_of(self.raw)
        for flag, name, kind in _WIRE_ORDER:
            if name in changes:
                value = changes[name]
                if value is None:
                    continue
                pieces.append(_encode(kind, value))
            elif name in spans:
                start, end = spans[name]
                pieces.append(self.raw[start:end])
            else:
                continue
            flags |= flag
        return Properties(_SHORT.pack(flags) + b"".join(pieces))

    def __repr__(self) -> str:
        return f"<Properties {' '.join(_spans_of(self.raw)) or 'none'}>"


def _spans_of(raw: bytes, fields_max: int | None = None) -> dict[str, tuple[int, int]]:
    """Where each property's value stands; raises `MalformedProperties`."""
    try:
        flags = _SHORT.unpack_from(raw)[0]
        if flags & _CONTINUED:
            raise MalformedProperties("more property flags than there are properties")
        position = 2
        spans: dict[str, tuple[int, int]] = {}
        for flag, name, kind in _WIRE_ORDER:
            if not flags & flag:
                continue
            start = position
            if kind == "shortstr":
                position += 1 + raw[position]
            elif kind == "table":
                position = check_table(raw, position, len(raw), fields_max=fields_max)
            else:
                position += _FIXED_BYTES[kind]
            spans[name] = (start, position)
    except (StructError, IndexError, MalformedTable) as error:
        raise MalformedProperties(str(error)) from None
    if position != len(raw):
        raise MalformedProperties("properties do not fill their header")
    return spans


def _encode(kind: str, value: "str | int | Table") -> bytes:
    if isinstance(value, str):
        raw = value.encode("utf-8", "surrogateescape")
        return bytes((len(raw),)) + raw
    if isinstance(value, int):
        return bytes((value,)) if kind == "octet" else _TIMESTAMP.pack(value)
    return encode_table(value)


#: A message without any property.
NO_PROPERTIES: Final = Properties(b"\x00\x00")


def properties_of(**values: "str | int | Table") -> Properties:
    """Properties made here, for a message that the broker itself or a test publishes."""
    return NO_PROPERTIES.edited(**values)
