"""A recorded conversation: what clients and a broker said, and when, as text.

    # amqpbroker recording 1
    0.000 C1 - AMQP 0 0 9 1
        QU1RUAAACQE=
    0.002 S1 0 connection.start server_properties={...} mechanisms='AMQPLAIN PLAIN'
    0.021 C1 1 basic.publish routing_key='jobs'
    0.021 C1 1   content b'hello' delivery_mode=2
        AQABAAAAEwA8ACgAAARqb2JzAM4C...

A line has the seconds since the recording began, who speaks (C: a client, S: the server, with the
number of the connection), the channel, and what was said (`wording.py`); content stands on a line
of its own behind its method.  Below what a client said are its bytes, indented, in base64: a
replay sends those.  What the server said is kept as words only.

Passwords are not kept: in connection.start-ok the response names the user alone.  Everything else
is: messages too.  Frames that cannot be read are kept as bytes.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import Final

from attrs import Factory, define, frozen

from amqpbroker.spec.constants import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    PROTOCOL_HEADER,
)
from amqpbroker.spec.method import (
    MalformedMethod,
    Method,
    UnknownMethod,
    decode_method,
    encode_method,
)
from amqpbroker.spec.methods import (
    BasicDeliver,
    BasicGetOk,
    BasicPublish,
    BasicReturn,
    ConnectionStartOk,
)
from amqpbroker.spec.properties import MalformedProperties, Properties
from amqpbroker.testing.wording import content_text, method_text, raw_text
from amqpbroker.wire.frames import Frame, FramingLost, read_frame

FIRST_LINE: Final = "# amqpbroker recording 1"
#: What stands above the first line, for whoever opens the file.
_LEGEND: Final = f"""\
{FIRST_LINE}
# seconds, speaker (C: client, S: server; number of the connection), channel, what was said;
# indented: the client's bytes, in base64.  'amqpbroker replay FILE' says them again.
"""
#: A recording that is larger is refused, in bytes.
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
_PAYLOAD_BYTES_MAX: Final = 512 * 1024 * 1024
_BASE64_COLUMNS: Final = 96
_LINE: Final = re.compile(r"(\d+\.\d+) ([CS])(\d+) (\d+|-) (.*)")
_CONTENT_HEAD: Final = Struct(">HHQ")
_WITH_CONTENT: Final = (BasicPublish, BasicDeliver, BasicGetOk, BasicReturn)
CLOSED: Final = "closed"


class WrongRecording(ValueError):
    """A sentence about a file that is no recording, and which line says so."""


@frozen
class Said:
    """What one side said at once: a method, with its content if it has one; or bytes."""

    channel: int | None  # None: of no channel
    lines: tuple[str, ...]  # in words
    raw: bytes  # as it went over the wire
    method: Method | None = None


@frozen
class Entry:
    """Something said, when and by whom."""

    time_s: float
    is_client: bool
    connection: int  # from 1
    said: Said

    def text(self) -> str:
        """As it stands in a recording."""
        side = "C" if self.is_client else "S"
        channel = "-" if self.said.channel is None else str(self.said.channel)
        head = f"{self.time_s:.3f} {side}{self.connection} {channel} "
        lines = [head + line for line in self.said.lines]
        if self.is_client and self.said.raw:
            encoded = base64.b64encode(self.said.raw).decode()
            lines += [
                f"    {encoded[start : start + _BASE64_COLUMNS]}"
                for start in range(0, len(encoded), _BASE64_COLUMNS)
            ]
        return "\n".join(lines) + "\n"


@define
class _Content:
    """A method whose content is still coming."""

    method: Method
    raw: bytearray
    properties: Properties | None = None
    body_bytes: int = 0
    body: bytearray = Factory(bytearray)

    @property
    def is_whole(self) -> bool:
        return self.properties is not None and len(self.body) >= self.body_bytes


class Listener:
    """Understands one direction of one connection, whatever pieces its bytes come in."""

    def __init__(self) -> None:
        self._data = b""
        self._contents: dict[int, _Content] = {}  # {channel: what is being put together}
        self._is_lost = False  # nobody knows where the next frame starts

    def hear(self, data: bytes) -> Iterator[Said]:
        """What *data* completes.  Never raises: what cannot be read is bytes."""
        self._data += data
        if self._is_lost:
            yield self._take_bytes(len(self._data))
            return
        position = 0
        if self._data.startswith(b"AMQP"):
            if len(self._data) < len(PROTOCOL_HEADER):
                return
            yield self._take_bytes(len(PROTOCOL_HEADER))
        try:
            while (frame := read_frame(self._data, position, _PAYLOAD_BYTES_MAX)) is not None:
                raw = self._data[position : frame.end]
                position = frame.end
                yield from self._understand(frame, raw)
        except FramingLost:
            self._is_lost = True
            self._data = self._data[position:]
            yield self._take_bytes(len(self._data))
            return
        self._data = self._data[position:]

    def end(self) -> Iterator[Said]:
        """What is left when nothing more comes, and the end."""
        for channel, content in self._contents.items():
            yield Said(channel, (method_text(content.method),), bytes(content.raw), content.method)
        if self._data:
            yield self._take_bytes(len(self._data))
        yield Said(None, (CLOSED,), b"")

    def _take_bytes(self, count: int) -> Said:
        raw, self._data = self._data[:count], self._data[count:]
        return Said(None, (raw_text(raw),), raw)

    def _understand(self, frame: Frame, raw: bytes) -> Iterator[Said]:
        channel, payload = frame.channel_number, bytes(frame.payload)
        if frame.type == FRAME_HEARTBEAT:
            yield Said(channel, ("heartbeat",), raw)
        elif frame.type == FRAME_METHOD:
            yield from self._understand_method(channel, payload, raw)
        else:
            content = self._contents.get(channel)
            if content is None or not _add(content, frame.type, payload):
                yield Said(channel, (f"frame {raw_text(raw)}",), raw)
                return
            content.raw += raw
            yield from self._finish(channel, content)

    def _understand_method(self, channel: int, payload: bytes, raw: bytes) -> Iterator[Said]:
        try:
            method = decode_method(payload)
        except (UnknownMethod, MalformedMethod):
            yield Said(channel, (f"frame {raw_text(raw)}",), raw)
            return
        if isinstance(method, _WITH_CONTENT):
            self._contents[channel] = _Content(method, bytearray(raw))
        else:
            yield _redacted(channel, method, raw)

    def _finish(self, channel: int, content: _Content) -> Iterator[Said]:
        if content.is_whole:
            del self._contents[channel]
            assert content.properties is not None
            words = f"  {content_text(content.properties, bytes(content.body))}"
            lines = (method_text(content.method), words)
            yield Said(channel, lines, bytes(content.raw), content.method)


def _add(content: _Content, frame_type: int, payload: bytes) -> bool:
    """Add a frame to a content; False when it does not belong there."""
    if frame_type == FRAME_HEADER and content.properties is None:
        if len(payload) < _CONTENT_HEAD.size:
            return False
        content.body_bytes = _CONTENT_HEAD.unpack_from(payload)[2]
        try:
            content.properties = Properties(payload[_CONTENT_HEAD.size :])
        except MalformedProperties:
            return False
        return True
    if frame_type == FRAME_BODY and content.properties is not None:
        content.body += payload
        return True
    return False


def _redacted(channel: int, method: Method, raw: bytes) -> Said:
    """A method as it may be kept: a login without its password."""
    if isinstance(method, ConnectionStartOk):
        user = method.response.split(b"\x00")[1:2] if method.mechanism == "PLAIN" else []
        response = b"\x00".join([b"", *user, b""])
        method = ConnectionStartOk(
            method.client_properties, method.mechanism, response, method.locale
        )
        raw = method_frame_of(channel, method)
    return Said(channel, (method_text(method),), raw, method)


def method_frame_of(channel: int, method: Method) -> bytes:
    """A method in its frame."""
    payload = encode_method(method)
    head = bytes((FRAME_METHOD,)) + channel.to_bytes(2) + len(payload).to_bytes(4)
    return head + payload + bytes((FRAME_END,))


def recording_text(entries: Iterable[Entry], note: str = "") -> str:
    """A whole recording; *note* is a remark for the reader."""
    remark = f"# {note}\n" if note else ""
    return _LEGEND + remark + "".join(entry.text() for entry in entries)


def legend(note: str) -> str:
    """What a recording begins with."""
    return recording_text((), note)


def read_recording(path: Path) -> list[Entry]:
    """The entries of a file.  Raises `OSError`, or `WrongRecording` with the line."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise WrongRecording(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    if not text.startswith(FIRST_LINE):
        raise WrongRecording(f"{path} is no recording: it does not begin with '{FIRST_LINE}'")
    return parse(text, str(path))


