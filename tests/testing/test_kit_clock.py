"""The clock in a test's hand: what is due happens now, in order, and no client is lost by it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from threading import Thread

import pytest
from kit_stage import a_client, take

from amqpbroker.spec import methods as m
from amqpbroker.testing import LocalBroker, VHostHandle, broker
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection


def ladder(vhost: VHostHandle, steps: int, ttl_ms: int = 60_000) -> None:
    """Queues that expire into each other: wait-0 into wait-1 ... into the queue done."""
    vhost.queue("done").declare()
    for number in range(steps):
        target = f"wait-{number + 1}" if number + 1 < steps else "done"
        vhost.queue(f"wait-{number}").declare(
            arguments={
                "x-message-ttl": ttl_ms,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": target,
            }
        )


def test_nothing_expires_before_its_time(local: LocalBroker, vhost: VHostHandle) -> None:
    local.clock.freeze()
    ladder(vhost, 1)
    vhost.queue("wait-0").publish(b"x")
    local.clock.advance("59s")
    local.clock.advance("999ms")
    assert (vhost.queue("wait-0").ready_count, vhost.queue("done").ready_count) == (1, 0)
    local.clock.advance("1ms")

    assert (vhost.queue("wait-0").ready_count, vhost.queue("done").ready_count) == (0, 1)


def test_a_ladder_runs_to_its_end_in_one_call(local: LocalBroker, vhost: VHostHandle) -> None:
    local.clock.freeze()
    ladder(vhost, 10)
    began = local.clock.now
    vhost.queue("wait-0").publish(b"x")
    local.clock.advance("10m")
    letter = vhost.queue("done").get()

    assert letter is not None
    deaths = letter.headers["x-death"]
    assert isinstance(deaths, list)
    assert [death["queue"] for death in deaths] == [f"wait-{number}" for number in range(9, -1, -1)]
    last = deaths[0]["time"] - began
    assert timedelta(minutes=10, seconds=-1) <= last <= timedelta(minutes=10)
    assert local.clock.now - began == timedelta(minutes=10)


def test_what_is_due_happens_in_the_order_of_its_times(
    local: LocalBroker, vhost: VHostHandle
) -> None:
    local.clock.freeze()
    done = vhost.queue("done").declare()
    for number in (3, 1, 2):
        queue = vhost.queue(f"wait-{number}").declare(
            arguments={
                "x-message-ttl": number * 1000,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": "done",
            }
        )
        queue.publish(str(number))
    local.clock.advance("1d")
    bodies = [message.text for message in iter(done.get, None)]

    assert bodies == ["1", "2", "3"]


def test_unused_queues_expire(local: LocalBroker, vhost: VHostHandle) -> None:
    queue = vhost.queue("jobs").declare(arguments={"x-expires": 3_600_000})
    local.clock.advance("59m")
    assert queue.exists
    local.clock.advance(timedelta(minutes=2))

    assert not queue.exists


def test_delayed_messages_arrive(local: LocalBroker, vhost: VHostHandle) -> None:
    vhost.exchange("later").declare("x-delayed-message", arguments={"x-delayed-type": "fanout"})
    queue = vhost.queue("jobs").declare().bind("later")
    vhost.exchange("later").publish(body=b"x", headers={"x-delay": 86_400_000})
    local.clock.advance("23h")
    assert queue.ready_count == 0
    local.clock.advance("1h")

    assert queue.ready_count == 1


def test_who_does_not_ack_in_time_loses_its_channel(local: LocalBroker, vhost: VHostHandle) -> None:
    queue = vhost.queue("jobs").declare()
    queue.publish(b"x")
    with a_client(local, vhost.name) as channel:
        channel.consume("jobs")
        take(channel)
        local.clock.advance("29m")
        channel.round_trip()
        local.clock.advance("1m")

        assert (
            "delivery acknowledgement on channel 1 timed out" in channel.expect_close().reply_text
        )
    assert queue.ready_count == 1


def test_what_was_due_is_on_its_way_to_the_clients_when_the_call_returns(
    local: LocalBroker, vhost: VHostHandle
) -> None:
    ladder(vhost, 1)
    with a_client(local, vhost.name) as channel:
        channel.consume("done", no_ack=True)
        vhost.queue("wait-0").publish(b"x")
        local.clock.advance("1m")
        channel.connection.time_limit_s = 0.01  # it is in our socket already

        assert channel.expect_content(m.BasicDeliver).body == b"x"


def test_frozen_nothing_is_due_until_it_goes_on(local: LocalBroker, vhost: VHostHandle) -> None:
    local.clock.freeze()
    assert local.clock.is_frozen
    ladder(vhost, 1, ttl_ms=1)
    before = local.clock.now
    vhost.queue("wait-0").publish(b"x")
    with a_client(local, vhost.name) as channel:
        for _ in range(20):
            channel.round_trip()
    assert local.clock.now == before
    assert (vhost.queue("wait-0").ready_count, vhost.queue("done").ready_count) == (1, 0)
    local.clock.resume()
    vhost.queue("done").wait_for(ready=1)

    assert not local.clock.is_frozen


def test_it_goes_on_from_where_it_stands(local: LocalBroker) -> None:
    local.clock.freeze()
    local.clock.advance("365d")
    then = local.clock.now
    local.clock.resume()

    assert timedelta(0) <= local.clock.now - then < timedelta(seconds=10)


def test_heartbeats_stay_on_real_time(local: LocalBroker, vhost: VHostHandle) -> None:
    with RawConnection.open(local.url_for(vhost.name), heartbeat=10) as connection:
        channel = connection.channel()
        local.clock.advance("1d")
        channel.round_trip()

        assert not connection.is_closing


def test_time_without_end_is_noticed() -> None:
    with broker() as local:
        schedule = local.engine.schedule
        local.clock.steps_max = 50

        def again() -> None:
            schedule.call_at(local.engine.now_ms + 1, again)

        local.call(again)
        with pytest.raises(RuntimeError, match=r"more than 50 times .* Advance in smaller steps"):
            local.clock.advance("1d")


class Worker:
    """A client in a thread that rejects what it gets, until it is gone."""

    def __init__(self, channel: RawChannel, queue_name: str) -> None:
        self._channel = channel
        self.rejected_count = 0
        channel.consume(queue_name)
        self._thread = Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while True:
            body, delivery_tag = take(self._channel)
            if body == b"stop":
                return
            self.rejected_count += 1
            self._channel.send(m.BasicReject(delivery_tag, requeue=False))

    def join(self) -> None:
        self._thread.join()


def test_clients_are_given_time_to_react(local: LocalBroker, vhost: VHostHandle) -> None:
    """A worker that rejects sends the message into the next wait, again and again.

    The clock runs, but not while it is advanced: so how long the worker takes changes nothing.
    """
    vhost.queue("wait").declare(
        arguments={
            "x-message-ttl": 600_000,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "work",
        }
    )
    work = vhost.queue("work").declare(
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "wait"}
    )
    with a_client(local, vhost.name) as channel:
        worker = Worker(channel, "work")
        vhost.queue("wait").publish(b"payment")
        local.clock.advance("1h", reaction_seconds=5)
        assert not local.clock.is_frozen
        assert vhost.queue("wait").ready_count == 1
        work.publish(b"stop")
        worker.join()

    assert worker.rejected_count == 6


def test_code_under_asyncio_reacts_meanwhile(local: LocalBroker, vhost: VHostHandle) -> None:
    """Its task runs in the loop that waits for the clock; else the message would stay unacked."""
    ladder(vhost, 1)
    queue = vhost.queue("done")

    async def reject_one(channel: RawChannel) -> None:
        await queue.async_wait_for(unacked=1)
        _, delivery_tag = take(channel)
        channel.send(m.BasicAck(delivery_tag))

    async def main(channel: RawChannel) -> None:
        task = asyncio.create_task(reject_one(channel))
        await local.clock.async_advance("1h", reaction_seconds=5)
        assert queue.unacked_count == 0
        await task

    with a_client(local, vhost.name) as channel:
        channel.consume("done")
        vhost.queue("wait-0").publish(b"x")
        asyncio.run(main(channel))

    assert (vhost.queue("wait-0").ready_count, queue.ready_count) == (0, 0)


async def test_code_under_trio_need_not_react(local: LocalBroker, vhost: VHostHandle) -> None:
    ladder(vhost, 1)
    with a_client(local, vhost.name) as channel:
        channel.consume("done")
        vhost.queue("wait-0").publish(b"x")
        await local.clock.async_advance("10m", reaction_seconds=0.01)

        assert vhost.queue("done").unacked_count == 1


def test_it_shows_its_time_and_state(local: LocalBroker) -> None:
    local.clock.freeze()
    now = local.clock.now.isoformat(timespec="milliseconds")

    assert repr(local.clock) == f"<Clock {now} frozen>"
    local.clock.resume()
    assert repr(local.clock).endswith(" running>")


def test_who_does_not_react_is_not_waited_for_long(local: LocalBroker, vhost: VHostHandle) -> None:
    local.clock.freeze()
    ladder(vhost, 1)
    with a_client(local, vhost.name) as channel:
        channel.consume("done")
        vhost.queue("wait-0").publish(b"x")
        began = local.clock.now
        local.clock.advance("10m", reaction_seconds=0.01)

        assert vhost.queue("done").unacked_count == 1
        assert local.clock.now - began == timedelta(minutes=10)
