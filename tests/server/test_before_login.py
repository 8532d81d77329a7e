"""What somebody may cost who is not logged in: time, memory, and nothing else."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
import trio
from server_stage import Client, Stage, a_stage, client_properties
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import FRAME_MIN_BYTES, PROTOCOL_HEADER
from amqpbroker.spec.table import Field, Table, longstr
from amqpbroker.wire.limits import WireLimits
from amqpbroker.wire.writer import method_frame

CONNECTION_BYTES_MAX = 64 * 1024
CROWD = 30
#: A frame that lacks its last byte, as large as one may be.
HALF_FRAME = b"\x01\x00\x00" + FRAME_MIN_BYTES.to_bytes(4) + bytes(FRAME_MIN_BYTES)


def start_ok(properties: Table, response: bytes = b"\0guest\0guest") -> bytes:
    return method_frame(0, m.ConnectionStartOk(properties, "PLAIN", response, "en_US"))


def many_capabilities() -> Table:
    """As many as a frame holds, each true."""
    return client_properties(f"{number:03}" for number in range(550))


def deep(levels: int) -> Table:
    table: Table = {"capabilities": Field("t", True)}
    for _ in range(levels):
        table = {"capabilities": Field("F", table)}
    return table


PIECES: dict[str, bytes] = {
    "says nothing": b"",
    "half a header": PROTOCOL_HEADER[:7],
    "half a frame": PROTOCOL_HEADER + HALF_FRAME,
    "capabilities": PROTOCOL_HEADER + start_ok(many_capabilities()) + HALF_FRAME,
    "a name": PROTOCOL_HEADER + start_ok({"connection_name": longstr("n" * 3900)}) + HALF_FRAME,
    "nested tables": PROTOCOL_HEADER + start_ok(deep(60)) + HALF_FRAME,
    "wrong password": PROTOCOL_HEADER + start_ok({}, b"\0guest\0" + b"x" * 3900) + bytes(300_000),
    "tuned": PROTOCOL_HEADER
    + start_ok(many_capabilities())
    + method_frame(0, m.ConnectionTuneOk(2047, FRAME_MIN_BYTES, 60))
    + HALF_FRAME,
    "a long vhost": PROTOCOL_HEADER
    + start_ok(many_capabilities())
    + method_frame(0, m.ConnectionTuneOk(2047, 131072, 60))
    + method_frame(0, m.ConnectionOpen("v" * 255))
    + bytes(300_000),
    "not amqp": b"GET / HTTP/1.1\r\n" + bytes(300_000),
}


async def settle(clients: list[Client], said: bytes) -> None:
    for client in clients:
        with trio.move_on_after(0):
            await client._stream.send_all(said)
    await wait_all_tasks_blocked()


@pytest.mark.parametrize("said", PIECES.values(), ids=PIECES)
async def test_nobody_costs_much_memory_before_login(
    autojump_clock: MockClock, said: bytes
) -> None:
    async with a_stage() as stage:
        await settle([stage.connect()], said)  # what is made once
        gc.collect()
        tracemalloc.start()
        try:
            clients = [stage.connect() for _ in range(CROWD)]
            before, _ = tracemalloc.get_traced_memory()
            await settle(clients, said)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert (after - before) / CROWD < CONNECTION_BYTES_MAX


async def test_what_is_offered_comes_from_the_settings(autojump_clock: MockClock) -> None:
    wire = WireLimits(frame_max=8192, channel_max=7, heartbeat_seconds=9)
    async with a_stage(Settings(wire=wire)) as stage:
        client = stage.connect()
        await client.log_in()
        tune = await client.expect(m.ConnectionTune)

        assert (tune.frame_max, tune.channel_max, tune.heartbeat) == (8192, 7, 9)


@pytest.mark.parametrize("seconds", [0.5, 10.0, 60.0])
async def test_who_does_not_log_in_in_time_must_go(
    autojump_clock: MockClock, seconds: float
) -> None:
    async with a_stage(Settings(handshake_seconds=seconds)) as stage:
        assert await stage.connect().expect_end() == seconds


async def test_a_larger_frame_may_be_allowed_before_login(autojump_clock: MockClock) -> None:
    async with a_stage(Settings(wire=WireLimits(initial_frame_max=8192))) as stage:
        client = stage.connect()
        await client.send_bytes(PROTOCOL_HEADER)
        await client.expect(m.ConnectionStart)
        await client.send_bytes(start_ok({"x": longstr("y" * 8000)}))
        await client.expect(m.ConnectionTune)


async def test_settings_that_are_read_again_count_for_new_clients(
    autojump_clock: MockClock,
) -> None:
    async with a_stage() as stage:
        early = stage.connect()
        stage.server.reload(Settings(wire=WireLimits(channel_max=5), handshake_seconds=20))
        late = stage.connect()
        await early.log_in()
        await late.log_in()

        assert (await early.expect(m.ConnectionTune)).channel_max == 2047
        assert (await late.expect(m.ConnectionTune)).channel_max == 5
        assert await early.expect_end() == 10
        assert await late.expect_end() == 20


def unread_bytes(stage: Stage) -> int:
    return max(session._outbox.byte_count for session in stage.server._sessions)


async def test_what_a_client_may_leave_unread_comes_from_the_settings(
    autojump_clock: MockClock,
) -> None:
    limit = 128 * 1024
    async with a_stage(Settings(output_bytes_max=limit)) as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await other.declare("jobs")
        await other.publish("jobs", bytes(50_000))
        get_and_return = method_frame(1, m.BasicGet(0, "jobs")) + method_frame(
            1, m.BasicRecover(requeue=True)
        )
        await client.send_bytes(get_and_return * 50)
        await wait_all_tasks_blocked()
        assert limit <= unread_bytes(stage) < limit + 60_000
