"""What one client may cost the others: unread output, many requests in one read, many channels."""

from __future__ import annotations

import gc

import trio
from brokers import Client as EngineClient
from brokers import declare, publish
from server_stage import Client, Stage, a_stage, publish_frames
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.server.outbox import CONGESTED_PART
from amqpbroker.server.outbox import DEFAULT_OVERFULL_BYTES as OVERFULL_BYTES
from amqpbroker.server.server import DEATHS_A_ROUND
from amqpbroker.server.session import Session
from amqpbroker.spec import methods as m
from amqpbroker.spec.table import longstr
from amqpbroker.wire.writer import method_frame

MIB = 1024 * 1024


def unread_bytes(stage: Stage) -> int:
    """The most that one client has not taken yet."""
    return max(session._outbox.byte_count for session in stage.server._sessions)


async def send_without_reading(client: Client, data: bytes) -> None:
    """Send as much of *data* as the server takes from a client that does not read."""
    with trio.move_on_after(1):
        await client._stream.send_all(data)
    await wait_all_tasks_blocked()


async def test_few_requests_for_much_are_answered_as_they_are_read(
    autojump_clock: MockClock,
) -> None:
    """One read may ask for gigabytes: get and reject a large message again and again."""
    count = 100
    body = bytes(MIB)
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await other.ask(m.ChannelOpen(), m.ChannelOpenOk, channel=2)
        await other.declare("jobs")
        await other.publish("jobs", body, channel=2)
        requests = b"".join(
            method_frame(1, m.BasicGet(0, "jobs")) + method_frame(1, m.BasicReject(tag, True))
            for tag in range(1, count + 1)
        )
        await send_without_reading(client, requests)
        await other.round_trip()
        assert OVERFULL_BYTES <= unread_bytes(stage) < OVERFULL_BYTES + len(body) + 1000
        for tag in range(1, count + 1):
            got, size = await client.expect_content(m.BasicGetOk)
            assert (got.delivery_tag, len(size)) == (tag, len(body))
            assert unread_bytes(stage) < OVERFULL_BYTES + len(body) + 1000
        await client.round_trip()


async def test_unread_answers_stop_the_reading(autojump_clock: MockClock) -> None:
    name = "x" * 255
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await other.declare(name)
        request = method_frame(1, m.QueueDeclare(0, name, passive=True))
        await send_without_reading(client, request * 100_000)
        await other.round_trip()
        assert OVERFULL_BYTES <= unread_bytes(stage) < OVERFULL_BYTES + 1000


async def test_whoever_reads_again_is_answered_in_order(autojump_clock: MockClock) -> None:
    names = [f"{number:250}" for number in range(100)]
    order = [number * 7 % 100 for number in range(30_000)]
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        for name in names:
            await other.declare(name)
        requests = [method_frame(1, m.QueueDeclare(0, name, passive=True)) for name in names]
        answers = [method_frame(1, m.QueueDeclareOk(name, 0, 0)) for name in names]
        expected = b"".join(answers[number] for number in order)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_bytes, b"".join(requests[number] for number in order))
            await wait_all_tasks_blocked()
            assert unread_bytes(stage) >= OVERFULL_BYTES
            assert await client.read_bytes(len(expected)) == expected
        await client.round_trip()


