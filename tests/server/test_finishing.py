"""Who may finish a message while memory is short: one client at a time (F1 to F3)."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from server_stage import Client, Stage, a_stage, publish_frames
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.server.finishing import TURN_SECONDS
from amqpbroker.server.server import ALARM_READ_BYTES, BASE_BYTES
from amqpbroker.server.session_limits import READ_BYTES
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import FRAME_METHOD
from amqpbroker.spec.method import decode_method

KIB = 1024
ROOM_BYTES = 1000 * KIB
LARGEST_BYTES = 2000 * KIB
SETTINGS = Settings(memory_limit_bytes=BASE_BYTES + ROOM_BYTES, message_bytes_max=LARGEST_BYTES)
BODY = b"x" * (1900 * KIB)
MESSAGE = publish_frames(1, "jobs", BODY)
HALF_BYTES = 600 * KIB


async def open_all(stage: Stage, count: int) -> list[Client]:
    clients = [await stage.open_client() for _ in range(count)]
    await clients[0].declare("jobs")
    return clients


async def send_in_turns(clients: Sequence[Client], data: bytes) -> None:
    """Send as much of *data* as the server takes, each client a piece at a time."""

    async def send(client: Client) -> None:
        for start in range(0, len(data), 100 * KIB):
            await client.send_bytes(data[start : start + 100 * KIB])
            await trio.lowlevel.checkpoint()

    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(send, client)


async def test_memory_stays_bounded_however_many_begin_a_message(
    autojump_clock: MockClock,
) -> None:
    """Each connection could add a message of the largest size (docs/fuzzing.md)."""
    count = 30
    async with a_stage(SETTINGS) as stage:
        clients = await open_all(stage, count)
        await send_in_turns(clients, MESSAGE[:-100])
        held_bytes = stage.server._unsent_bytes
        other = await stage.open_client()
        await other.round_trip()

    one_round_bytes = READ_BYTES + (count - 1) * ALARM_READ_BYTES
    assert ROOM_BYTES < held_bytes < ROOM_BYTES + 2 * LARGEST_BYTES + one_round_bytes
    assert held_bytes < count * len(BODY) / 5


async def test_everybody_finishes_in_turn_if_the_messages_are_taken(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        *clients, consumer = await open_all(stage, 5)
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.send_bytes, MESSAGE)
            await wait_all_tasks_blocked()
            assert stage.server.alarm is not None
            await consumer.consume("jobs")
            for _ in clients:
                _, body = await consumer.expect_content(m.BasicDeliver)
                assert body == BODY
        await wait_all_tasks_blocked()

        assert stage.server.alarm is None
        assert stage.server._unsent_bytes == 0
        assert trio.current_time() < TURN_SECONDS


async def two_with_halves(stage: Stage) -> tuple[Client, Client]:
    """The first one has its turn, the second waits for it."""
    first, second = await open_all(stage, 2)
    for client in (first, second):
        await client.send_bytes(MESSAGE[:HALF_BYTES])
        await wait_all_tasks_blocked()
    assert stage.server.alarm is not None
    for client in (first, second):
        await client.send_bytes(MESSAGE[HALF_BYTES : HALF_BYTES + 10 * KIB])
        await wait_all_tasks_blocked()
    await second.expect(m.ConnectionBlocked)
    return first, second


async def words_of(client: Client, count: int) -> list[str]:
    """The next methods on channel 0."""
    frames = [await client.receive() for _ in range(count)]
    assert all(frame is not None and frame.type == FRAME_METHOD for frame in frames)
    return [decode_method(bytes(frame.payload)).name for frame in frames if frame is not None]


async def test_whoever_does_not_finish_loses_the_turn(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        _, second = await two_with_halves(stage)
        await second.expect(m.ConnectionUnblocked)
        assert trio.current_time() == TURN_SECONDS
        await second.send_bytes(MESSAGE[HALF_BYTES + 10 * KIB :])
        await second.expect(m.ConnectionBlocked)

        assert stage.server.broker.vhosts["/"].queues["jobs"].ready_count == 1


async def test_the_turn_of_one_who_goes_is_passed_on(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        first, second, other = await open_all(stage, 3)
        await other.publish("jobs", bytes(980 * KIB))  # so that the alarm outlives the first
        await other.round_trip()
        await first.send_bytes(MESSAGE[:HALF_BYTES])
        await wait_all_tasks_blocked()
        await first.send_bytes(MESSAGE[HALF_BYTES : HALF_BYTES + 10 * KIB])
        await wait_all_tasks_blocked()
        await second.send_bytes(MESSAGE[: 200 * KIB])
        await second.expect(m.ConnectionBlocked)
        first.drop()
        await second.expect(m.ConnectionUnblocked)

        assert stage.server.alarm is not None
        assert trio.current_time() == 0


async def test_one_who_has_finished_is_blocked_and_the_next_has_the_turn(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        first, second = await two_with_halves(stage)
        await first.send_bytes(MESSAGE[HALF_BYTES + 10 * KIB :])
        assert await words_of(first, 1) == ["connection.blocked"]
        assert await words_of(second, 1) == ["connection.unblocked"]

        assert trio.current_time() == 0
        assert stage.server.broker.vhosts["/"].queues["jobs"].ready_count == 1
