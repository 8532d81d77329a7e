"""What a server sends, read strictly: whatever is not legal is a fault.

Written from the specification, with a table of its own and no code of `spec` or `wire`: a mistake
there must not hide here.

(X1) Every frame has a known type, the end octet, and no more bytes than frame-max.  A content
     header cannot be split: one that is too large for a client that wants small frames is sent to
     it all the same (by RabbitMQ 3.10.8 and 4.0.5 too).
(X2) Every method is one that a server sends; its arguments fill its frame and are well formed.
(X3) A content follows its method at once: one header, then body frames up to its size, with
     nothing else on the channel in between; its properties fill their header.
(X4) On channel 0 stand the connection's methods in their order, and nothing behind the last.
(X5) On any other channel nothing stands that is not open, by what the server itself has said:
     from open-ok to close-ok, or to its own close.
(X6) Delivery tags count up by one, and what is confirmed has a number.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from struct import Struct
from struct import error as StructError
from typing import Final

import attrs

#: {(class, method): name and arguments}, of all that a server sends.
#: o octet, s short, l long, q longlong, S shortstr in UTF-8, N shortstr of any bytes, X longstr,
#: T table, b an octet with bits.
SERVER_METHODS: Final[Mapping[tuple[int, int], tuple[str, str]]] = {
    (10, 10): ("connection.start", "ooTXX"),
    (10, 20): ("connection.secure", "X"),
    (10, 30): ("connection.tune", "sls"),
    (10, 41): ("connection.open-ok", "S"),
    (10, 50): ("connection.close", "sSss"),
    (10, 51): ("connection.close-ok", ""),
    (10, 60): ("connection.blocked", "S"),
    (10, 61): ("connection.unblocked", ""),
    (10, 71): ("connection.update-secret-ok", ""),
    (20, 11): ("channel.open-ok", "X"),
    (20, 20): ("channel.flow", "b"),
    (20, 21): ("channel.flow-ok", "b"),
    (20, 40): ("channel.close", "sSss"),
    (20, 41): ("channel.close-ok", ""),
    (30, 11): ("access.request-ok", "s"),
    (40, 11): ("exchange.declare-ok", ""),
    (40, 21): ("exchange.delete-ok", ""),
    (40, 31): ("exchange.bind-ok", ""),
    (40, 51): ("exchange.unbind-ok", ""),
    (50, 11): ("queue.declare-ok", "Sll"),
    (50, 21): ("queue.bind-ok", ""),
    (50, 31): ("queue.purge-ok", "l"),
    (50, 41): ("queue.delete-ok", "l"),
    (50, 51): ("queue.unbind-ok", ""),
    (60, 11): ("basic.qos-ok", ""),
    (60, 21): ("basic.consume-ok", "S"),
    (60, 30): ("basic.cancel", "Sb"),
    (60, 31): ("basic.cancel-ok", "S"),
    (60, 50): ("basic.return", "sSNN"),
    (60, 60): ("basic.deliver", "SqbNN"),
    (60, 71): ("basic.get-ok", "qbNNl"),
    (60, 72): ("basic.get-empty", "S"),
    (60, 80): ("basic.ack", "qb"),
    (60, 111): ("basic.recover-ok", ""),
    (60, 120): ("basic.nack", "qb"),
    (85, 11): ("confirm.select-ok", ""),
    (90, 11): ("tx.select-ok", ""),
    (90, 21): ("tx.commit-ok", ""),
    (90, 31): ("tx.rollback-ok", ""),
}
_WITH_CONTENT: Final = {"basic.return", "basic.deliver", "basic.get-ok"}
_HEAD: Final = Struct(">BHI")
_HEADER: Final = Struct(">HHQH")  # class, weight, body bytes, flags
_NUMBERS: Final = {"o": Struct(">B"), "b": Struct(">B"), "s": Struct(">H"), "l": Struct(">I"),
                   "q": Struct(">Q")}  # fmt: skip
_LONG: Final = Struct(">I")
#: The properties in wire order: S shortstr, T table, 1 octet, 8 timestamp.
_PROPERTIES: Final = "SST11SSSS8SSSS"
_FIELD_BYTES: Final = {"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "l": 8, "L": 8,
                       "f": 4, "d": 8, "D": 5, "T": 8, "V": 0}  # fmt: skip
#: Deeper tables have brought clients down (CVE-2026-69220: a stack overflow).
TABLE_DEPTH_MAX: Final = 64
_PROTOCOL_HEADER_BYTES: Final = 8
#: {what the server has said last on channel 0: what may come next, besides close and heartbeats}
_CONNECTION_NEXT: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"connection.start"}),
    "connection.start": frozenset({"connection.secure", "connection.tune"}),
    "connection.secure": frozenset({"connection.secure", "connection.tune"}),
    "connection.tune": frozenset({"connection.open-ok"}),
    "open": frozenset({
        "connection.blocked", "connection.unblocked", "connection.update-secret-ok",
        "connection.close-ok",
    }),
    "connection.close": frozenset({"connection.close-ok"}),
    "connection.close-ok": frozenset(),
}  # fmt: skip


class Fault(Exception):
    """The server sent something that it may not."""


@attrs.frozen
class Said:
    """A method of the server's, with its content if it has one.  Texts are bytes."""

    channel: int
    name: str
    values: tuple[int | bytes, ...]
    properties: bytes = b""
    body: bytes = b""