async def test_a_slow_reader_is_given_no_more_than_its_share(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        reader, publisher = await stage.open_client(), await stage.open_client()
        await reader.declare("jobs")
        await reader.consume("jobs")
        for _ in range(200):
            await publisher.publish("jobs", bytes(100_000))
        await publisher.round_trip()
        assert unread_bytes(stage) < OVERFULL_BYTES // CONGESTED_PART + 256 * 1024 + 200_000
        assert stage.server.broker.vhosts["/"].queues["jobs"].ready_count > 180
        bodies = [await reader.expect_content(m.BasicDeliver) for _ in range(200)]

        assert [method.delivery_tag for method, _ in bodies] == list(range(1, 201))


async def test_a_slow_reader_does_not_slow_its_neighbour(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        slow, fast, publisher = [await stage.open_client() for _ in range(3)]
        await slow.declare("jobs")
        await slow.consume("jobs")
        for _ in range(100):
            await publisher.publish("jobs", bytes(100_000))
        await publisher.round_trip()
        left_count = stage.server.broker.vhosts["/"].queues["jobs"].ready_count
        await fast.consume("jobs")
        for _ in range(left_count):
            await fast.expect_content(m.BasicDeliver)
        await publisher.publish("jobs", b"the last")
        _, body = await fast.expect_content(m.BasicDeliver)

        assert body == b"the last"


async def test_who_takes_its_answers_lives_though_it_is_not_read_from(
    autojump_clock: MockClock,
) -> None:
    """Its heartbeats wait unread behind its requests."""
    async with a_stage() as stage:
        client = await stage.open_client(heartbeat=2)
        await client.declare("jobs")
        await client.publish("jobs", bytes(MIB))
        requests = b"".join(
            method_frame(1, m.BasicGet(0, "jobs")) + method_frame(1, m.BasicReject(tag, True))
            for tag in range(1, 101)
        )
        await client.send_bytes(requests)
        for _ in range(100):  # a megabyte a second
            with trio.move_on_after(1):
                await trio.sleep_forever()
            await client.read_bytes(MIB)

        assert trio.current_time() >= 100


async def test_long_work_is_done_in_turns(autojump_clock: MockClock) -> None:
    """A client that asks for much in one read does not keep another waiting until it is done."""
    async with a_stage() as stage:
        busy, other = await stage.open_client(), await stage.open_client()
        await busy.declare("jobs")
        requests = b"".join(
            method_frame(1, m.QueueBind(0, "jobs", "amq.fanout", f"{number}", no_wait=True))
            for number in range(8_000)
        )
        await busy.send_bytes(requests)
        await other.round_trip()
        done_count = len(stage.server.broker.vhosts["/"].exchanges["amq.fanout"].bindings)
        await busy.round_trip()

        assert done_count < 8_000
        assert len(stage.server.broker.vhosts["/"].exchanges["amq.fanout"].bindings) == 8_000


async def test_several_hundred_channels_of_one_connection(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        numbers = range(2, 500)
        await client.send_bytes(b"".join(method_frame(n, m.ChannelOpen()) for n in numbers))
        for number in numbers:
            await client.expect(m.ChannelOpenOk, number)
        await client.declare("jobs")
        await client.send_bytes(b"".join(publish_frames(n, "jobs", b"%d" % n) for n in numbers))
        await client.round_trip()
        assert (await client.declare("jobs")).message_count == len(numbers)
        for number in numbers:
            await client.send(m.BasicGet(0, "jobs", True), channel=number)
            _, body = await client.expect_content(m.BasicGetOk, number)
            assert body == b"%d" % number
        await client.send_bytes(
            b"".join(method_frame(n, m.ChannelClose(200, "", 0, 0)) for n in numbers)
        )
        for number in numbers:
            await client.expect(m.ChannelCloseOk, number)
        await client.round_trip()


async def test_one_channel_too_many_closes_the_connection(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        numbers = range(2, 2_049)
        await client.send_bytes(b"".join(method_frame(n, m.ChannelOpen()) for n in numbers))
        for number in numbers[:-1]:
            await client.expect(m.ChannelOpenOk, number)
        close = await client.expect(m.ConnectionClose)

        assert close.reply_text == (
            "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated "
            "channel_max (2047)"
        )


async def test_a_session_that_ended_is_no_garbage(autojump_clock: MockClock) -> None:
    """The collector is put off while many messages wait (`server/janitor.py`)."""
    async with a_stage() as stage:
        other = await stage.open_client()
        await other.declare("jobs")
        gc.collect()
        gc.disable()
        try:
            for ending in ("close", "drop", "mistake", "channel error"):
                client = await stage.open_client(heartbeat=600)
                await client.consume("jobs", no_ack=False)
                await client.declare(f"of {ending}", exclusive=True)
                await client.ask(m.ConfirmSelect(), m.ConfirmSelectOk)
                await client.publish("jobs", b"x")
                await client.expect_content(m.BasicDeliver)
                await client.expect(m.BasicAck, 1)
                if ending == "close":
                    await client.send(m.ConnectionClose(200, "", 0, 0))
                elif ending == "mistake":
                    await client.send(m.ChannelOpen(), channel=1)
                    await client.expect(m.ConnectionClose)
                    await client.send(m.ConnectionCloseOk())
                elif ending == "channel error":
                    await client.ask(m.QueueBind(0, "nope", "amq.topic", ""), m.ChannelClose)
                client.drop()
                await other.ask(m.QueuePurge(0, "jobs"), m.QueuePurgeOk)
                await other.round_trip()
            sessions = [thing for thing in gc.get_objects() if isinstance(thing, Session)]
        finally:
            gc.enable()

        assert sessions == list(stage.server._sessions)


async def test_a_client_that_comes_and_goes_leaves_nothing(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        server = stage.server
        await wait_all_tasks_blocked()
        served_before = len(server.reactor._ready)  # what the server has of its own
        for _ in range(200):
            client = await stage.open_client(heartbeat=65_535)
            client.drop()
            await wait_all_tasks_blocked()

        assert (server._sessions, server.to_flush, server.held_back) == ({}, {}, {})
        assert (server.to_work_off, server.broker.connections) == ({}, {})
        assert len(server.reactor._ready) == served_before
        assert len(server.timekeeper._timers) < 1_100


async def test_many_deaths_at_once_are_routed_some_a_round(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        broker = stage.server.broker
        channel = EngineClient(broker).open()
        to_the_dead = {"x-dead-letter-exchange": longstr("")}
        to_the_dead["x-dead-letter-routing-key"] = longstr("dead")
        declare(channel, "jobs", arguments=to_the_dead)
        dead = declare(channel, "dead")
        publish(channel, "jobs", *[b"x"] * (2 * DEATHS_A_ROUND + 1))
        while channel.get("jobs", no_ack=False) is not None:
            pass
        channel.reject(0, multiple=True, requeue=False)
        counts = list[int]()
        while stage.server.finish_round() == 0:
            counts.append(dead.ready_count)

        assert counts == [DEATHS_A_ROUND, 2 * DEATHS_A_ROUND]
        assert dead.ready_count == 2 * DEATHS_A_ROUND + 1
