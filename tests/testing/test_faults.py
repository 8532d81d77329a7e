"""Faults: what strikes, whom, how often; and that clients see what they would of a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from contracts import check_outlet
from recording import RecordingOutlet, Told

from amqpbroker.spec import methods as m
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.testing import LocalBroker, StillOutstanding, broker
from amqpbroker.testing.fault_rules import RULES_MAX
from amqpbroker.testing.faulty_session import FaultyOutlet, FaultySession
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection, as_table
from amqpbroker.testing.raw_events import Closed, ContentReceived, MethodReceived, NothingCame

PERSISTENT = properties_of(delivery_mode=2)
SHORT_S = 0.05


OPENED: list[RawConnection] = []


@pytest.fixture(autouse=True)
def _clients_go() -> Iterator[None]:
    """Close the sockets of a test's clients, however it ends."""
    yield
    while OPENED:
        OPENED.pop().drop()


@pytest.fixture
def b() -> Iterator[LocalBroker]:
    with broker() as local:
        yield local


class Named(RawConnection):
    """A client that calls itself something."""

    @classmethod
    def of(cls, b: LocalBroker, name: str) -> Named:
        connection = cls(b.url)
        OPENED.append(connection)
        connection.start()
        capabilities = dict.fromkeys(
            ("consumer_cancel_notify", "connection.blocked", "basic.nack"), True
        )
        connection.start_ok(
            properties=as_table({"connection_name": name, "capabilities": capabilities})
        )
        proposed = connection.expect(m.ConnectionTune)
        connection.tune_ok(proposed.channel_max, proposed.frame_max, 0)
        connection.open_virtual_host()
        return connection


def a_publisher(b: LocalBroker, *, name: str = "web") -> RawChannel:
    """A channel in confirm mode, and the queue jobs."""
    channel = Named.of(b, name).channel()
    channel.call(m.QueueDeclare(queue="jobs", durable=True))
    channel.call(m.ConfirmSelect())
    return channel


def confirms_of(channel: RawChannel, count: int, *, queue: str = "jobs") -> str:
    """What so many publishes are answered, one after the other: a for ack, n for nack, . none."""
    letters = {"basic.ack": "a", "basic.nack": "n"}
    answers = ""
    for number in range(count):
        channel.publish("", queue, b"%d" % number, PERSISTENT)
        channel.send(m.BasicQos())  # its answer comes behind the confirm, if there is one
        told: list[str] = []
        while not told or told[-1] != "basic.qos-ok":
            event = channel.connection.take(channel.number)
            assert isinstance(event, MethodReceived)
            told.append(event.method.name)
        answers += "".join(letters[name] for name in told[:-1]) or "."
    return answers


def bodies_of(channel: RawChannel, count: int) -> list[tuple[bytes, bool]]:
    """The next deliveries: body, and whether it is a redelivery."""
    found: list[tuple[bytes, bool]] = []
    for delivery in channel.deliveries(count):
        assert isinstance(delivery.method, m.BasicDeliver)
        found.append((delivery.body, delivery.method.redelivered))
    return found


# Confirms


def test_the_next_confirms_are_nacked_and_then_no_more(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(nack=2, queue="jobs")

    assert confirms_of(channel, 4) == "nnaa"
    b.faults.assert_all_fired()


def test_the_third_confirm_is_dropped(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(drop=1, skip=2)

    assert confirms_of(channel, 4) == "aa.a"


def test_a_delayed_confirm_comes_when_the_clock_has_gone_on(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(delay=1, by="1h")
    assert confirms_of(channel, 1) == "."

    b.clock.advance("1h")
    assert isinstance(channel.connection.take(1), object)
    assert b.faults.report()[0].fired == 1


def test_confirms_that_are_told_together_are_struck_one_by_one(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(nack=1, skip=1)
    for _ in range(3):
        channel.publish("", "jobs", b"x")
    confirms = channel.expect_confirms()

    assert (confirms.acked, confirms.nacked) == ((1, 3), (2,))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"queue": "jo*"}, "n"), ({"queue": "mail"}, "a"), ({"exchange": ""}, "n"),
        ({"exchange": "x"}, "a"), ({"connection": "web"}, "n"), ({"connection": "w?"}, "a"),
        ({"where": lambda message: message.body == b"0"}, "n"),
        ({"where": lambda message: message.body == b"1"}, "a"),
    ],
)  # fmt: skip
def test_a_fault_is_for_what_fits_its_target(
    b: LocalBroker, target: dict[str, Any], expected: str
) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(nack=1, **target)

    assert confirms_of(channel, 1) == expected


def test_chance_comes_from_the_seed() -> None:
    def run(seed: int) -> str:
        with broker(seed=seed) as b:
            channel = a_publisher(b)
            b.faults.some_confirms(nack=0.5)
            return confirms_of(channel, 20)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert set(run(1)) == {"a", "n"}