@define
class _Draft:
    """An entry whose lines are still being read."""

    time_s: float
    is_client: bool
    connection: int
    channel: int | None
    lines: list[str]
    encoded: str = ""

    def entry(self, place: str) -> Entry:
        try:
            raw = base64.b64decode(self.encoded, validate=True)
        except ValueError:
            raise WrongRecording(f"{place}: what is indented above it is no base64") from None
        method = _method_in(raw) if self.is_client else None
        said = Said(self.channel, tuple(self.lines), raw, method)
        return Entry(self.time_s, self.is_client, self.connection, said)


def parse(text: str, name: str) -> list[Entry]:
    """The entries in a recording's *text*; *name* is for errors."""
    entries: list[Entry] = []
    draft: _Draft | None = None
    place = name
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{name}:{number}"
        if not line or line.startswith("#"):
            continue
        if line.startswith("    "):
            if draft is None or not draft.is_client:
                raise WrongRecording(f"{place}: only below a client's line may bytes stand")
            draft.encoded += line.strip()
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise WrongRecording(f"{place}: this is no line of a recording: {line[:60]!r}")
        words = found[5]
        if words.startswith("  ") and draft is not None and not draft.encoded:
            draft.lines.append(words)
            continue
        if draft is not None:
            entries.append(draft.entry(place))
        channel = None if found[4] == "-" else int(found[4])
        draft = _Draft(float(found[1]), found[2] == "C", int(found[3]), channel, [words])
    if draft is not None:
        entries.append(draft.entry(place))
    return entries


def _method_in(raw: bytes) -> Method | None:
    """The method that an entry's bytes begin with, if they do."""
    try:
        frame = read_frame(raw, 0, _PAYLOAD_BYTES_MAX)
        if frame is None or frame.type != FRAME_METHOD:
            return None
        return decode_method(bytes(frame.payload))
    except (FramingLost, UnknownMethod, MalformedMethod):
        return None
