"""Replay: the client's side of a recording, said to another broker, and where its answers differ.

What a client says next may depend on what it has been told, so a replay says nothing before as
much has been heard, on every connection and channel, as had been heard in the recording; what
does not come within the patience is not waited for again.

What may differ between two runs of the same broker is not compared: times, generated names, how
confirms are put together, heartbeats, and the order in which channels take turns.  Names that the
recorded broker had generated are replaced by those that this one has generated in their place.

The handshake is the replay's own user's and vhost's.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import unified_diff
from struct import Struct
from typing import Any, Final

from attrs import Factory, define, field, frozen

from amqpbroker.spec.constants import FRAME_OVERHEAD_BYTES
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import ConnectionOpen, ConnectionStartOk
from amqpbroker.spec.properties import Properties
from amqpbroker.testing.conversation import CLOSED, Entry, Listener, Said, method_frame_of
from amqpbroker.testing.generated_names import GeneratedNames
from amqpbroker.testing.raw_client import RawConnection, ServerAddress, encode_frame, plain

#: How long an answer is waited for, in seconds, unless told otherwise.
PATIENCE_S: Final = 2.0
#: How long to listen for more when everything has been said, in seconds.
LAST_WORD_S: Final = 0.1

_CONFIRM: Final = re.compile(r"basic\.(ack|nack) delivery_tag=(\d+)( multiple)?")
_FRAME_HEAD: Final = Struct(">BHI")
_CONTENT_FIXED_BYTES: Final = 12

#: {(connection, channel)}; the channel is None for what is said of no channel.
Place = tuple[int, int | None]


@frozen
class Difference:
    """Where two brokers said different things on one channel of one connection."""

    connection: int
    channel: int | None
    lines: tuple[str, ...]  # `-` what was recorded, `+` what was said now

    def __str__(self) -> str:
        of_what = "" if self.channel is None else f", channel {self.channel}"
        return "\n".join([f"connection {self.connection}{of_what}:", *self.lines])


@define
class Heard:
    """What a server said at one place, comparable."""

    lines: list[str] = Factory(list[str])
    _confirmed_tag: int = 0  # up to here every publish is settled
    _settled: set[int] = Factory(set[int])  # beyond

    def add(self, lines: Sequence[str]) -> None:
        """Note what was said at once; confirms are taken one by one."""
        found = _CONFIRM.fullmatch(lines[0])
        if found is None:
            self.lines += lines
            return
        word = "confirmed" if found[1] == "ack" else "refused"
        tag = int(found[2])
        first = self._confirmed_tag + 1 if found[3] else tag
        for one in range(first, tag + 1):
            if one not in self._settled:
                self._settled.add(one)
                self.lines.append(f"{word} {one}")
        while self._confirmed_tag + 1 in self._settled:
            self._confirmed_tag += 1
            self._settled.discard(self._confirmed_tag)


@define
class _Line:
    """One connection of the replay."""

    connection: RawConnection
    listener: Listener = Factory(Listener)
    has_ended: bool = False


@define
class Replayer:
    """Says the client's side of *entries* to the broker at *url*."""

    entries: Sequence[Entry]
    url: str
    patience_s: float = PATIENCE_S
    differences: list[Difference] = field(factory=list[Difference], init=False)
    said_count: int = field(default=0, init=False)
    _expected: dict[Place, Heard] = field(factory=dict[Place, Heard], init=False)
    _heard: dict[Place, Heard] = field(factory=dict[Place, Heard], init=False)
    _given_up: dict[Place, int] = field(factory=dict[Place, int], init=False)
    _lines: dict[int, _Line] = field(factory=dict[int, _Line], init=False)
    _recorded_names: GeneratedNames = field(factory=GeneratedNames, init=False)
    _names: GeneratedNames = field(factory=GeneratedNames, init=False)

    def run(self) -> list[Difference]:
        """Replay; the differences, none when all was said as recorded.  Raises `OSError`."""
        try:
            for entry in self.entries:
                if entry.is_client:
                    self._wait()
                    self._say(entry)
                else:
                    self._expect(entry)
            self._wait()
            for number in list(self._lines):
                self._listen(number, time.monotonic() + LAST_WORD_S)
        finally:
            for line in self._lines.values():
                line.connection.drop()
        self.differences = list(self._compare())
        return self.differences

    # Saying

    def _say(self, entry: Entry) -> None:
        line = self._lines.get(entry.connection)
        if line is None:
            line = self._lines[entry.connection] = _Line(RawConnection(self.url))
        if entry.said.lines == (CLOSED,):
            line.connection.finish_sending()
            return
        if "heartbeat" in entry.said.lines:
            return
        self.said_count += 1
        line.connection.send_bytes(self._translated(entry.said))

    def _translated(self, said: Said) -> bytes:
        """The bytes of *said*, with this broker's names, this user and this vhost."""
        method, raw = said.method, said.raw
        if method is None:
            return raw
        address = ServerAddress.of(self.url)
        assert said.channel is not None
        if isinstance(method, ConnectionStartOk):
            response = plain(address.user, address.password)
            changed = ConnectionStartOk(method.client_properties, "PLAIN", response, method.locale)
            return method_frame_of(said.channel, changed)
        if isinstance(method, ConnectionOpen):
            return method_frame_of(said.channel, ConnectionOpen(address.virtual_host))
        names = self._translation()
        if not any(name in line for name in names for line in said.lines):
            return raw
        frame_bytes = FRAME_OVERHEAD_BYTES + _FRAME_HEAD.unpack_from(raw)[2]
        return method_frame_of(said.channel, _renamed(method, names)) + _with_reply_to(
            raw[frame_bytes:], said.channel, names
        )

    def _translation(self) -> dict[str, str]:
        """{name that the recorded broker generated: this one's in its place}."""
        ours = self._names.by_number()
        theirs = self._recorded_names.by_number()
        return {name: ours[number] for number, name in theirs.items() if number in ours}

    # Hearing

    def _expect(self, entry: Entry) -> None:
        _note(self._expected, self._recorded_names, entry.connection, entry.said)

    def _wait(self) -> None:
        """Listen until as much was heard as had been recorded, or patience is over."""
        for place, expected in self._expected.items():
            wanted_count = len(expected.lines) - self._given_up.get(place, 0)
            if self._count(place) >= wanted_count:
                continue
            deadline = time.monotonic() + self.patience_s
            while self._count(place) < wanted_count and self._listen(place[0], deadline):
                pass
            missing_count = len(expected.lines) - self._count(place)
            if missing_count > 0:
                self._given_up[place] = missing_count

    def _count(self, place: Place) -> int:
        heard = self._heard.get(place)
        return 0 if heard is None else len(heard.lines)

    def _listen(self, number: int, deadline: float) -> bool:
        """Read once from a connection; False when nothing came, or nothing more will."""
        line = self._lines.get(number)
        if line is None or line.has_ended:
            return False
        data = line.connection.read_some(deadline)
        if data is None:
            return False
        if not data:
            line.has_ended = True
        for said in line.listener.hear(data) if data else line.listener.end():
            _note(self._heard, self._names, number, said)
        return True

    # Comparing

    def _compare(self) -> Iterator[Difference]:
        places = dict.fromkeys([*self._expected, *self._heard])
        for place in places:
            expected = self._expected.get(place, Heard()).lines
            heard = self._heard.get(place, Heard()).lines
            if expected != heard:
                lines = unified_diff(expected, heard, lineterm="", n=2)
                shown = [f"  {text}" for text in lines if not text.startswith(("---", "+++", "@@"))]
                yield Difference(*place, tuple(shown))


