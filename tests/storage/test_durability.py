"""What outlives a broker, when that is told, and what comes back how."""

from __future__ import annotations

import random

import pytest
from broker_stage import Stage
from brokers import consume, declare, publish
from recording import Confirmed, Delivered

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.kept_order import CHUNK_COUNT, WINDOW_COUNT
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, longstr
from amqpbroker.testing.simulated_disk import PowerCut, SimulatedDisk

PERSISTENT = properties_of(delivery_mode=2)


def got(channel: Channel, queue_name: str) -> list[tuple[bytes, bool]]:
    """(body, redelivered) of all that a queue has, taken from it."""
    found: list[tuple[bytes, bool]] = []
    while (answer := channel.get(queue_name, no_ack=True)) is not None:
        found.append((answer[1].body, answer[2]))
    return found


def dead_lettering(to: str, **arguments: Field) -> Table:
    return {
        "x-dead-letter-exchange": longstr(""),
        "x-dead-letter-routing-key": longstr(to),
        **{f"x-{name.replace('_', '-')}": field for name, field in arguments.items()},
    }


def test_a_confirm_waits_until_the_disk_has_the_message() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    channel.select_confirms()
    publish(channel, "q", b"one", b"two", properties=PERSISTENT)

    assert stage.finish_round() == []
    assert stage.write() == [Confirmed(1, 2, True)]


def test_a_transient_message_is_confirmed_at_once() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    stage.write()
    channel.select_confirms()
    publish(channel, "q", b"one")

    assert stage.finish_round() == [Confirmed(1, 1, False)]


def test_confirms_keep_their_order_when_one_of_them_waits() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "kept", durable=True)
    declare(channel, "loose")
    stage.write()
    channel.select_confirms()
    publish(channel, "loose", b"1")
    publish(channel, "kept", b"2", properties=PERSISTENT)
    publish(channel, "loose", b"3")

    assert stage.finish_round() == []
    assert stage.write() == [Confirmed(1, 3, True)]


def test_a_message_that_is_acked_before_it_is_written_is_not_written() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    stage.write()
    channel.select_confirms()
    before = stage.disk.written_bytes
    publish(channel, "q", b"x" * 1000, properties=PERSISTENT)
    tag = channel.get("q", no_ack=False)
    assert tag is not None
    channel.ack(tag[0], multiple=False)

    assert stage.write() == [Confirmed(1, 1, False)]
    assert stage.disk.written_bytes == before


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_durable_comes_back_and_the_rest_does_not(end: str) -> None:
    stage = Stage()
    channel = stage.open()
    vhost = channel.vhost
    arguments = {"x-max-priority": Field("I", 3)}
    arguments = declare(channel, "kept", durable=True, arguments=arguments).arguments
    declare(channel, "loose")
    declare(channel, "mine", durable=True, exclusive=True)
    vhost.declare_exchange("ex", "topic", durable=True, arguments={"a": longstr("b")})
    vhost.declare_exchange("gone", "topic")
    for source in ("ex", "gone"):
        topology.bind_queue(channel, "kept", source, "k.#", {"x": Field("t", True)})
    topology.bind_queue(channel, "loose", "ex", "k", EMPTY_TABLE)
    publish(channel, "kept", b"kept", properties=PERSISTENT)
    publish(channel, "kept", b"loose")
    stage.write()
    getattr(stage, end)()

    vhost = stage.broker.vhosts["/"]
    assert list(vhost.queues) == ["kept"]
    assert vhost.queues["kept"].arguments == arguments
    assert "gone" not in vhost.exchanges
    assert vhost.exchanges["ex"].arguments == {"a": longstr("b")}
    channel = stage.open()
    publish(channel, "k.1", b"routed", exchange="ex")
    assert [body for body, _ in got(channel, "kept")] == [b"kept", b"routed"]


def test_what_was_deleted_stays_deleted() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    channel.vhost.declare_exchange("ex", "fanout", durable=True)
    topology.bind_queue(channel, "q", "ex", "", EMPTY_TABLE)
    publish(channel, "q", b"one", properties=PERSISTENT)
    stage.write()
    topology.delete_queue(channel, "q", if_unused=False, if_empty=False)
    declare(channel, "q", durable=True)
    stage.write()
    stage.kill()

    channel = stage.open()
    assert got(channel, "q") == []
    assert not stage.broker.vhosts["/"].exchanges["ex"].bindings


def test_what_was_acked_does_not_come_back() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    publish(channel, "q", *(b"%d" % number for number in range(6)), properties=PERSISTENT)
    stage.write()
    for _ in range(4):
        channel.get("q", no_ack=False)
    for tag in (1, 3):
        channel.ack(tag, multiple=False)
    stage.write()
    stage.kill()

    bodies = [body for body, _ in got(stage.open(), "q")]
    assert bodies == [b"1", b"3", b"4", b"5"]


