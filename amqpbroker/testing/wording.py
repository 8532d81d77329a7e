r"""How what was said is written down: events as lines of text that read like prose.

    C 1 queue.declare queue='nope' passive
    S 1 channel.close 404 "NOT_FOUND - no queue 'nope' in vhost '/'" class=50 method=10

C is the client, S the server, the number is the channel; a second connection is C/2 and S/2.
Fields that have their usual value, and bits that are not set, are not written.  Content stands on
a line of its own behind its method.  Tables keep the kinds of their fields: ``{n=I:5 s='text'}``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import cast

from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicReturn,
    ChannelClose,
    ConnectionClose,
    ConnectionStart,
    ConnectionStartOk,
)
from amqpbroker.spec.properties import NAMES, Properties
from amqpbroker.spec.table import Decimal, Field, FieldValue, Table
from amqpbroker.testing.raw_events import (
    BytesSent,
    Closed,
    ConfirmsReceived,
    ContentReceived,
    ContentSent,
    Event,
    Frame,
    FrameSent,
    HeartbeatReceived,
    MethodReceived,
    MethodSent,
    ProtocolHeaderReceived,
    Sent,
)

_TEXT_CHARACTERS_MAX = 300
_BODY_BYTES_MAX = 80
_FRAME_BYTES_MAX = 64
_READABLE = frozenset(range(32, 127)) | frozenset(b"\r\n")
_FRAME_KINDS = {1: "method", 2: "header", 3: "body", 8: "heartbeat"}
_WRAPPED = re.compile(r"\n +")


def sent_lines(sent: Sent) -> list[str]:
    """What the client said: the text behind the C of each line."""
    if isinstance(sent, MethodSent):
        return [f"{sent.channel} {method_text(sent.method)}"]
    if isinstance(sent, ContentSent):
        return [f"{sent.channel}   {content_text(sent.properties, sent.body)}"]
    if isinstance(sent, FrameSent):
        return [f"{sent.channel} {frame_text(sent.frame)}"]
    assert isinstance(sent, BytesSent)
    return [f"- bytes {raw_text(sent.raw)}"]


def event_lines(event: Event) -> list[str]:
    """What the server said: the text behind the S of each line."""
    if isinstance(event, MethodReceived):
        return [f"{event.channel} {method_text(event.method)}"]
    if isinstance(event, ContentReceived):
        content = content_text(event.properties, event.body)
        if len(event.frame_sizes) > 1:
            content += f" in frames of {'+'.join(map(str, event.frame_sizes))}"
        return [f"{event.channel} {method_text(event.method)}", f"{event.channel}   {content}"]
    if isinstance(event, ConfirmsReceived):
        parts = [("confirmed", event.acked), ("refused", event.nacked)]
        return [f"{event.channel} {word} {tags_text(tags)}" for word, tags in parts if tags]
    if isinstance(event, HeartbeatReceived):
        return [f"{event.channel} heartbeat"]
    if isinstance(event, ProtocolHeaderReceived):
        return [f"- protocol header {raw_text(event.raw)}"]
    assert isinstance(event, Closed)
    return ["- closed"]


def method_text(method: Method) -> str:
    """A method with the fields that say something."""
    if isinstance(method, ConnectionClose | ChannelClose):
        cause = f"class={method.failed_class_id} method={method.failed_method_id}"
        return f"{method.name} {method.reply_code} {reply_text(method.reply_text)} {cause}"
    fields: dict[str, object] = dict(method.arguments_by_name())
    start = method.name
    if isinstance(method, BasicReturn):
        start = f"{method.name} {method.reply_code} {reply_text(method.reply_text)}"
        del fields["reply_code"], fields["reply_text"]
    if isinstance(method, ConnectionStart):
        fields["server_properties"] = _without_values(method.server_properties)
        fields["mechanisms"] = " ".join(sorted(method.mechanisms.decode().split()))
    if isinstance(method, ConnectionStartOk) and method.mechanism == "PLAIN":
        fields["response"] = method.response.replace(b"\x00", b"|")
    kinds = dict(method.fields)
    words = [start]
    for name, value in fields.items():
        word = _field_word(name, kinds[name], value, getattr(type(method), name, None))
        if word:
            words.append(word)
    return " ".join(words)


def _field_word(name: str, kind: str, value: object, usual: object) -> str:
    name = name.rstrip("_")
    if kind == "Bit":
        return name if value else ""
    if value == usual:
        return ""
    if isinstance(value, Mapping):
        return f"{name}={table_text(cast('Table', value))}"
    return f"{name}={scalar_text(value)}"


def _without_values(properties: Table) -> Table:
    """The server's properties, of which only the names and the capabilities are compared."""
    return {
        name: field if field.kind == "F" else Field("", f"<{name}>".encode())
        for name, field in sorted(properties.items())
    }