def _note(places: dict[Place, Heard], names: GeneratedNames, connection: int, said: Said) -> None:
    if "heartbeat" in said.lines:
        return
    heard = places.setdefault((connection, said.channel), Heard())
    heard.add([names.normalised(line) for line in said.lines])


def _renamed(method: Method, names: Mapping[str, str]) -> Method:
    """A method with other names in its texts."""
    values: dict[str, Any] = dict(method.arguments_by_name())
    for field_name, value in values.items():
        if isinstance(value, str):
            values[field_name] = names.get(value, value)
    return type(method)(**values)


def _with_reply_to(raw: bytes, channel: int, names: Mapping[str, str]) -> bytes:
    """Content frames whose reply-to names somebody else."""
    if not raw:
        return raw
    kind, _, size = _FRAME_HEAD.unpack_from(raw)
    head_bytes = _FRAME_HEAD.size
    payload = raw[head_bytes : head_bytes + size]
    properties = Properties(payload[_CONTENT_FIXED_BYTES:])
    reply_to = properties.text("reply_to")
    if reply_to is None or reply_to not in names:
        return raw
    edited = properties.edited(reply_to=names[reply_to])
    header = encode_frame(kind, channel, payload[:_CONTENT_FIXED_BYTES] + edited.raw)
    return header + raw[FRAME_OVERHEAD_BYTES + size :]


def differences_text(differences: Iterable[Difference]) -> str:
    """All differences, for people."""
    return "\n\n".join(map(str, differences))
