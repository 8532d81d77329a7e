"""A conversation as text: what the clients do, and what they are answered, in the order it came.

C/2 1 queue.declare ticket=0 queue='q0.7' ...      connection 2, channel 1, a method that decodes
C/2 ~ 01 0001 00000010 0032...   [size 16]         bytes that do not, and what was done to them
S/2 1 channel.close 404 "NOT_FOUND - ..." 50 10    the answer
C/2 (stops reading)                                 what is done to the socket
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD
from amqpbroker.spec.method import MalformedMethod, UnknownMethod, decode_method
from amqpbroker.testing.fuzz.script import (
    Await,
    Connect,
    FinishSending,
    Leave,
    ReadOn,
    Send,
    Step,
    StopReading,
)
from amqpbroker.testing.fuzz.strict import Said

_HEAD: Final = Struct(">BHI")
_SHOWN_BYTES: Final = 48
_LINE_CHARACTERS: Final = 300
_FRAME_NAMES: Final = {FRAME_HEADER: "header", FRAME_BODY: "body", FRAME_HEARTBEAT: "heartbeat"}


class Transcript:
    """Writes down a conversation; `conversation.Listener`."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def done(self, step: Step) -> None:
        for line in step_lines(step):
            self._write(f"C/{step.connection} {line}")

    def heard(self, connection: int, said: Said) -> None:
        self._write(f"S/{connection} {said_line(said)}")

    def ended(self, connection: int) -> None:
        self._write(f"S/{connection} (ends the connection)")


def step_lines(step: Step) -> Iterator[str]:
    """What a client does, as lines."""
    if isinstance(step, Send):
        cuts = f" (in {len(step.cuts) + 1} pieces)" if step.cuts else ""
        yield from sent_lines(step.raw)
        if step.note or cuts:
            yield f"  ^{cuts}{step.note}"
        return
    names = {
        Await: "(waits for an answer)", StopReading: "(stops reading)", ReadOn: "(reads on)",
        FinishSending: "(closes its sending half)",
    }  # fmt: skip
    if isinstance(step, Connect):
        yield f"(connects, frames up to {step.frame_max} bytes)"
    elif isinstance(step, Leave):
        yield "(resets the connection)" if step.is_reset else "(closes the socket)"
    else:
        yield names[type(step)]


def sent_lines(raw: bytes) -> Iterator[str]:
    """Bytes, frame by frame as far as they are frames."""
    if raw.startswith(b"AMQP"):
        yield f"protocol header {raw[:8].hex(' ')}"
        raw = raw[8:]
    while raw:
        frame_bytes = 8 + _HEAD.unpack_from(raw)[2] if len(raw) >= _HEAD.size else 0
        if not frame_bytes or len(raw) < frame_bytes or raw[frame_bytes - 1] != 0xCE:
            yield f"~ {_hexadecimal(raw)}"
            return
        yield _cut(_frame_line(raw[:frame_bytes]))
        raw = raw[frame_bytes:]


def _frame_line(raw: bytes) -> str:
    kind, channel, size = _HEAD.unpack_from(raw)
    payload = raw[_HEAD.size : -1]
    if kind == FRAME_METHOD:
        try:
            method = decode_method(payload)
        except (MalformedMethod, UnknownMethod) as error:
            return f"{channel} method {_hexadecimal(payload)} ({error})"
        return f"{channel} {str(method)[1:-1]}"
    if kind == FRAME_BODY:
        return f"{channel} body {size} bytes"
    return f"{channel} {_FRAME_NAMES.get(kind, f'frame of type {kind}')} {_hexadecimal(payload)}"


def said_line(said: Said) -> str:
    """A method of the server's, as a line."""
    shown = " ".join(
        str(value) if isinstance(value, int) else repr(value.decode("utf-8", "backslashreplace"))
        for value in said.values
    )
    body = f" + body of {len(said.body)} bytes" if said.properties else ""
    return _cut(f"{said.channel} {said.name} {shown}{body}")


def _hexadecimal(raw: bytes) -> str:
    more = f"... ({len(raw)} bytes)" if len(raw) > _SHOWN_BYTES else ""
    return f"{raw[:_SHOWN_BYTES].hex()}{more}"


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_CHARACTERS else f"{line[:_LINE_CHARACTERS]}..."