def test_after_a_peaceful_end_only_what_was_delivered_is_redelivered() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    publish(channel, "q", b"0", b"1", b"2", properties=PERSISTENT)
    stage.write()
    channel.get("q", no_ack=False)
    stage.stop()

    assert got(stage.open(), "q") == [(b"0", True), (b"1", False), (b"2", False)]


def test_after_a_kill_everything_may_have_been_delivered() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    publish(channel, "q", b"0", b"1", properties=PERSISTENT)
    stage.write()
    stage.kill()
    channel = stage.open()
    publish(channel, "q", b"2", properties=PERSISTENT)
    consume(channel, "q", "c")

    assert stage.finish_round() == [
        Delivered(1, "c", 1, True, b"0"),
        Delivered(1, "c", 2, True, b"1"),
        Delivered(1, "c", 3, False, b"2"),
    ]


@pytest.mark.parametrize(
    ("arguments", "properties"),
    [
        ({"x-message-ttl": Field("I", 1000)}, PERSISTENT),
        ({}, properties_of(delivery_mode=2, expiration="1000")),
    ],
)
def test_time_to_live_goes_on_counting(arguments: Table, properties: Properties) -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True, arguments=arguments)
    publish(channel, "q", b"early", properties=properties)
    stage.write()
    stage.advance(600)
    publish(channel, "q", b"late", properties=properties)
    stage.write()
    stage.now_ms += 500
    stage.kill()

    assert [body for body, _ in got(stage.open(), "q")] == [b"late"]


def test_priorities_and_quorum_queues_keep_their_order() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "p", durable=True, arguments={"x-max-priority": Field("I", 5)})
    declare(channel, "quorum", durable=True, arguments={"x-queue-type": longstr("quorum")})
    for number, priority in enumerate((1, 5, 1, 3)):
        properties = properties_of(delivery_mode=2, priority=priority)
        publish(channel, "p", b"%d" % number, properties=properties)
        publish(channel, "quorum", b"%d" % number)
    stage.write()
    stage.kill()
    channel = stage.open()

    assert [body for body, _ in got(channel, "p")] == [b"1", b"3", b"0", b"2"]
    assert [body for body, _ in got(channel, "quorum")] == [b"0", b"1", b"2", b"3"]


def test_a_dead_letter_keeps_the_record_of_its_deaths() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "a", durable=True, arguments=dead_lettering("b"))
    declare(channel, "b", durable=True, arguments=dead_lettering("c"))
    declare(channel, "c", durable=True)
    publish(channel, "a", b"one", properties=PERSISTENT)
    for queue_name, starts_anew in (("a", True), ("b", False)):
        answer = channel.get(queue_name, no_ack=False)
        assert answer is not None
        channel.reject(answer[0], multiple=False, requeue=False)
        stage.finish_round()
        stage.write()
        if starts_anew:
            stage.kill()
            channel = stage.open()
    answer = channel.get("c", no_ack=True)
    assert answer is not None
    deaths = answer[1].properties.headers["x-death"].value
    assert isinstance(deaths, list)
    assert len(deaths) == 2
    assert answer[1].properties.headers["x-first-death-queue"] == longstr("a")


@pytest.mark.parametrize("step", range(1, 9))
def test_a_dead_letter_is_in_exactly_one_place_wherever_the_power_goes(step: int) -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "a", durable=True, arguments=dead_lettering("b"))
    declare(channel, "b", durable=True)
    publish(channel, "a", b"one", b"two", properties=PERSISTENT)
    stage.write()
    stage.disk.cut_at_step = stage.disk.step_count + step
    try:
        for _ in range(2):
            answer = channel.get("a", no_ack=False)
            assert answer is not None
            channel.reject(answer[0], multiple=False, requeue=False)
            stage.write()
            stage.finish_round()
            stage.write()
    except PowerCut:
        pass
    stage.kill(step)
    channel = stage.open()

    bodies = [body for name in "ab" for body, _ in got(channel, name)]
    assert sorted(bodies) == [b"one", b"two"]


@pytest.mark.parametrize("way", range(1, 30))
def test_a_transaction_and_a_fan_out_are_all_or_nothing(way: int) -> None:
    stage = Stage()
    channel = stage.open()
    channel.vhost.declare_exchange("all", "fanout", durable=True)
    for name in "abc":
        declare(channel, name, durable=True)
        topology.bind_queue(channel, name, "all", "", EMPTY_TABLE)
    publish(channel, "a", b"old", properties=PERSISTENT)
    stage.write()
    channel.select_transactions()
    stage.disk.cut_at_step = stage.disk.step_count + 2  # the sync never happens
    publish(channel, "", b"1", b"2", exchange="all", properties=PERSISTENT)
    answer = channel.get("a", no_ack=False)
    assert answer is not None
    channel.ack(answer[0], multiple=False)
    channel.commit()
    with pytest.raises(PowerCut):
        stage.write()
    stage.kill(way)
    channel = stage.open()

    found = {name: [body for body, _ in got(channel, name)] for name in "abc"}
    before = {"a": [b"old"], "b": [], "c": []}
    after = {name: [b"1", b"2"] for name in "abc"}
    assert found in (before, after)