def test_a_fault_that_did_not_strike_is_named(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(nack=2, queue="jobs")
    confirms_of(channel, 1)

    with pytest.raises(AssertionError) as raised:
        b.faults.assert_all_fired()
    assert str(raised.value) == (
        "faults that did not strike: nack confirms of queue 'jobs' 1 more times, fired 1 times"
    )
    assert "nack confirms of queue 'jobs'" in repr(b.faults)


def test_cleared_faults_do_nothing(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(nack=1)
    b.faults.clear()

    assert confirms_of(channel, 1) == "a"
    assert b.faults.report() == []


# Deliveries and acks


def a_worker(b: LocalBroker, *, prefetch_count: int = 0) -> RawChannel:
    channel = Named.of(b, "worker").channel()
    channel.call(m.QueueDeclare(queue="jobs", durable=True))
    channel.call(m.BasicQos(0, prefetch_count))
    channel.consume("jobs", "w")
    return channel


def publish(b: LocalBroker, *bodies: bytes, properties: Properties = PERSISTENT) -> None:
    with RawConnection.open(b.url) as connection:
        channel = connection.channel()
        for body in bodies:
            channel.publish("", "jobs", body, properties)
        channel.round_trip()


def test_a_duplicate_comes_behind_what_waits(b: LocalBroker) -> None:
    b.vhost().queue("jobs").declare(durable=True)
    b.faults.next_deliveries(duplicate=1, queue="jobs")
    publish(b, b"1", b"2")
    worker = a_worker(b)

    assert bodies_of(worker, 3) == [(b"1", False), (b"2", False), (b"1", False)]


def test_a_delivery_that_is_dropped_stays_unacked(b: LocalBroker) -> None:
    worker = a_worker(b)
    b.faults.next_deliveries(drop=1)
    publish(b, b"1", b"2")
    assert bodies_of(worker, 1) == [(b"2", False)]
    assert b.vhost().queue("jobs").unacked_count == 2

    worker.call(m.BasicRecover(True))
    assert sorted(bodies_of(worker, 2)) == [(b"1", True), (b"2", True)]


def test_a_delayed_delivery_comes_later(b: LocalBroker) -> None:
    worker = a_worker(b)
    b.faults.next_deliveries(delay=1, by="10s")
    publish(b, b"1", b"2")
    assert bodies_of(worker, 1) == [(b"2", False)]

    b.clock.advance("10s")
    assert bodies_of(worker, 1) == [(b"1", False)]


def test_deliveries_are_mixed_within_a_window_and_none_is_lost(b: LocalBroker) -> None:
    b.vhost().queue("jobs").declare(durable=True)
    b.faults.reorder_deliveries(4, queue="jobs")
    bodies = [b"%d" % number for number in range(10)]
    publish(b, *bodies)
    worker = a_worker(b)
    got = [body for body, _ in bodies_of(worker, 10)]

    assert sorted(got) == bodies
    assert got != bodies
    assert {*got[:4]} == {*bodies[:4]}


def test_a_lost_ack_leads_to_a_redelivery(b: LocalBroker) -> None:
    worker = a_worker(b)
    b.faults.next_acks(redeliver=1)
    publish(b, b"1")
    assert bodies_of(worker, 1) == [(b"1", False)]
    worker.send(m.BasicAck(1))

    assert bodies_of(worker, 1) == [(b"1", True)]
    worker.send(m.BasicAck(2))
    b.settle(acked=True)
    assert b.vhost().queue("jobs").ready_count == 0


def test_an_ack_of_several_is_lost_for_the_one_that_is_meant(b: LocalBroker) -> None:
    worker = a_worker(b)
    b.faults.next_acks(redeliver=1, where=lambda message: message.body == b"2")
    publish(b, b"1", b"2", b"3")
    bodies_of(worker, 3)
    worker.send(m.BasicAck(3, True))

    assert bodies_of(worker, 1) == [(b"2", True)]


def test_an_ack_of_nothing_is_refused_as_ever(b: LocalBroker) -> None:
    worker = a_worker(b)
    b.faults.some_acks(redeliver=0.5)
    worker.send(m.BasicAck(7))

    assert worker.expect_close().reply_text == "PRECONDITION_FAILED - unknown delivery tag 7"


def test_consumers_are_cancelled_and_their_client_is_told(b: LocalBroker) -> None:
    worker = a_worker(b)

    assert b.faults.cancel_consumers(queue="jobs") == 1
    assert worker.expect(m.BasicCancel).consumer_tag == "w"
    assert b.vhost().queue("jobs").consumer_count == 0
    with pytest.raises(LookupError, match="no queue 'nope'"):
        b.faults.cancel_consumers(queue="nope")


# Connections


def test_a_connection_is_dropped_by_its_name(b: LocalBroker) -> None:
    worker, other = Named.of(b, "worker-1"), Named.of(b, "web")

    assert b.faults.connection(name="worker-*").drop() == 1
    assert isinstance(worker.receive(), Closed)
    other.channel().round_trip()


def test_a_name_that_nobody_has_is_a_mistake(b: LocalBroker) -> None:
    Named.of(b, "web")

    with pytest.raises(LookupError, match="no connection is called 'worker'; there are 'web'"):
        b.faults.connection(name="worker").drop()


def test_connections_and_channels_are_closed_with_a_code_and_a_text(b: LocalBroker) -> None:
    connection = Named.of(b, "web")
    one, two = connection.channel(), connection.channel()
    b.faults.connection(name="web").close_channels(406, "because", number=1)
    close = one.expect_close()
    assert (close.reply_code, close.reply_text) == (406, "PRECONDITION_FAILED - because")
    two.round_trip()

    b.faults.connection(name="web").close(541, "worse")
    close = connection.expect_close()
    assert (close.reply_code, close.reply_text) == (541, "INTERNAL_ERROR - worse")
    with pytest.raises(ValueError, match="1 is not a valid ReplyCode"):
        b.faults.connection().close(1)


def test_a_silent_broker_reads_and_answers_nothing_until_it_heals(b: LocalBroker) -> None:
    connection = Named.of(b, "web")
    channel = connection.channel()
    with b.faults.connection(name="web").silent():
        channel.publish("", "jobs", b"x")
        channel.send(m.QueueDeclare(queue="jobs"))
        with pytest.raises(NothingCame):
            channel.receive(time_limit_s=SHORT_S)
        b.settle()  # it does not keep others
        assert not b.vhost().queue("jobs").exists

    assert channel.expect(m.QueueDeclareOk).queue == "jobs"


def test_what_is_said_to_a_slow_client_comes_later(b: LocalBroker) -> None:
    channel = Named.of(b, "web").channel()
    b.faults.connection(name="web").slow(latency="400ms")
    channel.send(m.QueueDeclare(queue="jobs"))
    with pytest.raises(NothingCame):
        channel.receive(time_limit_s=SHORT_S)

    assert channel.expect(m.QueueDeclareOk).queue == "jobs"


def test_a_slow_client_is_read_slowly(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.connection(name="web").slow(bytes_per_second=1_000)
    channel.publish("", "jobs", b"x" * 10_000)
    assert channel.expect_confirms().acked == (1,)
    channel.publish("", "jobs", b"y")  # which is not read for ten seconds
    with pytest.raises(NothingCame):
        channel.receive(time_limit_s=SHORT_S)

    b.faults.connection(name="web").heal()
    assert channel.expect_confirms().acked == (2,)


def test_publishers_are_blocked_for_a_while(b: LocalBroker) -> None:
    channel = a_publisher(b)
    connection = channel.connection
    with b.faults.blocked("because"):
        assert connection.expect(m.ConnectionBlocked).reason == "because"
        channel.publish("", "jobs", b"x")
        with pytest.raises(NothingCame):
            channel.receive(time_limit_s=SHORT_S)

    connection.expect(m.ConnectionUnblocked)
    assert channel.expect_confirms().acked == (1,)


def test_who_comes_while_publishers_are_blocked_is_blocked_too(b: LocalBroker) -> None:
    with b.faults.blocked("because"):
        connection = Named.of(b, "web")
        assert connection.expect(m.ConnectionBlocked).reason == "because"

    connection.expect(m.ConnectionUnblocked)
    connection.channel().round_trip()


def test_there_are_not_more_faults_than_the_limit_allows(b: LocalBroker) -> None:
    for _ in range(RULES_MAX):
        b.faults.next_acks(redeliver=1)

    with pytest.raises(ValueError, match="clear"):
        b.faults.next_acks(redeliver=1)


def test_without_faults_the_outlet_is_an_outlet_like_others(b: LocalBroker) -> None:
    def make() -> tuple[FaultyOutlet, Callable[[], list[Told]]]:
        inner = RecordingOutlet()
        session = b.call(lambda: next(iter(b.server.sessions)))
        assert isinstance(session, FaultySession)
        return FaultyOutlet(b.faults, session, inner), lambda: inner.told

    Named.of(b, "web")
    check_outlet(make)


def test_who_comes_in_is_refused(b: LocalBroker) -> None:
    b.faults.refuse_connections(1)
    refused = RawConnection(b.url)
    OPENED.append(refused)
    refused.send_protocol_header()
    assert isinstance(refused.receive(), Closed)

    with RawConnection.open(b.url) as accepted:
        assert accepted.is_open


def test_who_calls_itself_so_is_refused(b: LocalBroker) -> None:
    b.faults.refuse_connections(name="worker")
    Named.of(b, "web")

    with pytest.raises(AssertionError, match=r"connection\.open-ok"):
        Named.of(b, "worker")


# The broker


def test_after_a_restart_what_is_durable_is_there(b: LocalBroker) -> None:
    channel = a_publisher(b)
    channel.call(m.QueueDeclare(queue="gone"))
    channel.call(m.ExchangeDeclare(exchange="durable", type="topic", durable=True))
    channel.call(m.ExchangeDeclare(exchange="gone", type="topic"))
    channel.call(m.QueueBind(queue="jobs", exchange="durable", routing_key="a"))
    channel.publish("", "jobs", b"transient")
    channel.publish("", "jobs", b"persistent", PERSISTENT)
    channel.expect_confirms()
    b.faults.restart()

    close = channel.connection.expect_close()
    assert (close.reply_code, list(b.vhost().queues)) == (320, ["jobs"])
    assert {"durable", "amq.direct"} <= set(b.vhost().exchanges)
    assert "gone" not in b.vhost().exchanges
    with RawConnection.open(b.url) as again:
        channel = again.channel()
        channel.publish("durable", "a", b"still bound")
        assert channel.get_all("jobs") == [b"persistent", b"still bound"]


def test_a_restart_marks_what_was_unacked_as_redelivered(b: LocalBroker) -> None:
    worker = a_worker(b, prefetch_count=1)
    publish(b, b"1", b"2")
    bodies_of(worker, 1)
    b.faults.restart()

    assert bodies_of(a_worker(b), 2) == [(b"1", True), (b"2", False)]


def test_a_power_cut_loses_nothing_that_was_confirmed(b: LocalBroker) -> None:
    channel = a_publisher(b)
    assert confirms_of(channel, 20) == "a" * 20
    b.faults.power_cut()

    assert isinstance(channel.connection.receive(), Closed)
    assert b.vhost().queue("jobs").ready_count == 20


@pytest.mark.parametrize("chance", [1, 2])
def test_a_power_cut_may_lose_what_was_not_confirmed(chance: int) -> None:
    def left(number: int) -> list[bytes]:
        with broker(seed=number) as b:
            channel = Named.of(b, "web").channel()
            channel.call(m.QueueDeclare(queue="jobs", durable=True))
            for index in range(40):
                channel.publish("", "jobs", b"%d" % index, PERSISTENT)
            channel.round_trip()
            b.faults.power_cut()
            with RawConnection.open(b.url) as again:
                return again.channel().get_all("jobs")

    assert 0 < len(left(chance)) < 40
    assert left(chance) == left(chance)
    assert left(chance) != left(chance + 2)


def test_a_confirm_that_was_dropped_makes_no_message_safe(b: LocalBroker) -> None:
    channel = a_publisher(b)
    b.faults.next_confirms(drop=30)
    for number in range(30):
        channel.publish("", "jobs", b"%d" % number, PERSISTENT)
    channel.round_trip()
    b.faults.power_cut()

    assert b.vhost().queue("jobs").ready_count < 30


def test_a_power_cut_may_bring_back_what_was_acked_last(b: LocalBroker) -> None:
    worker = a_worker(b)
    publish(b, *(b"%d" % number for number in range(40)))
    bodies_of(worker, 40)
    worker.send(m.BasicAck(40, True))
    b.settle(acked=True)
    b.faults.power_cut()

    assert 0 < b.vhost().queue("jobs").ready_count < 40


def test_without_faults_clients_notice_nothing(b: LocalBroker) -> None:
    channel = a_publisher(b)
    channel.consume("jobs", "w")
    channel.publish("", "jobs", b"x")
    kinds = sorted(type(channel.receive().method).__name__ for _ in range(2))  # type: ignore[union-attr]
    assert kinds == ["BasicAck", "BasicDeliver"]
    channel.publish("", "nobody", b"x", mandatory=True)
    event = channel.receive()
    assert isinstance(event, ContentReceived)
    with pytest.raises(StillOutstanding):
        b.settle(acked=True, timeout=SHORT_S)


def test_the_story_of_a_message_stands_in_a_failed_assertion(b: LocalBroker) -> None:
    channel = a_publisher(b)
    channel.publish("", "job", b"lost")
    with pytest.raises(AssertionError) as raised:
        b.published("jobs").once()

    assert "| " in str(raised.value)
    assert "unroutable: no queue 'job' in vhost '/'; closest: 'jobs'" in str(raised.value)
    journey = b.journey(lambda message: message.body == b"lost")
    assert journey.verbs == ["unroutable", "confirmed"]
    assert journey is b.journey(b.published("job")[0])
    with pytest.raises(LookupError, match="0 messages fit, not 1"):
        b.journey(lambda message: message.body == b"other")
