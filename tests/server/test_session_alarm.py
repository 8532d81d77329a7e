"""The memory alarm: who is blocked, who is told, who goes on (S-068 to S-070)."""

from __future__ import annotations

import attrs
import trio
from server_stage import Client, Stage, a_stage, publish_frames
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.engine.ports import EventWitness
from amqpbroker.server.server import BASE_BYTES
from amqpbroker.server.session_limits import READ_BYTES
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, FRAME_HEARTBEAT

KIB = 1024
#: Room for a hundred messages of 10 KiB, and not for a hundred and ten.
SETTINGS = Settings(memory_limit_bytes=BASE_BYTES + 1050 * KIB)
BODY = b"x" * (10 * KIB)
FULL_COUNT = 110
#: More than there is room for, and less than a socket keeps beyond it.
A_MESSAGE = publish_frames(1, "jobs", b"x" * (2200 * KIB))
HALF_A_MESSAGE = A_MESSAGE[: 1200 * KIB]


async def fill(client: Client, *, count: int = FULL_COUNT) -> None:
    """Publish until memory is short."""
    await client.declare("jobs")
    for _ in range(count):
        await client.publish("jobs", BODY)
    await wait_all_tasks_blocked()


async def drain(client: Client) -> None:
    """Take every message."""
    await client.ask(m.QueuePurge(0, "jobs"), m.QueuePurgeOk)


async def is_read_from(stage: Stage, client: Client, queue_name: str) -> bool:
    """Whether the server reads what *client* sends: it declares a queue."""
    await client.send(m.QueueDeclare(0, queue_name), channel=1)
    await wait_all_tasks_blocked()
    return queue_name in stage.server.broker.vhosts["/"].queues


