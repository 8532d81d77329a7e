"""The fuzzer's reader: it takes what a server may send, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ARGUMENTS, methods_of, tables, texts

from amqpbroker.spec import methods as m
from amqpbroker.spec.message import encode_content
from amqpbroker.spec.method import METHODS, Method
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.spec.table import TABLE_DEPTH_MAX
from amqpbroker.testing.fuzz.strict import SERVER_METHODS, Fault, Said, StrictReader
from amqpbroker.testing.fuzz.values import counted, entry, nested
from amqpbroker.wire.writer import HEARTBEAT, method_frame

FRAME_MAX = 4096
GREETING = (
    method_frame(0, m.ConnectionStart())
    + method_frame(0, m.ConnectionTune(2047, 131_072, 60))
    + method_frame(0, m.ConnectionOpenOk())
)
OPEN = GREETING + method_frame(1, m.ChannelOpenOk())
DELIVER = method_frame(1, m.BasicDeliver("t", 1, False, "", "jobs"))
DELIVERY = DELIVER + encode_content(1, b"\0\0", b"hello", FRAME_MAX)
SECOND = method_frame(1, m.BasicDeliver("t", 2, True, "", "jobs")) + encode_content(
    1, b"\0\0", b"", FRAME_MAX
)


def read(data: bytes, step: int = 2**20) -> list[Said]:
    """What is heard, when it comes in pieces."""
    heard: list[Said] = []
    reader = StrictReader(FRAME_MAX, heard.append)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    reader.finish()
    return heard


@pytest.mark.parametrize("step", [1, 7, 2**20])
def test_a_conversation_is_read_in_pieces_of_any_size(step: int) -> None:
    heard = read(OPEN + DELIVERY + HEARTBEAT + SECOND, step)

    assert [said.name for said in heard] == [
        "connection.start", "connection.tune", "connection.open-ok", "channel.open-ok",
        "basic.deliver", "basic.deliver",
    ]  # fmt: skip
    assert [said.body for said in heard[-2:]] == [b"hello", b""]
    assert heard[-1].values == (b"t", 2, 1, b"", b"jobs")


def test_it_knows_all_that_a_server_sends() -> None:
    names = {name for name, _ in SERVER_METHODS.values()}
    of_clients_alone = {
        method.name
        for method in METHODS.values()
        if method.name not in names and not method.name.endswith("-ok")
    }

    assert "basic.publish" in of_clients_alone
    assert "queue.declare" in of_clients_alone
    assert names <= {method.name for method in METHODS.values()}
    assert {"basic.deliver", "channel.close", "connection.blocked"} <= names


CONNECTION_CLASS = 10
#: {method: frames that make it possible}; what closes or has content is in the other tests
ANSWERS = [
    METHODS[index]
    for index, (name, _) in SERVER_METHODS.items()
    if index[0] != CONNECTION_CLASS
    and name not in {"channel.open-ok", "basic.deliver", "basic.get-ok", "basic.return"}
]


@pytest.mark.parametrize("method_class", ANSWERS, ids=lambda one: one.name)
@given(st.data())
def test_every_answer_is_read_as_it_was_written(
    method_class: type[Method], data: st.DataObject
) -> None:
    small: dict[str, st.SearchStrategy[Any]] = {**ARGUMENTS, "LongLong": st.integers(1, 2**64 - 1)}
    method = data.draw(methods_of(method_class, small))
    said = read(OPEN + method_frame(1, method))[-1]
    _, kinds = SERVER_METHODS[method.class_id, method.method_id]

    assert said.name == method_class.name
    assert [value for kind, value in zip(kinds, said.values, strict=True) if kind != "b"] == [
        value.encode() if isinstance(value, str) else value
        for value in method.arguments_by_name().values()
        if not isinstance(value, bool)
    ]


@given(tables, texts.filter(lambda text: len(text.encode()) < 256))
def test_properties_of_all_kinds_are_read(headers: Any, text: str) -> None:
    properties = properties_of(headers=headers, message_id=text, priority=3, timestamp=2**64 - 1)
    if len(properties.raw) > 4000:
        return
    content = encode_content(1, properties.raw, b"x", FRAME_MAX)

    assert read(OPEN + DELIVER + content)[-1].properties == properties.raw


def header(class_id: int, weight: int, size: int, properties: bytes = b"\0\0") -> bytes:
    payload = class_id.to_bytes(2) + weight.to_bytes(2) + size.to_bytes(8) + properties
    return b"\2\0\1" + len(payload).to_bytes(4) + payload + b"\xce"


def body(payload: bytes, channel: int = 1) -> bytes:
    return b"\3" + channel.to_bytes(2) + len(payload).to_bytes(4) + payload + b"\xce"


DEEP = b"\x20\0" + counted(entry(b"a", nested(TABLE_DEPTH_MAX + 1, b"F")))
CLOSE = m.ConnectionClose(320, "CONNECTION_FORCED", 0, 0)
ILLEGAL = {
    "another end": GREETING[:-1] + b"\xcd",
    "too large a frame": GREETING + b"\1\0\1\0\0\x10\0" + bytes(4096) + b"\xce",
    "a frame of no type": GREETING + b"\4\0\0\0\0\0\0\xce",
    "a heartbeat on a channel": OPEN + b"\x08\0\1\0\0\0\0\xce",
    "half a frame at the end": OPEN + DELIVERY[:-1],
    "a client's method": OPEN + method_frame(1, m.BasicPublish()),
    "no method": OPEN + b"\1\0\1\0\0\0\4\0\x3c\0\x63\xce",
    "a method cut short": OPEN + b"\1\0\1\0\0\0\2\0\x3c\xce",
    "surplus arguments": OPEN + b"\1\0\1\0\0\0\5\0\x3c\0\x0b\0\xce",
    "missing arguments": OPEN + b"\1\0\1\0\0\0\4\0\x3c\0\x15\xce",
    "text that is none": OPEN + method_frame(1, m.ChannelClose(404, "\udcff", 0, 0)),
    "a channel's method on channel 0": OPEN + method_frame(0, m.BasicQosOk()),
    "a connection's method on a channel": OPEN + method_frame(1, m.ConnectionBlocked("low")),
    "a channel that is not open": OPEN + method_frame(2, m.BasicQosOk()),
    "a channel opened twice": OPEN + method_frame(1, m.ChannelOpenOk()),
    "a method before the connection is open": method_frame(1, m.ChannelOpenOk()),
    "open-ok at once": method_frame(0, m.ConnectionOpenOk()),
    "tune twice": GREETING + method_frame(0, m.ConnectionTune(0, 0, 0)),
    "a method behind close": OPEN + method_frame(0, CLOSE) + method_frame(1, m.BasicQosOk()),
    "a frame behind the end": OPEN + method_frame(0, m.ConnectionCloseOk()) + HEARTBEAT,
    "a method behind channel.close": OPEN
    + method_frame(1, m.ChannelClose(404, "NOT_FOUND", 0, 0))
    + method_frame(1, m.BasicQosOk()),
    "a method behind channel.close-ok": OPEN
    + method_frame(1, m.ChannelCloseOk())
    + method_frame(1, m.BasicQosOk()),
    "content of nothing": OPEN + header(60, 0, 0),
    "body before its header": OPEN + DELIVER + body(b"x"),
    "two headers": OPEN + DELIVER + header(60, 0, 1) + header(60, 0, 1),
    "a method in a content": OPEN + DELIVER + header(60, 0, 1) + method_frame(1, m.BasicQosOk()),
    "a content's body on another channel": OPEN + DELIVER + header(60, 0, 1) + body(b"x", 2),
    "more body than announced": OPEN + DELIVER + header(60, 0, 1) + body(b"xy"),
    "an empty body frame": OPEN + DELIVER + header(60, 0, 1) + body(b""),
    "another class": OPEN + DELIVER + header(50, 0, 0),
    "a weight": OPEN + DELIVER + header(60, 1, 0),
    "flags that go on": OPEN + DELIVER + header(60, 0, 0, b"\0\1"),
    "properties that are not there": OPEN + DELIVER + header(60, 0, 0, b"\x80\0"),
    "surplus properties": OPEN + DELIVER + header(60, 0, 0, b"\0\0x"),
    "headers that run on": OPEN + DELIVER + header(60, 0, 0, b"\x20\0\0\0\0\x09\1at\1"),
    "tables too deep": OPEN + DELIVER + header(60, 0, 0, DEEP),
    "a delivery tag left out": OPEN + DELIVERY + DELIVERY,
    "a confirm of nothing": OPEN + method_frame(1, m.BasicAck(0)),
}


@pytest.mark.parametrize("data", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_what_is_not_legal_is_a_fault(data: bytes) -> None:
    with pytest.raises(Fault):
        read(data)


def test_a_channel_may_be_closed_and_opened_again() -> None:
    for closing in (
        method_frame(1, m.ChannelCloseOk()),
        method_frame(1, m.ChannelClose(404, "NOT_FOUND", 0, 0)),
        method_frame(1, m.ChannelClose(404, "NOT_FOUND", 0, 0))
        + method_frame(1, m.ChannelCloseOk()),
    ):
        again = method_frame(1, m.ChannelOpenOk()) + DELIVERY

        assert read(OPEN + DELIVERY + closing + again)[-1].body == b"hello"


def test_a_server_may_offer_another_protocol_and_leave() -> None:
    assert read(b"AMQP\0\0\x09\1", 1) == []
    with pytest.raises(Fault):
        read(b"AMQP\0\0\x09\1" + HEARTBEAT)


def test_properties_are_given_as_they_came() -> None:
    raw = Properties(b"\x80\0\x0atext/plain").raw

    assert read(OPEN + DELIVER + encode_content(1, raw, b"", FRAME_MAX))[-1].properties == raw
