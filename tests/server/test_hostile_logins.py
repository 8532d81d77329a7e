"""Who may come in, and what the log tells of whoever tries.

Each test names the advisory or the thread in which such a thing was found, in some broker or other.
"""

from __future__ import annotations

import logging
import unicodedata

import pytest
import trio
from server_stage import Stage, a_stage
from trio.testing import MockClock

from amqpbroker.server.handshake import is_loopback
from amqpbroker.server.run import LineFormatter
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.message import encode_content
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.fuzz.values import NAMES, counted, entry, is_text
from amqpbroker.wire.writer import method_frame

SECRET = "correct horse battery staple"
#: Names that are text, as whoever forges log lines would choose them.
FORGED = "a\r\n2026-01-01 00:00:00,000 ERROR the broker was taken over\x1b[2J\u2028\x85"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("127.8.8.8", True),
        ("::ffff:10.0.0.1", False), ("10.0.0.1", False), ("0.0.0.0", False), ("::", False),
        ("fe80::1%lo", False), ("2130706433", None),
    ],
)  # fmt: skip
def test_where_somebody_comes_from_is_the_address_of_the_peer(
    address: str, expected: bool | None
) -> None:
    """CVE-2026-57216, GHSA-36m6: the listener's address was asked; lavinmq #1871: mapped ones."""
    if expected is None:
        with pytest.raises(ValueError, match="does not appear to be"):
            is_loopback(address)
    else:
        assert is_loopback(address) is expected


async def log_of(caplog: pytest.LogCaptureFixture, stage: Stage, *data: bytes) -> str:
    """Let clients say these things, one each; all that is logged of it, tracebacks included."""
    formatter = LineFormatter("%(asctime)s %(levelname)s %(message)s")
    with caplog.at_level(logging.DEBUG, "amqpbroker"):
        for raw in data:
            client = stage.connect()
            await client.send_bytes(raw)
            with trio.move_on_after(60):
                while await client.receive() is not None:
                    pass
            client.drop()
    return "\n".join(formatter.format(record) for record in caplog.records)


def login(user: str, password: str, mechanism: str = "PLAIN") -> bytes:
    response = f"\0{user}\0{password}".encode("utf-8", "surrogateescape")
    if mechanism == "AMQPLAIN":
        response = entry(b"LOGIN", b"S" + counted(user.encode())) + entry(
            b"PASSWORD", b"S" + counted(password.encode())
        )
    return PROTOCOL_HEADER + method_frame(0, m.ConnectionStartOk({}, mechanism, response))


def opened(vhost: str = "/", user: str = "guest", password: str = "guest") -> bytes:
    return (
        login(user, password)
        + method_frame(0, m.ConnectionTuneOk(2047, 131_072, 0))
        + method_frame(0, m.ConnectionOpen(vhost))
        + method_frame(1, m.ChannelOpen())
    )


async def test_the_log_shows_no_password_and_no_body(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2025-50200: what clients log in with stood in the log; CVE-2026-67406: in dumps."""
    body = encode_content(1, properties_of(headers={}).raw, SECRET.encode(), 4096)
    publish = method_frame(1, m.BasicPublish(0, "", "nowhere", mandatory=True))
    update = method_frame(0, m.ConnectionUpdateSecret(SECRET.encode(), "because"))
    async with a_stage() as stage:
        log = await log_of(
            caplog,
            stage,
            login("guest", SECRET),
            login("guest", SECRET, "AMQPLAIN"),
            login("nobody", SECRET, "ANONYMOUS?"),
            login(f"guest\0{SECRET}", "guest"),
            login("guest", SECRET)[:-1] + b"\0",
            login("guest", SECRET)[:-3],
            opened() + update,
            opened() + update[:1] + b"\0\1" + update[3:-1] + b"\0",
            opened() + update[:1] + b"\0\1" + update[3:],
            opened() + publish + body,
            opened() + publish + body[:-1] + b"\0",
            opened() + body,
            opened() + b"\3" + body[1:],
        )

    assert "login refused" in log
    assert "FRAME_ERROR" in log
    for shown in (
        SECRET,
        SECRET[:10],
        ",".join(map(str, SECRET[:4].encode())),
        SECRET.encode().hex(),
    ):
        assert shown not in log


async def test_no_name_can_forge_a_line_of_the_log(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """CVE-2026-57213, CVE-2026-44839: consumer tags and vhosts taken for something else."""
    clients: list[bytes] = []
    for name in (FORGED, *(name.decode() for name in NAMES if is_text(name))):
        clients += [
            login(name.replace("\0", ""), "x"),
            opened(vhost=name),
            opened() + method_frame(1, m.QueueDeclare(0, name, passive=True)),
            opened() + method_frame(1, m.BasicConsume(0, name, name)),
            opened() + method_frame(1, m.BasicCancel(name)),
            opened() + method_frame(1, m.ExchangeDeclare(0, name, name)),
            opened()
            + method_frame(1, m.BasicPublish(0, name, name))
            + encode_content(1, b"\0\0", b"", 4096),
        ]
    async with a_stage() as stage:
        log = await log_of(caplog, stage, *clients)
    lines = log.split("\n")

    assert len(lines) == len(caplog.records) > 100
    assert r"\x0d\x0a2026-01-01" in log
    assert r"\u202e\u2028" in log
    assert not {unicodedata.category(one) for one in "".join(lines)} & {"Cc", "Zl", "Zp"}
    assert log.splitlines() == lines


async def test_a_handshake_that_drips_is_over_in_time(autojump_clock: MockClock) -> None:
    """Slow clients held connections for ever: each byte started the time anew."""
    data = opened()
    async with a_stage() as stage:
        client = stage.connect()
        began = trio.current_time()
        sent_count = 0
        try:
            for byte in data:
                await client.send_bytes(bytes((byte,)))
                sent_count += 1
                with trio.move_on_after(1):
                    await trio.sleep_forever()
        except trio.BrokenResourceError:
            pass

        assert trio.current_time() - began == pytest.approx(Settings().handshake_seconds, abs=1.5)
        assert sent_count < len(data)
