"""Any bytes through the decoder: frames, methods, tables, properties, contents.

Whatever they are, the decoder refuses them with its own errors or takes them, and then:

(D1) what is decoded is encoded to what decodes to the same;
(D2) `check_table` and `decode_table` agree;
(D3) the express lane and the plain lane give the same events, however the bytes are cut;
(D4) what a connection would send on is legal, by the fuzzer's own strict parser.

`scripts/fuzz_decoder.py` lets coverage guide the bytes.
"""

from collections.abc import Callable, Iterator
from typing import Final

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.errors import AMQPException
from amqpbroker.spec.method import MalformedMethod, UnknownMethod, decode_method, encode_method
from amqpbroker.spec.properties import MalformedProperties, Properties
from amqpbroker.spec.table import (
    TABLE_FIELDS_MAX,
    MalformedTable,
    check_table,
    decode_table,
    encode_table,
)
from amqpbroker.testing.fuzz.script import Login, Send, case_of
from amqpbroker.testing.fuzz.strict import check_properties
from amqpbroker.wire.connection import Connection, HandshakeAborted, PeerLost
from amqpbroker.wire.events import AcksReceived, Event, MethodReceived, PublishReceived
from amqpbroker.wire.writer import fitted, method_frame

#: An open connection with two channels.
_OPENED: Final = (
    PROTOCOL_HEADER
    + method_frame(0, m.ConnectionStartOk())
    + method_frame(0, m.ConnectionTuneOk(2047, 131_072, 0))
    + method_frame(0, m.ConnectionOpen())
    + method_frame(1, m.ChannelOpen())
    + method_frame(2, m.ChannelOpen())
)
_MESSAGE_BYTES_MAX: Final = 5000


def read_table(data: bytes) -> None:
    """(D1), (D2): a table, its length first."""
    try:
        end = check_table(data, 0, len(data), fields_max=TABLE_FIELDS_MAX)
    except MalformedTable:
        end = None
    try:
        table, decoded_end = decode_table(data, 0, len(data), fields_max=TABLE_FIELDS_MAX)
    except MalformedTable:
        assert end is None, "checked, and not decoded"
        return
    assert decoded_end == end, "checked to another end"
    again = encode_table(table)
    assert decode_table(again, 0, len(again))[0] == table, "another table after encoding"


def read_method(data: bytes) -> None:
    """(D1): the payload of a method frame."""
    try:
        method = decode_method(data)
    except (MalformedMethod, UnknownMethod):
        return
    assert decode_method(encode_method(method)) == method, "another method after encoding"


def read_properties(data: bytes) -> None:
    """(D1), (D4): the properties of a content header."""
    try:
        properties = Properties(data, fields_max=TABLE_FIELDS_MAX)
    except MalformedProperties:
        return
    check_properties(int.from_bytes(data[:2]), bytes(12) + data)
    same = properties.edited()
    assert same.headers == properties.headers
    assert (same.priority, same.delivery_mode) == (properties.priority, properties.delivery_mode)


def _told(events: list[Event | str]) -> list[object]:
    """Events as values, with what the lanes may group in other ways one by one."""
    values: list[object] = []
    for event in events:
        if isinstance(event, PublishReceived):
            for message in event.messages:
                assert fitted(message, 1, 4096)
                values.append((
                    event.channel_number, message.publish.raw_names, message.publish.mandatory,
                    message.publish.immediate, message.properties.raw, message.body,
                ))  # fmt: skip
        elif isinstance(event, AcksReceived):
            values += [(event.channel_number, *ack) for ack in event.acks]
        elif isinstance(event, MethodReceived) and isinstance(event.method, m.BasicAck):
            values.append((event.channel_number, event.method.delivery_tag, event.method.multiple))
        else:
            values.append(str(event) if isinstance(event, str) else repr(event))
    return values


def _events_of(pieces: list[bytes], *, has_express: bool) -> list[object]:
    connection = Connection(message_bytes_max=_MESSAGE_BYTES_MAX, has_express=has_express)
    events: list[Event | str] = []
    try:
        for piece in pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not None:
                events.append(event)
    except (AMQPException, HandshakeAborted, PeerLost) as error:
        events.append(f"{type(error).__name__} {error}")
    assert connection.arriving_bytes <= 2 * _MESSAGE_BYTES_MAX
    return _told(events)


def read_connection(data: bytes) -> None:
    """(D3), with an open connection or from the first byte."""
    cut = data[0] * 3 if data else 0
    whole = (_OPENED if cut % 2 else b"") + data[1:]
    plain = _events_of([whole], has_express=False)
    assert _events_of([whole], has_express=True) == plain, "the lanes differ"
    assert _events_of([whole[:cut], whole[cut:]], has_express=True) == plain, "a cut shows"


_READERS: Final[list[Callable[[bytes], None]]] = [
    read_table, read_method, read_properties, read_connection, read_connection,
]  # fmt: skip


def read(data: bytes) -> None:
    """One input; its first octet says how the others are read.  Raises what is wrong."""
    if data:
        _READERS[data[0] % len(_READERS)](data[1:])


def first_inputs() -> Iterator[bytes]:
    """Inputs to begin with: what the conversations of the first seeds say."""
    for seed in range(150):
        sends = [step.raw for step in case_of(seed, Login()).steps if isinstance(step, Send)]
        for raw in sends[:12]:
            if len(raw) <= 4096:
                yield b"\3\1" + raw
                yield b"\1" + raw[7:-1]
