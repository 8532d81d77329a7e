"""A session's outlet sits the exam of outlets: what it queues is read back, frame by frame."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from contracts import check_outlet
from recording import (
    Cancelled,
    ChannelClosed,
    Confirmed,
    ConnectionClosed,
    Delivered,
    Refused,
    Returned,
    Told,
)

from amqpbroker.server.outbox import Outbox
from amqpbroker.server.outlet import SessionOutlet
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import FRAME_METHOD
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.method import Method, decode_method
from amqpbroker.wire.frames import read_frame
from amqpbroker.wire.writer import method_frame


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    """An outbox that is never flushed."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Outbox(ours)


def learnt_from(raw: bytes) -> list[Told]:
    """What a client reads."""
    messages: list[tuple[int, Method, list[bytes]]] = []
    position = 0
    while (frame := read_frame(raw, position, 4096)) is not None:
        position = frame.end
        payload = bytes(frame.payload)
        if frame.type == FRAME_METHOD:
            messages.append((frame.channel_number, decode_method(payload), []))
        else:
            assert messages[-1][0] == frame.channel_number
            messages[-1][2].append(payload)
    assert position == len(raw)
    return [told_by(number, method, b"".join(content[1:])) for number, method, content in messages]


def told_by(number: int, method: Method, body: bytes) -> Told:
    match method:
        case m.BasicDeliver():
            tag, redelivered = method.delivery_tag, method.redelivered
            return Delivered(number, method.consumer_tag, tag, redelivered, body)
        case m.BasicReturn():
            return Returned(number, method.reply_code, method.reply_text, body)
        case m.BasicAck():
            return Confirmed(number, method.delivery_tag, method.multiple)
        case m.BasicNack():
            return Refused(number, method.delivery_tag, method.multiple)
        case m.BasicCancel():
            return Cancelled(number, method.consumer_tag)
        case m.ChannelClose():
            return ChannelClosed(number, method.reply_code, method.reply_text)
        case _:
            assert isinstance(method, m.ConnectionClose)
            return ConnectionClosed(method.reply_code, method.reply_text)


def outlet_to(outbox: Outbox, added: Callable[[], None]) -> SessionOutlet:
    """An outlet of a session that says why it is closed."""

    def close(error: ConnectionException) -> None:
        outbox.add(method_frame(0, m.ConnectionClose(error.reply_code, error.reply_text, 0, 0)))

    return SessionOutlet(outbox, 4096, added, close, lambda _: None)


def test_a_sessions_outlet_is_an_outlet(outbox: Outbox) -> None:
    outlet = outlet_to(outbox, lambda: None)

    check_outlet(lambda: (outlet, lambda: learnt_from(b"".join(outbox.pieces))))


def test_everything_added_is_counted_and_told_of(outbox: Outbox) -> None:
    calls: list[int] = []
    outlet = outlet_to(outbox, lambda: calls.append(outbox.byte_count))

    check_outlet(lambda: (outlet, lambda: learnt_from(b"".join(outbox.pieces))))

    assert len(calls) == 8
    assert outbox.byte_count == sum(map(len, outbox.pieces))
    assert calls[-1] == outbox.byte_count - len(outbox.pieces[-1])  # the close is the session's
