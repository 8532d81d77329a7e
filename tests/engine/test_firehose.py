"""The firehose.  What it says is held against RabbitMQ in conformance/cases/tracing.py."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish

from amqpbroker.engine import topology
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.properties import properties_of


class Bench:
    """A broker whose only vhost is traced, to a queue."""

    def __init__(self) -> None:
        self.broker = make_broker()
        self.broker.trace_on("/")
        self.client = Client(self.broker)
        self.channel = self.client.open()
        self.traces: Queue = declare(self.channel, "traces")
        topology.bind_queue(self.channel, "traces", "amq.rabbitmq.trace", "#", {})

    def keys(self) -> list[str]:
        """The routing keys of what was told in this pass."""
        self.client.finish_pass()
        keys: list[str] = []
        while (answer := self.traces.get(no_ack=True)) is not None:
            keys.append(answer[1].publish.routing_key)
        return keys


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nobody_watches_while_nothing_is_traced() -> None:
    broker = make_broker()
    broker.add_vhost("blue")
    assert broker.witness is None

    broker.trace_on("/")
    broker.trace_on("blue")
    broker.trace_on("blue")
    broker.trace_off("/")
    assert broker.witness is broker.firehose

    broker.trace_off("blue")
    broker.trace_off("blue")
    assert broker.witness is None


def test_a_deleted_vhost_is_no_longer_traced() -> None:
    broker = make_broker()
    broker.add_vhost("blue")
    broker.trace_on("blue")

    broker.delete_vhost("blue")

    assert broker.witness is None


def test_only_a_vhost_that_is_there_can_be_traced() -> None:
    with pytest.raises(OperatorError, match="there is no vhost 'blue'"):
        make_broker().trace_on("blue")
    with pytest.raises(OperatorError, match="there is no vhost 'blue'"):
        make_broker().trace_off("blue")


def test_every_message_of_a_batch_is_told(bench: Bench) -> None:
    declare(bench.channel, "jobs")
    consume(bench.channel, "jobs", "worker")
    publish(bench.channel, "jobs", b"1", b"2")

    assert bench.keys() == ["publish.", "publish.", "deliver.jobs", "deliver.jobs"]


def test_without_a_binding_nothing_is_made() -> None:
    broker = make_broker()
    broker.trace_on("/")
    channel = Client(broker).open()
    declare(channel, "jobs")

    publish(channel, "jobs", b"1")
    channel.get("jobs", no_ack=True)

    assert not broker.has_more


def test_a_name_that_fills_a_key_is_cut(bench: Bench) -> None:
    name = "q" * 255
    declare(bench.channel, name)
    publish(bench.channel, name, b"1")
    bench.channel.get(name, no_ack=True)

    assert bench.keys() == ["publish.", ("deliver." + name)[:255]]


def test_a_time_that_no_signed_int_holds_is_a_long(bench: Bench) -> None:
    publish(bench.channel, "nowhere", b"1", properties=properties_of(timestamp=2**40, priority=9))
    bench.client.finish_pass()

    answer = bench.traces.get(no_ack=True)

    assert answer is not None
    told = answer[1].properties.headers["properties"].value
    assert isinstance(told, dict)
    assert {name: field.kind for name, field in told.items()} == {"timestamp": "l", "priority": "I"}


def test_what_is_told_waits_its_turn_with_dead_letters(bench: Bench) -> None:
    """No more than a portion is routed at once, so that a flood keeps nobody waiting."""
    publish(bench.channel, "nowhere", b"1", b"2", b"3")

    bench.broker.dispatch(2)
    assert (bench.traces.ready_count, bench.broker.has_more) == (2, True)
    bench.broker.dispatch(2)
    assert (bench.traces.ready_count, bench.broker.has_more) == (3, False)


def test_a_queue_that_takes_traces_and_messages_does_not_trace_its_traces(bench: Bench) -> None:
    consume(bench.channel, "traces", "watcher", no_ack=True)
    publish(bench.channel, "traces", b"1")

    told = bench.client.finish_pass()

    assert len(told) == 3  # the message, its publish, its delivery