async def test_a_publisher_is_told_when_memory_is_short(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        client = await stage.open_client()
        await fill(client)
        blocked = await client.expect(m.ConnectionBlocked)

        assert blocked.reason == "low on memory"


async def test_a_blocked_publisher_is_not_read_from(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        client = await stage.open_client()
        await fill(client)

        assert not await is_read_from(stage, client, "later")


async def test_a_publisher_that_does_not_understand_is_blocked_untold(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        client, reader = await stage.open_client(capabilities=()), await stage.open_client()
        await fill(client)
        assert not await is_read_from(stage, client, "later")
        await drain(reader)
        await client.expect(m.QueueDeclareOk, 1)


async def test_who_does_not_publish_is_neither_told_nor_blocked(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, other = await stage.open_client(), await stage.open_client()
        await fill(publisher)
        late = await stage.open_client()
        for client in (other, late):
            await client.round_trip()
            assert await is_read_from(stage, client, "fine")
            await client.expect(m.QueueDeclareOk, 1)


async def test_who_publishes_during_the_alarm_is_blocked_after_it(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, other = await stage.open_client(), await stage.open_client()
        await fill(publisher)
        await other.declare("more")
        await other.publish("more", b"the last one")
        await other.expect(m.ConnectionBlocked)

        assert not await is_read_from(stage, other, "later")
        assert stage.server.broker.vhosts["/"].queues["more"].ready_count == 1


async def test_blocked_publishers_go_on_when_the_messages_are_gone(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, reader = await stage.open_client(), await stage.open_client()
        await fill(publisher)
        await publisher.expect(m.ConnectionBlocked)
        assert not await is_read_from(stage, publisher, "later")
        await drain(reader)
        await publisher.expect(m.ConnectionUnblocked)
        await publisher.expect(m.QueueDeclareOk, 1)
        await publisher.round_trip()


class Alarms(EventWitness):
    """The alarms that a witness is told of, as long as they last."""

    def __init__(self) -> None:
        self.set_for: list[str] = []

    def alarm_set(self, resource_name: str) -> None:
        self.set_for.append(resource_name)

    def alarm_cleared(self, resource_name: str) -> None:
        self.set_for.remove(resource_name)


async def test_the_alarm_ends_by_acks_alone(autojump_clock: MockClock) -> None:
    """Nothing else happens afterwards: who waits must be told in the round of the last ack."""
    alarms = Alarms()
    async with a_stage(SETTINGS) as stage:
        stage.server.broker.watch_events(alarms)
        publisher, reader = await stage.open_client(), await stage.open_client()
        await fill(publisher)
        await publisher.expect(m.ConnectionBlocked)
        assert alarms.set_for == ["memory"]
        message_count = stage.server.broker.vhosts["/"].queues["jobs"].ready_count
        await reader.consume("jobs", no_ack=False)
        for _ in range(message_count):
            await reader.expect_content(m.BasicDeliver)
        await reader.send(m.BasicAck(0, True), channel=1)
        await publisher.expect(m.ConnectionUnblocked)

        assert trio.current_time() == 0
        assert alarms.set_for == []


async def test_the_alarm_ends_with_whom_the_messages_belonged_to(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, owner = await stage.open_client(), await stage.open_client()
        await owner.declare("mine", exclusive=True)
        for _ in range(FULL_COUNT):
            await publisher.publish("mine", BODY)
        await publisher.expect(m.ConnectionBlocked)
        owner.drop()
        await publisher.expect(m.ConnectionUnblocked)

        assert trio.current_time() == 0


async def test_the_alarm_ends_when_a_lost_owner_is_noticed(autojump_clock: MockClock) -> None:
    """By its heartbeats: a timer, not a socket, brings the end."""
    async with a_stage(SETTINGS) as stage:
        publisher, owner = await stage.open_client(), await stage.open_client(heartbeat=10)
        await owner.declare("mine", exclusive=True)
        for _ in range(FULL_COUNT):
            await publisher.publish("mine", BODY)
        await publisher.expect(m.ConnectionBlocked)
        await publisher.expect(m.ConnectionUnblocked)

        assert trio.current_time() == 30


async def test_the_alarm_does_not_flutter(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, reader = await stage.open_client(), await stage.open_client()
        await fill(publisher)
        await publisher.expect(m.ConnectionBlocked)
        held_bytes = stage.server.broker.held_bytes
        await reader.ask(m.BasicQos(), m.BasicQosOk)
        await reader.send(m.BasicGet(0, "jobs", True), channel=1)
        await reader.expect_content(m.BasicGetOk)

        assert stage.server.broker.held_bytes < held_bytes
        assert stage.server.alarm == "low on memory"


async def test_the_silence_of_the_blocked_means_nothing(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, reader = await stage.open_client(heartbeat=10), await stage.open_client()
        await fill(publisher)
        await publisher.expect(m.ConnectionBlocked)
        times = [await publisher.expect_heartbeat() for _ in range(40)]
        assert times == [5.0 * count for count in range(1, 41)]
        await drain(reader)
        await publisher.expect(m.ConnectionUnblocked)
        while (frame := await publisher.receive()) is not None:
            assert frame.type == FRAME_HEARTBEAT

        # Until 200 it was suspended, and it took the news; 220 and 230: silent.
        assert trio.current_time() == 230


async def test_the_blocked_still_receive(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher, other = await stage.open_client(), await stage.open_client()
        await publisher.declare("answers")
        await publisher.consume("answers")
        await fill(publisher)
        await publisher.expect(m.ConnectionBlocked)
        await other.publish("answers", b"hello")
        _, body = await publisher.expect_content(m.BasicDeliver)

        assert body == b"hello"


async def test_a_blocked_client_that_goes_is_noticed(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        publisher = await stage.open_client()
        await fill(publisher)
        publisher.drop()
        await wait_all_tasks_blocked()

        assert stage.server.broker.connections == {}


async def test_replies_that_are_not_read_count_as_memory(autojump_clock: MockClock) -> None:
    """They go past all queues, and nobody asks whether their receiver is congested."""
    async with a_stage(SETTINGS) as stage:
        asker, answerer = await stage.open_client(), await stage.open_client()
        await asker.consume("amq.rabbitmq.reply-to")
        (reply_name,) = stage.server.broker.replies._consumers

        async def answer_for_ever() -> None:
            while True:
                await answerer.publish(reply_name, BODY)

        with trio.move_on_after(60):
            await answer_for_ever()
        await answerer.expect(m.ConnectionBlocked)
        assert (
            stage.server._unsent_bytes < SETTINGS.memory_limit_bytes - BASE_BYTES + READ_BYTES * 2
        )
        asker.drop()
        await answerer.expect(m.ConnectionUnblocked)
        await answerer.round_trip()

        assert stage.server._unsent_bytes == 0


async def test_memory_stays_bounded_however_many_publish(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        clients = [await stage.open_client() for _ in range(20)]
        await clients[0].declare("jobs")
        burst = publish_frames(1, "jobs", BODY) * 50

        async def publish_for_ever(client: Client) -> None:
            while True:
                await client.send_bytes(burst)

        with trio.move_on_after(60):
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(publish_for_ever, client)

        room_bytes = SETTINGS.memory_limit_bytes - BASE_BYTES
        one_round_bytes = len(clients) * READ_BYTES
        # The round that raises the alarm, and each one's next publishes, which block it.
        assert room_bytes < stage.server.broker.held_bytes < room_bytes + 2 * one_round_bytes


async def test_half_messages_count_and_who_has_several_waits(autojump_clock: MockClock) -> None:
    settings = attrs.evolve(SETTINGS, message_bytes_max=450 * KIB)
    body = b"x" * (400 * KIB)
    last_frame_bytes = len(body) % (DEFAULT_FRAME_MAX - 8) + 8
    async with a_stage(settings) as stage:
        client, other = await stage.open_client(), await stage.open_client()
        for number in (2, 3):
            await client.ask(m.ChannelOpen(), m.ChannelOpenOk, number)
        for number in (1, 2, 3):
            await client.send_bytes(publish_frames(number, "jobs", body)[:-last_frame_bytes])
        await wait_all_tasks_blocked()
        assert stage.server.alarm == "low on memory"
        await client.send_heartbeat()
        blocked = await client.expect(m.ConnectionBlocked)

        assert blocked.reason == "low on memory"
        assert await is_read_from(stage, other, "others-go-on")


async def test_one_message_may_be_finished_in_an_alarm(autojump_clock: MockClock) -> None:
    async with a_stage(SETTINGS) as stage:
        client = await stage.open_client()
        await client.declare("jobs")
        await client.send_bytes(HALF_A_MESSAGE)
        await wait_all_tasks_blocked()
        assert stage.server.alarm == "low on memory"
        await client.send_bytes(A_MESSAGE[len(HALF_A_MESSAGE) :])
        await client.expect(m.ConnectionBlocked)

        assert stage.server.broker.vhosts["/"].queues["jobs"].ready_count == 1


async def test_a_message_that_never_ends_is_forgotten_with_its_connection(
    autojump_clock: MockClock,
) -> None:
    async with a_stage(SETTINGS) as stage:
        client = await stage.open_client()
        await client.send_bytes(HALF_A_MESSAGE)
        await wait_all_tasks_blocked()
        client.drop()
        await wait_all_tasks_blocked()

        assert stage.server.alarm is None
