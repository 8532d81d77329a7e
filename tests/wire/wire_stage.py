"""Connections in any state, frames, and one method of each class."""

from __future__ import annotations

from typing import Any

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX, PROTOCOL_HEADER
from amqpbroker.spec.errors import AMQPException
from amqpbroker.spec.method import Method
from amqpbroker.wire.connection import Connection, HandshakeAborted, PeerLost
from amqpbroker.wire.events import Event
from amqpbroker.wire.limits import DEFAULT_WIRE_LIMITS, WireLimits
from amqpbroker.wire.states import State
from amqpbroker.wire.writer import method_frame

FRAME_MAX = 4096
CHANNEL_MAX = 3

_SAMPLES: dict[str, Any] = {
    "Octet": 1, "Short": 1, "Long": 1, "LongLong": 1, "Bit": False,
    "ShortStr": "text", "LongStr": b"bytes", "Table": {},
}  # fmt: skip
#: What leads from each state to the next.
_STEPS = [
    (State.HEADER, PROTOCOL_HEADER),
    (State.STARTING, method_frame(0, m.ConnectionStartOk())),
    (State.TUNING, method_frame(0, m.ConnectionTuneOk(CHANNEL_MAX, FRAME_MAX, 7))),
    (State.OPENING, method_frame(0, m.ConnectionOpen())),
]


def sample_of(method_class: type[Method]) -> Method:
    """A method that may be sent, wherever its class may be."""
    if method_class is m.ConnectionTuneOk:
        return m.ConnectionTuneOk(CHANNEL_MAX, FRAME_MAX, 7)
    return method_class(**{field: _SAMPLES[kind] for field, kind in method_class.fields})


def raw_frame(type_: int, channel_number: int, payload: bytes, end: int = 0xCE) -> bytes:
    head = bytes((type_,)) + channel_number.to_bytes(2) + len(payload).to_bytes(4)
    return head + payload + bytes((end,))


def wire_in(
    state: State,
    *,
    channels: tuple[int, ...] = (),
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX,
    has_express: bool = True,
    limits: WireLimits = DEFAULT_WIRE_LIMITS,
) -> Connection:
    """A connection in *state*, with the *channels* open."""
    wire = Connection(message_bytes_max=message_bytes_max, has_express=has_express, limits=limits)
    for step, raw in _STEPS:
        if state is step:
            return wire
        wire.receive(raw)
        assert wire.next_event() is not None
    for channel_number in channels:
        wire.receive(method_frame(channel_number, m.ChannelOpen()))
        assert wire.next_event() is not None
    if state is State.CLOSING:
        wire.closing()
    if state is State.CLOSED:
        wire.closed()
    assert wire.state is state
    return wire


def events_of(wire: Connection, *pieces: bytes) -> list[Event]:
    """What the bytes mean, received together."""
    wire.receive(b"".join(pieces))
    return list(iter(wire.next_event, None))


def outcome(wire: Connection, *pieces: bytes) -> str:
    """What the bytes lead to: the last event or error, in a word or two."""
    try:
        events = events_of(wire, *pieces)
    except HandshakeAborted:
        return "silence"
    except PeerLost:
        return "dropped"
    except AMQPException as error:
        return f"{error.reply_code} {error.reply_text} [{error.class_id}.{error.method_id}]"
    return type(events[-1]).__name__ if events else "nothing"
