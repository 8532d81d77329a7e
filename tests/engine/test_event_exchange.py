"""The event exchange.  What it says is held against RabbitMQ in conformance/cases/events.py."""

from __future__ import annotations

import pytest
from brokers import GUEST, Client, consume, declare, make_broker
from recording import RecordingOutlet

from amqpbroker.engine import topology
from amqpbroker.engine.client_facts import ClientFacts
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import Field, encode_table, longstr


class Bench:
    """A broker that tells its events to a queue."""

    def __init__(self) -> None:
        self.broker = make_broker()
        self.broker.advance(1_500_042)
        self.vhost = self.broker.vhosts["/"]
        self.broker.turn_on_events(self.vhost)
        self.client = Client(self.broker)
        self.channel = self.client.open()
        self.events: Queue = declare(self.channel, "events")
        topology.bind_queue(self.channel, "events", "amq.rabbitmq.event", "#", {})
        self.take()

    def take(self) -> list[Message]:
        """What was told until now."""
        self.broker.dispatch()
        told: list[Message] = []
        while (answer := self.events.get(no_ack=True)) is not None:
            told.append(answer[1])
        return told

    def keys(self) -> list[str]:
        return [message.publish.routing_key for message in self.take()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_there_is_no_exchange_for_events_until_it_is_turned_on() -> None:
    broker = make_broker()
    vhost = broker.vhosts["/"]
    assert "amq.rabbitmq.event" not in vhost.exchanges

    broker.turn_on_events(vhost)
    broker.turn_on_events(vhost)

    exchange = vhost.exchanges["amq.rabbitmq.event"]
    assert (exchange.type, exchange.durable, exchange.internal) == ("topic", True, True)
    assert (broker.event_witness, broker.witness) == (broker.event_exchange, None)


def test_an_event_is_an_empty_persistent_message_with_its_time(bench: Bench) -> None:
    declare(bench.channel, "jobs")

    message = bench.take()[0]

    assert message.publish.routing_key == "queue.created"
    assert (message.body, message.properties.delivery_mode) == (b"", 2)
    assert message.properties.timestamp == 1500
    assert message.properties.headers["timestamp_in_ms"] == Field("l", 1_500_042)


def test_without_a_binding_nothing_is_made(bench: Bench) -> None:
    binding = bench.vhost.find_binding("amq.rabbitmq.event", bench.events, "#", {})
    assert binding is not None
    bench.vhost.unbind(binding)

    declare(bench.channel, "jobs")

    assert not bench.broker.notices


def test_a_vhost_is_told_after_its_exchanges(bench: Bench) -> None:
    bench.broker.add_vhost("blue")
    assert bench.keys() == ["exchange.created"] * 7 + ["vhost.created"]

    bench.broker.delete_vhost("blue")
    assert bench.keys() == ["exchange.deleted"] * 7 + ["vhost.deleted"]


def test_what_comes_and_goes_is_told_in_its_order(bench: Bench) -> None:
    facts = ClientFacts("10.0.0.1:5 -> 10.0.0.2:5672", "PLAIN", 2047, 4096, 60)
    connection = bench.broker.connect(
        GUEST, "/", RecordingOutlet(), wants_cancel_notify=True, facts=facts
    )
    channel = connection.open_channel(3)
    declare(channel, "jobs")
    consume(channel, "jobs", "worker")
    channel.cancel("worker")
    connection.close()

    assert bench.keys() == [
        "connection.created",
        "channel.created",
        "queue.created",
        "consumer.created",
        "consumer.deleted",
        "channel.closed",
        "connection.closed",
    ]


def test_a_connection_tells_where_it_came_from_and_what_was_agreed(bench: Bench) -> None:
    properties = encode_table({"product": longstr("pika")})
    facts = ClientFacts(
        "10.0.0.1:5 -> [::1]:5672", "PLAIN", 2047, 4096, 60, raw_properties=properties
    )
    bench.broker.connect(GUEST, "/", RecordingOutlet(), wants_cancel_notify=True, facts=facts)

    headers = bench.take()[0].properties.headers

    names = ("peer_host", "peer_port", "host", "port", "auth_mechanism", "timeout", "ssl")
    assert {name: headers[name].value for name in names} == {
        "peer_host": b"{10,0,0,1}",
        "peer_port": 5,
        "host": b"::1",
        "port": 5672,
        "auth_mechanism": b"PLAIN",
        "timeout": 60,
        "ssl": False,
    }
    assert headers["client_properties"].value == [longstr('{<<"product">>,longstr,<<"pika">>}')]


def test_nobody_has_done_what_time_does(bench: Bench) -> None:
    bench.broker.acting_user_name = "alice"
    declare(bench.channel, "jobs", arguments={"x-expires": Field("I", 10)})
    bench.broker.advance(1_500_052)

    told = {
        message.publish.routing_key: message.properties.headers["user_who_performed_action"].text
        for message in bench.take()
    }

    assert told == {"queue.created": "alice", "queue.deleted": "rmq-internal"}


def test_logins_and_alarms_are_told_and_nobody_has_done_them(bench: Bench) -> None:
    witness = bench.broker.event_witness
    assert witness is not None
    witness.authentication_succeeded("alice", "PLAIN", "10.0.0.1")
    witness.authentication_failed("alice", "PLAIN", "")
    witness.alarm_set("memory")
    witness.alarm_cleared("memory")

    told = bench.take()

    assert [message.publish.routing_key for message in told] == [
        "user.authentication.success",
        "user.authentication.failure",
        "alarm.set",
        "alarm.cleared",
    ]
    assert all("user_who_performed_action" not in one.properties.headers for one in told)


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "t"), (5, "l"), (0.5, "d"), ("x", "S"), ({}, "F"), ((), "A")]
)
def test_what_is_administered_is_told_as_it_is(bench: Bench, value: object, kind: str) -> None:
    witness = bench.broker.event_witness
    assert witness is not None
    witness.administered("policy.set", {"value": value})

    message = bench.take()[0]

    assert message.publish.routing_key == "policy.set"
    assert message.properties.headers["value"].kind == kind