@attrs.define
class _Content:
    method: Said
    remaining: int | None = None  # None before the header
    properties: bytes = b""
    pieces: list[bytes] = attrs.field(factory=list[bytes])


@attrs.define
class _Channel:
    delivery_tag: int = 0
    content: _Content | None = None
    is_closing: bool = False  # the server has sent channel.close


class StrictReader:
    """Reads one connection's bytes.  After a `Fault` it reads no more."""

    def __init__(self, frame_max: int, heard: Callable[[Said], None]) -> None:
        """*frame_max* is the most that the client will have allowed."""
        self._frame_max = frame_max
        self._heard = heard
        self._data = bytearray()
        self._phase = ""  # what was said last on channel 0 that matters, or "open"
        self._channels: dict[int, _Channel] = {}
        self.frame_count = 0

    @property
    def is_open(self) -> bool:
        """Whether open-ok has come and no close yet."""
        return self._phase == "open"

    def feed(self, data: bytes) -> None:
        """Read some bytes; raises `Fault`."""
        self._data += data
        if not self._phase and self._data.startswith(b"AMQP"):
            if len(self._data) >= _PROTOCOL_HEADER_BYTES:
                del self._data[:_PROTOCOL_HEADER_BYTES]
                self._phase = "connection.close-ok"  # the server speaks something else; the end
                self.frame_count += 1
            else:
                return
        position = 0
        data_end = len(self._data)
        while data_end - position >= _HEAD.size:
            kind, channel, size = _HEAD.unpack_from(self._data, position)
            if size + 8 > self._frame_max and kind != 2:
                raise Fault(f"a frame of {size + 8} bytes, and frame-max is {self._frame_max} (X1)")
            start = position + _HEAD.size
            if start + size >= data_end:
                break
            if self._data[start + size] != 0xCE:
                raise Fault("a frame without its end octet (X1)")
            self._frame(kind, channel, bytes(self._data[start : start + size]))
            self.frame_count += 1
            position = start + size + 1
        del self._data[:position]

    def finish(self) -> None:
        """The connection has ended as it should: no half frame may be left."""
        if self._data:
            raise Fault(f"half a frame at the end: {bytes(self._data[:40])!r} (X1)")

    def _frame(self, kind: int, channel: int, payload: bytes) -> None:
        if self._phase == "connection.close-ok":
            raise Fault(f"a frame of type {kind} behind the end (X4)")
        if kind == 8:
            if channel or payload:
                raise Fault("a heartbeat that is none (X1)")
        elif kind == 1:
            self._method(channel, payload)
        elif kind in (2, 3):
            self._content(kind, channel, payload)
        else:
            raise Fault(f"a frame of type {kind} (X1)")

    def _method(self, channel: int, payload: bytes) -> None:
        try:
            known = SERVER_METHODS.get((payload[0] << 8 | payload[1], payload[2] << 8 | payload[3]))
        except IndexError:
            known = None
        if known is None:
            raise Fault(f"no method of a server: {payload[:20].hex()} (X2)")
        said = Said(channel, known[0], read_arguments(known[1], payload, known[0]))
        if channel == 0:
            self._on_connection(said)
            self._heard(said)
        else:
            self._on_channel(said)

    def _on_connection(self, said: Said) -> None:
        name = said.name
        if not name.startswith("connection."):
            raise Fault(f"{name} on channel 0 (X4)")
        if name == "connection.close" and self._phase not in {"", "connection.close"}:
            self._phase = name
            return
        if name not in _CONNECTION_NEXT[self._phase]:
            raise Fault(f"{name} after {self._phase or 'nothing'} (X4)")
        if name == "connection.open-ok":
            self._phase = "open"
        elif self._phase != "open" or name == "connection.close-ok":
            self._phase = name

    def _on_channel(self, said: Said) -> None:
        name = said.name
        if name.startswith("connection."):
            raise Fault(f"{name} on channel {said.channel} (X4)")
        if self._phase != "open":
            raise Fault(f"{name} on channel {said.channel} after {self._phase or 'nothing'} (X4)")
        channel = self._channels.get(said.channel)
        if name == "channel.open-ok":
            if channel is not None and not channel.is_closing:
                raise Fault(f"channel {said.channel} is opened twice (X5)")
            self._channels[said.channel] = _Channel()
        elif name == "channel.close-ok":
            # The client may close a channel that the server was closing, or has closed.
            if channel is not None and channel.content is not None:
                raise Fault("channel.close-ok in the middle of a content (X3)")
            if channel is not None and not channel.is_closing:
                del self._channels[said.channel]
        elif channel is None or channel.is_closing:
            values = " ".join(map(str, said.values))
            raise Fault(f"{name} {values} on channel {said.channel}, which is not open (X5)")
        elif channel.content is not None:
            raise Fault(f"{name} in the middle of a content (X3)")
        else:
            self._on_open_channel(channel, said)
            return
        self._heard(said)

    def _on_open_channel(self, channel: _Channel, said: Said) -> None:
        name = said.name
        if name == "channel.close":
            channel.is_closing = True
        elif name in {"basic.deliver", "basic.get-ok"}:
            tag = said.values[1 if name == "basic.deliver" else 0]
            channel.delivery_tag += 1
            if tag != channel.delivery_tag:
                raise Fault(f"delivery tag {tag!r} after {channel.delivery_tag - 1} (X6)")
        elif name in {"basic.ack", "basic.nack"} and said.values[0] == 0:
            raise Fault("a confirm of nothing (X6)")
        if name in _WITH_CONTENT:
            channel.content = _Content(said)
        else:
            self._heard(said)

    def _content(self, kind: int, number: int, payload: bytes) -> None:
        channel = self._channels.get(number)
        content = None if channel is None else channel.content
        if channel is None or content is None:
            raise Fault(f"content on channel {number}, where none was announced (X3)")
        if (kind == 2) != (content.remaining is None):
            raise Fault("a content's frames out of their order (X3)")
        if content.remaining is None:
            if len(payload) < _HEADER.size:
                raise Fault("a content header that is too short (X3)")
            class_id, weight, content.remaining, flags = _HEADER.unpack_from(payload)
            if (class_id, weight) != (60, 0):
                raise Fault(f"a content of class {class_id} and weight {weight} (X3)")
            content.properties = payload[_HEADER.size - 2 :]
            check_properties(flags, payload)
        else:
            if not payload:
                raise Fault("a body frame without a body (X3)")
            content.pieces.append(payload)
            content.remaining -= len(payload)
        assert content.remaining is not None
        if content.remaining < 0:
            raise Fault("more body than announced (X3)")
        if content.remaining == 0:
            channel.content = None
            method = content.method
            whole = attrs.evolve(method, properties=content.properties,
                                 body=b"".join(content.pieces))  # fmt: skip
            self._heard(whole)


