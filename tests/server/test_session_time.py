"""How long a client may take, to the second: S-012, S-017, S-024 to S-026, S-066, S-067."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from server_stage import CAPABILITIES, PLAIN_GUEST, Client, a_stage, client_properties
from trio.testing import MockClock

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.wire.writer import method_frame

HANDSHAKE_S = 10
SILENT_CLOSE_S = 3
NO_VHOST = m.ConnectionOpen("nowhere")
#: A second channel.open: 504, which closes the connection.
MISTAKE = m.ChannelOpen()


async def wait(seconds: float) -> None:
    """Let the clock go on."""
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


# The handshake


async def say_nothing(client: Client) -> None:
    pass


async def say_half_a_header(client: Client) -> None:
    await client.send_bytes(PROTOCOL_HEADER[:5])


async def say_a_header(client: Client) -> None:
    await client.send_bytes(PROTOCOL_HEADER)
    await client.expect(m.ConnectionStart)


async def log_in(client: Client) -> None:
    await client.log_in()
    await client.expect(m.ConnectionTune)


async def log_in_and_tune(client: Client) -> None:
    await log_in(client)
    await client.send(m.ConnectionTuneOk(100, 131_072, 1))


async def say_half_an_open(client: Client) -> None:
    await log_in_and_tune(client)
    await client.send_bytes(method_frame(0, m.ConnectionOpen("/"))[:9])


@pytest.mark.parametrize(
    "speak",
    [say_nothing, say_half_a_header, say_a_header, log_in, log_in_and_tune, say_half_an_open],
)
async def test_a_handshake_has_ten_seconds(
    autojump_clock: MockClock, speak: Callable[[Client], Awaitable[None]]
) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await speak(client)
        assert await client.expect_end() == HANDSHAKE_S


async def test_the_ten_seconds_are_for_all_of_it(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await wait(4)
        await say_a_header(client)
        await wait(5)
        await client.send(
            m.ConnectionStartOk(client_properties(CAPABILITIES), "PLAIN", PLAIN_GUEST, "en_US")
        )
        await client.expect(m.ConnectionTune)
        assert await client.expect_end() == HANDSHAKE_S


async def test_an_open_connection_may_take_its_time(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await wait(100_000)
        await client.round_trip()

        assert trio.current_time() == 100_000


# Mistakes before the connection is open


@pytest.mark.parametrize(
    "start_ok",
    [
        m.ConnectionStartOk(EMPTY_TABLE, "EXTERNAL", b"", "en_US"),
        m.ConnectionStartOk(EMPTY_TABLE, "PLAIN", b"guest guest", "en_US"),
        m.ConnectionStartOk(EMPTY_TABLE, "PLAIN", b"\0guest\0wrong", "en_US"),
        m.ConnectionTuneOk(100, 131_072, 0),
        m.ConnectionClose(200, "bye", 0, 0),
    ],
    ids=["mechanism", "response", "password", "order", "close"],
)
async def test_a_mistake_in_the_handshake_is_not_answered_for_three_seconds(
    autojump_clock: MockClock, start_ok: m.ConnectionStartOk
) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await say_a_header(client)
        await client.send(start_ok)
        await client.send(m.ConnectionTuneOk(100, 131_072, 0))
        assert await client.expect_end() == SILENT_CLOSE_S


async def test_a_client_that_asks_is_told_of_its_refusal(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await say_a_header(client)
        properties = client_properties(["authentication_failure_close"])
        await client.send(m.ConnectionStartOk(properties, "PLAIN", b"\0guest\0wrong", "en_US"))
        close = await client.expect(m.ConnectionClose)
        assert close.reply_code == 403
        assert await client.expect_end() == SILENT_CLOSE_S


async def test_a_refused_client_may_go_at_once(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await say_a_header(client)
        properties = client_properties(["authentication_failure_close"])
        await client.send(m.ConnectionStartOk(properties, "PLAIN", b"\0guest\0wrong", "en_US"))
        await client.expect(m.ConnectionClose)
        await client.send(m.ConnectionCloseOk())
        assert await client.expect_end() == 0


async def test_a_wrong_header_is_answered_and_closed_at_once(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await client.send_bytes(b"GET / HT")
        data = await client._stream.receive_some()
        assert data == b"AMQP\x03\x01\x00\x00"
        assert await client.expect_end() == 0


# connection.close


@pytest.mark.parametrize(("heartbeat", "limit_s"), [(0, 30), (5, 5), (30, 30), (600, 30)], ids=str)
async def test_our_close_waits_for_its_answer_so_long(
    autojump_clock: MockClock, heartbeat: int, limit_s: int
) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=heartbeat)
        await client.send(MISTAKE, channel=1)
        close = await client.expect(m.ConnectionClose)
        assert close.reply_code == 504
        assert await client.expect_end() == limit_s


async def test_an_answered_close_ends_at_once(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.send(MISTAKE, channel=1)
        await client.expect(m.ConnectionClose)
        await client.send(m.ConnectionCloseOk())
        assert await client.expect_end() == 0


async def test_a_refused_vhost_waits_like_any_error(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = stage.connect()
        await log_in_and_tune(client)
        await client.send(NO_VHOST)
        close = await client.expect(m.ConnectionClose)
        assert (close.reply_code, close.reply_text) == (
            530,
            "NOT_ALLOWED - vhost nowhere not found",
        )
        assert await client.expect_end() == 1  # its heartbeat interval


async def test_bytes_that_are_no_frame_end_after_three_seconds(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=60)
        await client.send_bytes(b"\x01\0\1\0\0\0\0X")
        assert (await client.expect(m.ConnectionClose)).reply_code == 501
        await client.send(m.ConnectionCloseOk())  # nothing is read any more
        assert await client.expect_end() == SILENT_CLOSE_S


@pytest.mark.parametrize(
    "nonsense",
    [b"\x01\0\1\0\0\0\0X", b"\xff" * 100, b"\x01\0\0\xff\xff\xff\xff"],
    ids=["frame end", "type", "size"],
)
async def test_nonsense_behind_a_mistake_keeps_nobody_busy(
    autojump_clock: MockClock, nonsense: bytes
) -> None:
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await client.send_bytes(method_frame(1, MISTAKE) + nonsense)
        await client.expect(m.ConnectionClose)
        await other.round_trip()
        assert await client.expect_end() == 30


async def test_what_comes_behind_our_close_is_ignored(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.send(MISTAKE, channel=1)
        await client.expect(m.ConnectionClose)
        await client.send(m.QueueDeclare(0, "late"), m.BasicQos(), channel=1)
        await client.publish("late", b"x")
        await client.send(m.ConnectionClose(200, "bye", 0, 0))
        await client.expect(m.ConnectionCloseOk)
        await client.send(m.ConnectionCloseOk())
        assert await client.expect_end() == 0
        assert "late" not in stage.server.broker.vhosts["/"].queues


async def test_the_clients_close_is_answered_and_ends_at_once(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.declare("mine", exclusive=True)
        await client.send(m.ConnectionClose(200, "bye", 0, 0))
        await client.expect(m.ConnectionCloseOk)
        assert await client.expect_end() == 0
        assert stage.server.broker.vhosts["/"].queues == {}
        assert stage.server.broker.connections == {}


async def test_a_client_that_goes_without_a_word_is_cleaned_up(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await client.declare("mine", exclusive=True)
        client.drop()
        await other.round_trip()
        await other.round_trip()
        assert stage.server.broker.vhosts["/"].queues == {}
        assert len(stage.server.broker.connections) == 1


async def test_a_client_that_ends_its_half_only_is_gone_too(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.finish_sending()
        assert await client.expect_end() == 0


async def test_update_secret_is_answered(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.send(m.ConnectionUpdateSecret(b"new", "rotated"))
        await client.expect(m.ConnectionUpdateSecretOk)
        await client.round_trip()

        assert len(stage.server.broker.connections) == 1


# Heartbeats


async def test_heartbeats_come_every_half_interval(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=10)
        times = [await client.expect_heartbeat() for _ in range(5)]

        assert times == [5, 10, 15, 20, 25]


async def test_no_heartbeat_comes_where_something_else_did(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=10)
        assert await client.expect_heartbeat() == 5
        await wait(2)
        await client.round_trip()
        times = [await client.expect_heartbeat() for _ in range(2)]

        assert times == [15, 20]


async def test_a_silent_client_is_let_go_without_a_word(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=10)
        times = [await client.expect_heartbeat() for _ in range(5)]
        end = await client.expect_end()

        assert (times, end) == ([5, 10, 15, 20, 25], 30)
        assert stage.server.broker.connections == {}


@pytest.mark.parametrize("what", ["heartbeats", "methods", "half a frame at a time"])
async def test_any_bytes_show_that_a_client_lives(autojump_clock: MockClock, what: str) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=10)
        frame = method_frame(1, m.BasicQos())
        for number in range(10):
            await wait(19)
            if what == "heartbeats":
                await client.send_heartbeat()
            elif what == "methods":
                await client.send_bytes(frame)
            else:
                await client.send_bytes(frame[:9] if number % 2 == 0 else frame[9:])
        await wait(9)

        assert len(stage.server.broker.connections) == 1


async def test_no_heartbeats_where_none_were_agreed(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=0)
        await wait(1_000)
        await client.round_trip()

        assert len(stage.server.broker.connections) == 1


async def test_each_client_has_its_own_interval(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        clients = [await stage.open_client(heartbeat=interval) for interval in (2, 4, 600)]
        assert [await client.expect_heartbeat() for client in clients] == [1, 2, 300]


async def test_the_longest_interval_works(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=65_535)
        assert await client.expect_heartbeat() == 32_767.5
