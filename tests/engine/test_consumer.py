"""Whose turn it is, and how much a consumer may have (C1), (C2)."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import Delivered

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.consumer import UNLIMITED
from amqpbroker.spec.errors import AMQPException, ChannelException
from amqpbroker.spec.table import Field, Table, longstr


class Stage:
    """A queue, and consumers that have a channel each: "a" is on channel 1, "b" on 2 ..."""

    def __init__(self) -> None:
        self.client = Client(make_broker())
        self.publisher = self.client.open(100)
        self.queue = declare(self.publisher, "jobs")

    def hire(self, tag: str, *, limit: int = 0, priority: int = 0, no_ack: bool = False) -> Channel:
        number = ord(tag) - ord("a") + 1
        channel = self.client.connection.channels.get(number) or self.client.open(number)
        channel.set_prefetch(limit, is_global=False)
        arguments: Table = {"x-priority": Field("I", priority)} if priority else {}
        consume(channel, "jobs", tag, no_ack=no_ack, arguments=arguments)
        return channel

    def publish(self, count: int) -> str:
        """Publish so many messages; who gets them, in the order of the messages."""
        publish(self.publisher, "jobs", *(b"%02d" % number for number in range(count)))
        told = [one for one in self.client.finish_pass() if isinstance(one, Delivered)]
        return "".join(one.consumer_tag for one in sorted(told, key=lambda one: one.body))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_messages_go_round(stage: Stage) -> None:
    for tag in "abc":
        stage.hire(tag)

    assert [stage.publish(count) for count in (1, 3, 7, 2)] == ["a", "bca", "bcabcab", "ca"]


def test_who_is_new_comes_last(stage: Stage) -> None:
    """As in RabbitMQ 4.0.5: behind whoever was served before."""
    stage.hire("a")
    stage.hire("b")

    assert stage.publish(1) == "a"
    stage.hire("c")

    assert stage.publish(4) == "bacb"


def test_who_goes_is_left_out(stage: Stage) -> None:
    for tag in "abc":
        stage.hire(tag)
    stage.publish(1)

    stage.client.connection.channels[2].cancel("b")

    assert stage.publish(3) == "cac"


def test_a_round_among_some_passes_the_turn_as_one_by_one_would(stage: Stage) -> None:
    busy = stage.hire("a", limit=1)
    stage.hire("b")
    stage.hire("c")
    stage.hire("d", limit=1)
    assert stage.publish(4) == "abcd"

    assert stage.publish(6) == "bcbcbc"
    busy.ack(1, multiple=False)
    stage.client.connection.channels[4].ack(1, multiple=False)

    assert stage.publish(4) == "dabc"


def test_the_only_one_that_may_receive_passes_the_turn_on(stage: Stage) -> None:
    stage.hire("a")
    busy = stage.hire("b", limit=1)
    assert stage.publish(2) == "ab"
    assert stage.publish(2) == "aa"

    busy.ack(1, multiple=False)

    assert stage.publish(1) == "b"


def test_a_lower_priority_receives_only_while_nobody_above_may(stage: Stage) -> None:
    stage.hire("a")
    stage.hire("b", priority=5, limit=2)
    stage.hire("c", priority=-5)
    stage.hire("d", priority=5, limit=1)

    assert stage.publish(6) == "bdbaaa"

    stage.client.connection.channels[2].ack(2, multiple=True)

    assert stage.publish(3) == "bba"


def test_consumers_on_one_channel_see_the_messages_in_order(stage: Stage) -> None:
    channel = stage.client.open(1)
    for tag in ("x", "y"):
        consume(channel, "jobs", tag)

    publish(stage.publisher, "jobs", *(b"%d" % number for number in range(6)))

    assert [
        (one.consumer_tag, one.delivery_tag, one.body)
        for one in stage.client.finish_pass()
        if isinstance(one, Delivered)
    ] == [("xyxyxy"[number], number + 1, b"%d" % number) for number in range(6)]


def test_without_a_limit_credit_is_endless(stage: Stage) -> None:
    stage.hire("a")
    stage.hire("b", limit=3, no_ack=True)
    (first, second) = stage.queue.consumers

    assert (first.credit(), second.credit()) == (UNLIMITED, UNLIMITED)
    assert repr(first) == (
        "<Consumer 'a' of <Queue 'jobs' ready=0 unacked=0 consumers=2> unacked=0>"
    )


def test_a_client_that_does_not_read_is_given_nothing(stage: Stage) -> None:
    stage.hire("a", no_ack=True)
    stage.client.connection.is_congested = True
    assert stage.publish(2) == ""

    stage.client.connection.drained()

    assert stage.publish(0) == "aa"


@pytest.mark.parametrize(("kind", "value"), [("I", 3), ("b", -1), ("l", 2**40), ("B", 0)])
def test_a_priority_is_an_integer_of_any_kind(stage: Stage, kind: str, value: int) -> None:
    consume(stage.publisher, "jobs", arguments={"x-priority": Field(kind, value)})

    (consumer,) = stage.queue.consumers
    assert consumer.priority == value


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"x-priority": longstr("1")},
            "invalid arg 'x-priority' for queue 'jobs' in vhost '/': "
            '"expected integer, got longstr"',
        ),
        (
            {"x-stream-offset": longstr("first")},
            "invalid arg 'x-stream-offset' for queue 'jobs' in vhost '/' of queue type "
            "rabbit_classic_queue",
        ),
    ],
)
def test_other_arguments_are_refused(stage: Stage, arguments: Table, expected: str) -> None:
    with pytest.raises(ChannelException) as caught:
        consume(stage.publisher, "jobs", arguments=arguments)

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {expected}"
    assert len(stage.queue.consumers) == 0


def test_a_consumer_tag_is_used_once_a_channel(stage: Stage) -> None:
    consume(stage.publisher, "jobs", "c")

    with pytest.raises(AMQPException, match="attempt to reuse consumer tag 'c'"):
        consume(stage.publisher, "jobs", "c")

    consume(stage.client.open(2), "jobs", "c")


def test_a_consumer_without_a_tag_is_given_one(stage: Stage) -> None:
    assert consume(stage.publisher, "jobs") == "amq.ctag-name-1"


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_an_exclusive_consumer_is_alone(stage: Stage, first: bool, second: bool) -> None:
    consume(stage.publisher, "jobs", exclusive=first)

    with pytest.raises(
        ChannelException, match="ACCESS_REFUSED - queue 'jobs' in vhost '/' in exclusive use"
    ):
        consume(stage.publisher, "jobs", exclusive=second)


def test_the_last_consumer_takes_an_auto_delete_queue_along(stage: Stage) -> None:
    declare(stage.publisher, "auto", auto_delete=True)
    for tag in ("x", "y"):
        consume(stage.publisher, "auto", tag)

    stage.publisher.cancel("x")
    stage.publisher.cancel("no such consumer")
    assert "auto" in stage.publisher.vhost.queues
    stage.publisher.cancel("y")

    assert "auto" not in stage.publisher.vhost.queues