def read_arguments(kinds: str, payload: bytes, name: str) -> tuple[int | bytes, ...]:
    """The arguments of a method; raises `Fault` unless they fill *payload*."""
    position = 4
    found: list[int | bytes] = []
    try:
        for kind in kinds:
            number = _NUMBERS.get(kind)
            if number is not None:
                found.append(number.unpack_from(payload, position)[0])
                position += number.size
                continue
            start, end = _counted(payload, position, 1 if kind in "SN" else 4)
            raw = payload[start:end]
            if kind == "S":
                raw.decode()
            elif kind == "T":
                check_table(payload, position, end)
            found.append(raw)
            position = end
    except (StructError, IndexError, UnicodeDecodeError) as error:
        raise Fault(f"{name}: {error} (X2)") from None
    if position != len(payload):
        raise Fault(f"{name}: its arguments do not fill its frame (X2)")
    return tuple(found)


def check_properties(flags: int, payload: bytes) -> None:
    """Check that the properties of a content header are well formed and fill it."""
    position = _HEADER.size
    if flags & 1:
        raise Fault("property flags that go on (X3)")
    try:
        for place, kind in enumerate(_PROPERTIES):
            if not flags & 1 << (15 - place):
                continue
            if kind == "T":
                _, end = _counted(payload, position, 4)
                check_table(payload, position, end)
                position = end
            else:
                position = (
                    _counted(payload, position, 1)[1] if kind == "S" else position + int(kind)
                )
    except (StructError, IndexError) as error:
        raise Fault(f"properties: {error} (X3)") from None
    if position != len(payload):
        raise Fault("properties do not fill their header (X3)")


def _counted(payload: bytes, position: int, octets: int) -> tuple[int, int]:
    length = payload[position] if octets == 1 else _LONG.unpack_from(payload, position)[0]
    start = position + octets
    if start + length > len(payload):
        raise IndexError("a length runs past its frame")
    return start, start + length


def check_table(payload: bytes, position: int, end: int) -> None:
    """Check a table, its length first, that ends at *end*; raises `Fault` or `IndexError`."""
    work = [(position + 4, end, True, 1)]
    while work:
        position, end, is_table, depth = work.pop()
        if depth > TABLE_DEPTH_MAX + 1:
            raise Fault("a table nested too deeply for many clients")
        while position < end:
            if is_table:
                position += 1 + payload[position]
            kind = chr(payload[position])
            position += 1
            size = _FIELD_BYTES.get(kind)
            if size is None:
                if kind not in "SxAF":
                    raise IndexError(f"a field of kind {kind!r}")
                start, position = _counted(payload, position, 4)
                if kind in "AF":
                    work.append((start, position, kind == "F", depth + 1))
                continue
            if kind in "fd":
                number = Struct(">f" if kind == "f" else ">d").unpack_from(payload, position)[0]
                if not isfinite(number):
                    raise IndexError("a number that is not finite")
            position += size
        if position != end:
            raise IndexError("a field runs past its table")