@pytest.mark.parametrize("starts_anew", [False, True])
def test_a_backlog_leaves_memory_and_comes_back_in_order(starts_anew: bool) -> None:
    stage = Stage()
    channel = stage.open()
    queue = declare(channel, "q", durable=True)
    total = WINDOW_COUNT + 5 * CHUNK_COUNT + 100
    bodies = [b"%06d" % number + b"x" * 500 for number in range(total)]
    for start in range(0, total, 100):
        publish(channel, "q", *bodies[start : start + 100], properties=PERSISTENT)
        stage.write()
    in_memory_bytes = stage.broker.held_bytes
    assert in_memory_bytes < (WINDOW_COUNT + 3 * CHUNK_COUNT) * 750
    assert queue.ready_count == total
    if starts_anew:
        stage.kill()
        assert stage.broker.held_bytes < total * 50
        channel = stage.open()

    assert [body for body, _ in got(channel, "q")] == bodies
    assert stage.broker.held_bytes == 0


def test_a_paged_queue_is_purged_without_being_read() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    total = WINDOW_COUNT + 5 * CHUNK_COUNT
    for _ in range(0, total, 512):
        publish(channel, "q", *[b"x"] * 512, properties=PERSISTENT)
        stage.write()

    assert topology.purge_queue(channel, "q") == total
    assert stage.broker.held_bytes == 0
    stage.write()
    stage.kill()
    assert got(stage.open(), "q") == []


def test_space_comes_back_after_a_drain() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    for _ in range(100):
        publish(channel, "q", *[b"x" * 10_000] * 10, properties=PERSISTENT)
        stage.write()
    assert stage.disk.written_bytes > 10_000_000
    got(channel, "q")
    stage.write()
    while stage.journal.tend(is_idle=True):
        pass

    assert stage.disk.written_bytes < 1_000_000


def test_nothing_is_confirmed_after_a_failed_sync() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    stage.write()
    channel.select_confirms()
    stage.disk.sync_fails_at_step = stage.disk.step_count
    publish(channel, "q", b"one", properties=PERSISTENT)

    assert stage.write() == []
    assert stage.journal.failure is not None
    stage.disk.sync_fails_at_step = None  # it would not say so a second time
    sync_count = stage.disk.sync_count
    publish(channel, "q", b"two", properties=PERSISTENT)
    assert stage.write() == []
    assert stage.disk.sync_count == sync_count


def test_a_full_disk_confirms_when_there_is_room_again() -> None:
    stage = Stage()
    channel = stage.open()
    declare(channel, "q", durable=True)
    stage.write()
    channel.select_confirms()
    stage.disk.size_bytes = stage.disk.written_bytes + 100
    publish(channel, "q", b"x" * 1000, properties=PERSISTENT)

    assert stage.write() == []
    assert stage.journal.is_full
    stage.disk.size_bytes += 10_000
    assert stage.write() == [Confirmed(1, 1, False)]
    assert not stage.journal.is_full
    stage.kill()
    assert len(got(stage.open(), "q")) == 1


def test_a_message_in_many_queues_stands_once_on_the_disk() -> None:
    stage = Stage()
    channel = stage.open()
    channel.vhost.declare_exchange("all", "fanout", durable=True)
    for number in range(20):
        declare(channel, f"q{number}", durable=True)
        topology.bind_queue(channel, f"q{number}", "all", "", EMPTY_TABLE)
    stage.write()
    before = stage.disk.written_bytes
    publish(channel, "", b"x" * 10_000, exchange="all", properties=PERSISTENT)
    stage.write()

    assert stage.disk.written_bytes - before < 11_000
    stage.kill()
    channel = stage.open()
    assert all(len(got(channel, f"q{number}")) == 1 for number in range(20))


def test_a_disk_that_lost_nothing_has_lost_nothing() -> None:
    disk = SimulatedDisk()
    file = disk.open("a")
    file.append(b"safe")
    file.sync()
    disk.sync()
    file.append(b"loose")
    found = {
        bytes(disk.after_power_cut(random.Random(seed)).open("a").read(0, 100))
        for seed in range(50)
    }

    assert all(data.startswith(b"safe") for data in found)
    assert {b"safe", b"safeloose"} <= found
    assert NO_PROPERTIES.raw == b"\0\0"
