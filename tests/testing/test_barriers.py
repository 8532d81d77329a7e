"""Barriers: they end when the broker is there, and say what is missing when it is not."""

from __future__ import annotations

import asyncio
from threading import Thread

import pytest
from kit_stage import a_client, declare, take

from amqpbroker.server.server import BASE_BYTES
from amqpbroker.spec import methods as m
from amqpbroker.testing import LocalBroker, StillOutstanding, VHostHandle, broker


def test_counts_that_are_there_already_are_not_waited_for(
    local: LocalBroker, vhost: VHostHandle
) -> None:
    queue = vhost.queue("jobs").declare()
    queue.publish(b"x")
    queue.wait_for(ready=1, unacked=0, consumers=0, timeout=0)

    assert queue.ready_count == 1


def test_what_others_do_ends_the_waiting(local: LocalBroker, vhost: VHostHandle) -> None:
    """Declaring, publishing, consuming: all from another thread, after the waiting began."""
    queue = vhost.queue("jobs")

    def work() -> None:
        with a_client(local, vhost.name) as channel:
            declare(channel, "jobs")
            channel.publish("", "jobs", b"x")
            local.vhost(vhost.name).queue("jobs").wait_for(ready=1)
            channel.consume("jobs")
            local.vhost(vhost.name).queue("may go").wait_for(ready=0)

    thread = Thread(target=work)
    thread.start()
    queue.wait_for(ready=0, unacked=1, consumers=1)
    assert queue.unacked_count == 1
    vhost.queue("may go").declare()
    thread.join()
    queue.wait_for(ready=1, consumers=0)

    assert queue.ready_count == 1


def test_the_error_says_what_is_missing(vhost: VHostHandle) -> None:
    queue = vhost.queue("jobs").declare()
    queue.publish(b"x")
    with pytest.raises(StillOutstanding) as caught:
        queue.wait_for(ready=3, unacked=0, consumers=1, timeout=0.01)

    assert str(caught.value) == (
        f"waiting for queue 'jobs' in vhost '{vhost.name}' ready=3, unacked=0, consumers=1: "
        "after 0.01 s this is outstanding:\n  - ready: 1, not 3\n  - consumers: 0, not 1"
    )
    assert isinstance(caught.value, TimeoutError)


def test_a_queue_that_nobody_declares_is_missing(vhost: VHostHandle) -> None:
    with pytest.raises(TimeoutError, match="nobody has declared it"):
        vhost.queue("jobs").wait_for(ready=0, timeout=0.01)


def test_who_stops_its_own_loop_by_waiting_is_told(vhost: VHostHandle) -> None:
    async def main() -> None:
        vhost.queue("jobs").wait_for(ready=1, timeout=0.01)

    with pytest.raises(TimeoutError, match="await the method whose name begins with 'async_'"):
        asyncio.run(main())


def test_quiet_comes_when_nothing_is_in_flight(local: LocalBroker, vhost: VHostHandle) -> None:
    with a_client(local, vhost.name) as channel:
        declare(channel, "jobs")
        channel.consume("jobs", no_ack=True)
        for _ in range(500):
            channel.publish("", "jobs", b"x" * 100)
        local.settle()
        channel.connection.time_limit_s = 0.01  # all of it is in our socket already

        assert len(channel.deliveries(500)) == 500


def test_a_client_that_does_not_read_is_named(local: LocalBroker, vhost: VHostHandle) -> None:
    with a_client(local, vhost.name) as channel:
        declare(channel, "jobs")
        channel.consume("jobs", no_ack=True)
        for _ in range(80):
            channel.publish("", "jobs", bytes(100_000))
        with pytest.raises(TimeoutError, match=r"connection 127.0.0.1:\d+: the client does not"):
            local.settle(timeout=0.05)
        channel.deliveries(80)
        local.settle()

        assert vhost.queue("jobs").ready_count == 0


def test_half_a_message_is_named(local: LocalBroker, vhost: VHostHandle) -> None:
    with a_client(local, vhost.name) as channel:
        channel.connection.send_bytes(b"\x01\x00\x01")
        with pytest.raises(TimeoutError, match="has sent 3 bytes of something, and not the rest"):
            local.settle(timeout=0.01)


def test_unacked_messages_are_waited_for_on_request(local: LocalBroker, vhost: VHostHandle) -> None:
    queue = vhost.queue("jobs").declare()
    queue.publish(b"x")
    with a_client(local, vhost.name) as channel:
        channel.consume("jobs")
        _, delivery_tag = take(channel)
        local.settle()
        with pytest.raises(TimeoutError, match=r"'jobs' in vhost '.+': 1 delivered, and neither"):
            local.settle(acked=True, timeout=0.01)
        channel.send(m.BasicAck(delivery_tag))
        local.settle(acked=True)

        assert queue.unacked_count == 0


def test_what_is_not_read_because_of_an_alarm_is_named() -> None:
    with broker(memory_limit_bytes=BASE_BYTES + 100_000) as local, a_client(local) as channel:
        declare(channel, "jobs")
        for _ in range(4):  # two are too much, the next one's publisher is blocked
            channel.publish("", "jobs", bytes(60_000))
            local.look(lambda: None)
        with pytest.raises(TimeoutError, match="are not read for now, because of low on memory"):
            local.settle(timeout=0.05)


async def test_who_stops_trios_loop_is_told_too(vhost: VHostHandle) -> None:
    with pytest.raises(TimeoutError, match="await the method whose name begins with 'async_'"):
        vhost.queue("jobs").wait_for(ready=1, timeout=0.01)


def test_of_many_things_that_are_missing_some_are_named(local: LocalBroker) -> None:
    with pytest.raises(TimeoutError, match=r"- 19\n  - and 5 more$"):
        local.barriers.wait("all", lambda: [str(number) for number in range(25)], 0.01)


def test_a_condition_that_fails_is_the_waiters(local: LocalBroker) -> None:
    def fail() -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        local.barriers.wait("nothing", fail, 5)
    assert local.call(lambda: "still there") == "still there"
