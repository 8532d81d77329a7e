"""The path of a message is the one that docs/architecture.md prints, hop by hop."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from struct import pack
from types import FrameType
from typing import Any

import trio

from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.message import encode_content
from amqpbroker.spec.method import Method
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.wire.writer import method_frame

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "amqpbroker"
CHANNEL_MAX = 2047
FRAME_MAX = 131_072
NO_PROPERTIES = b"\0\0"
ANSWER_SECONDS_MAX = 10


def printed_hops(heading: str) -> list[str]:
    """The first column of the table below *heading*, as ``server/session.py Session.flush``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition(f"\n{heading}\n\n")[2].partition("\n\n")[0]
    row = re.compile(r"^\| `(?P<function>[^`]+)` \| `(?P<file>[^`]+)` ", re.MULTILINE)
    return [f"{found['file']} {found['function']}" for found in row.finditer(table)]


async def calls_during(wait: Callable[[], Awaitable[None]]) -> list[str]:
    """Every call of a function of the package that is made meanwhile, in order."""
    made: list[str] = []

    def notice(frame: FrameType, event: str, _argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            made.append(f"{path.relative_to(PACKAGE)} {frame.f_code.co_qualname}")

    others = sys.getprofile()
    sys.setprofile(notice)
    try:
        await wait()
    finally:
        sys.setprofile(others)
    return made


def frames(channel_number: int, *methods: Method) -> bytes:
    return b"".join(method_frame(channel_number, method) for method in methods)


def opening() -> bytes:
    """All that a client says until it consumes from a queue, without waiting for the answers."""
    return (
        PROTOCOL_HEADER
        + frames(
            0,
            m.ConnectionStartOk(EMPTY_TABLE, "PLAIN", b"\0guest\0guest", "en_US"),
            m.ConnectionTuneOk(channel_max=CHANNEL_MAX, frame_max=FRAME_MAX, heartbeat=0),
            m.ConnectionOpen("/"),
        )
        + frames(
            1,
            m.ChannelOpen(),
            m.QueueDeclare(queue="jobs"),
            m.QueueBind(queue="jobs", exchange="amq.direct", routing_key="job"),
            m.BasicConsume(queue="jobs", consumer_tag="worker"),
        )
    )


async def ask(stream: trio.SocketStream, question: bytes, answer: bytes) -> None:
    """Send *question* and read until *answer* has come."""
    with trio.fail_after(ANSWER_SECONDS_MAX):
        await stream.send_all(question)
        seen = b""
        while answer not in seen:
            data = await stream.receive_some()
            assert data, f"the broker closed the connection after {seen!r}"
            seen += data


def index(method: type[Method]) -> bytes:
    return pack(">HH", method.class_id, method.method_id)


async def test_a_message_takes_the_printed_path() -> None:
    publish = frames(1, m.BasicPublish(exchange="amq.direct", routing_key="job"))
    publish += encode_content(1, NO_PROPERTIES, b"work", FRAME_MAX)
    ack = frames(1, m.BasicAck(delivery_tag=1), m.BasicQos())
    stop = trio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(Settings(), [listener])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, stop)
        async with await trio.open_tcp_stream(*listener.getsockname()) as stream:
            await ask(stream, opening(), index(m.BasicConsumeOk))
            publishing = await calls_during(lambda: ask(stream, publish, b"work"))
            settling = await calls_during(lambda: ask(stream, ack, index(m.BasicQosOk)))
        stop.set()

    for heading, calls in (("### Published, and delivered", publishing), ("### Acked", settling)):
        expected = printed_hops(heading)
        assert expected, f"no table below {heading}"
        # A pass that the one before left unfinished (S3) may come first.
        began = calls.index(expected[0])
        first_calls = dict.fromkeys(calls[began:])
        assert expected == [call for call in first_calls if call in expected]
