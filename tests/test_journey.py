"""The path of a message is the one that docs/architecture.md prints, hop by hop."""

from __future__ import annotations

import re
import select
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

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
FRAME_MAX = 131_072
NO_PROPERTIES = b"\0\0"


def printed_hops(heading: str) -> list[str]:
    """The first column of the table below *heading*, as ``server/session.py Session.flush``."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition(f"\n{heading}\n\n")[2].partition("\n\n")[0]
    row = re.compile(r"^\| `(?P<function>[^`]+)` \| `(?P<file>[^`]+)` ", re.MULTILINE)
    return [f"{found['file']} {found['function']}" for found in row.finditer(table)]


def calls_made(call: Callable[[], object]) -> list[str]:
    """Every function of the package that *call* calls, in order, each at its first call."""
    made: dict[str, None] = {}

    def notice(frame: FrameType, event: str, _argument: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            made.setdefault(f"{path.relative_to(PACKAGE)} {frame.f_code.co_qualname}")

    others = sys.getprofile()
    sys.setprofile(notice)
    try:
        call()
    finally:
        sys.setprofile(others)
    return list(made)


def frames(channel_number: int, *methods: Method) -> bytes:
    return b"".join(method_frame(channel_number, method) for method in methods)


def opening() -> bytes:
    """All that a client says until it consumes from a queue, without waiting for the answers."""
    return (
        PROTOCOL_HEADER
        + frames(
            0,
            m.ConnectionStartOk(EMPTY_TABLE, "PLAIN", b"\0guest\0guest", "en_US"),
            m.ConnectionTuneOk(channel_max=2047, frame_max=FRAME_MAX, heartbeat=0),
            m.ConnectionOpen("/"),
        )
        + frames(
            1,
            m.ChannelOpen(),
            m.QueueDeclare(queue="jobs"),
            m.BasicConsume(queue="jobs", consumer_tag="worker"),
        )
    )


async def test_a_message_takes_the_printed_path() -> None:
    server = Server(Settings(), [])
    with socket.create_server(("127.0.0.1", 0)) as door:
        client = socket.create_connection(door.getsockname())
        ours, address = door.accept()
    with client, ours:

        def say(data: bytes) -> None:
            client.sendall(data)
            select.select([ours], [], [])
            server.reactor.serve_round()

        server.welcome(ours, address)
        say(opening())
        publish = frames(1, m.BasicPublish(routing_key="jobs"))
        publishing = calls_made(
            partial(say, publish + encode_content(1, NO_PROPERTIES, b"work", FRAME_MAX))
        )
        settling = calls_made(partial(say, frames(1, m.BasicAck(delivery_tag=1))))

    expected = printed_hops("### Published, and delivered")
    assert expected
    assert expected == [call for call in publishing if call in expected]
    expected = printed_hops("### Acked")
    assert expected
    assert expected == [call for call in settling if call in expected]