def reply_text(text: str) -> str:
    """A reply text; terms that Erlang wrapped at column 80 are put on one line again."""
    text = _WRAPPED.sub("", text).replace("\r", "\\r").replace("\n", "\\n")
    return f'"{text}"'


def scalar_text(value: object) -> str:
    """A number, or a text in quotes; one character many times is written as a product."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        return str(value)
    if len(value) > 20 and len(set(value)) == 1:
        return f"{value[0]!r} * {len(value)}"
    if len(value) > _TEXT_CHARACTERS_MAX:
        return f"{value[:20]!r}... {len(value)} characters, {_digest(value.encode())}"
    return repr(value)


def table_text(table: Table) -> str:
    return "{" + " ".join(f"{name}={field_text(field)}" for name, field in table.items()) + "}"


def field_text(field: Field) -> str:
    """A field; longstr is written as a text, every other kind by its letter."""
    kind, value = field
    if not kind:
        assert isinstance(value, bytes)
        return value.decode()
    text = _value_text(value)
    return text if kind in "SFA" else f"{kind}:{text}"


def _value_text(value: FieldValue) -> str:
    if value is None:
        return "void"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value.value}e-{value.scale}"
    if isinstance(value, list):
        return "[" + " ".join(map(field_text, value)) + "]"
    if isinstance(value, Mapping):
        return table_text(value)
    return scalar_text(value)


def content_text(properties: Properties, body: bytes) -> str:
    words = ["content", body_text(body)]
    for name, kind in NAMES.items():
        if name not in properties:
            continue
        if kind == "table":
            words.append(f"{name}={table_text(properties.headers)}")
        elif kind == "shortstr":
            words.append(f"{name}={scalar_text(properties.text(name))}")
        else:
            words.append(f"{name}={getattr(properties, name)}")
    return " ".join(words)


def body_text(body: bytes) -> str:
    if len(body) <= _BODY_BYTES_MAX:
        return repr(body)
    return f"{len(body)} bytes, {_digest(body)}"


def frame_text(frame: Frame) -> str:
    """A frame that was sent raw: its type, and its payload in hexadecimal."""
    name = _FRAME_KINDS.get(frame.kind, f"type-{frame.kind}")
    return f"{name} frame {raw_text(frame.payload)}"


def raw_text(raw: bytes) -> str:
    if len(raw) > _FRAME_BYTES_MAX:
        return f"{len(raw)} bytes, {_digest(raw)}"
    if raw.startswith(b"AMQP") and len(raw) == len(PROTOCOL_HEADER):
        return f"AMQP {' '.join(map(str, raw[4:]))}"
    if raw and set(raw) <= _READABLE:
        return repr(raw)
    return raw.hex() or "(empty)"


def tags_text(tags: tuple[int, ...]) -> str:
    """Ascending numbers, runs of them as ``1-5``."""
    runs: list[list[int]] = []
    for tag in tags:
        if runs and tag == runs[-1][-1] + 1:
            runs[-1].append(tag)
        else:
            runs.append([tag])
    return " ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _digest(raw: bytes) -> str:
    return f"sha1 {hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:8]}"
