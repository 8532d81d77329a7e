from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, publish

from amqpbroker.engine.exchange import ROUTES_MAX, DefaultRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import Field, longstr


@pytest.fixture
def client() -> Client:
    client = Client(make_broker())
    declare(client.open(), "jobs")
    return client


@pytest.fixture
def vhost(client: Client) -> VHost:
    return client.connection.vhost


def test_an_exchange_tells_its_name_and_type(vhost: VHost) -> None:
    exchange = vhost.exchange("amq.topic")
    vhost.bind("amq.topic", vhost.queue("jobs"), "#", {})

    assert str(exchange) == "exchange 'amq.topic' in vhost '/'"
    assert repr(exchange) == "<Exchange 'amq.topic' type=topic bindings=1>"


def test_a_binding_is_there_once(vhost: VHost) -> None:
    exchange, queue = vhost.exchange("amq.direct"), vhost.queue("jobs")
    one, same = Binding("amq.direct", queue, "k", {}), Binding("amq.direct", queue, "k", {})

    assert exchange.add(one)
    assert not exchange.add(same)
    assert exchange.find(same) is one
    exchange.remove(one)
    assert exchange.find(same) is None


def test_no_more_routes_are_remembered_than_may_be(client: Client, vhost: VHost) -> None:
    channel, exchange = client.connection.channels[1], vhost.exchange("amq.direct")
    vhost.bind("amq.direct", vhost.queue("jobs"), "key-5", {})

    for number in range(ROUTES_MAX + 10):
        publish(channel, f"key-{number}", b"", exchange="amq.direct")

    assert len(exchange.routes) <= ROUTES_MAX
    assert vhost.queue("jobs").ready_count == 1


def test_nobody_may_bind_to_the_default_exchange() -> None:
    """Its refusal is the topology's part; coming here would be a bug."""
    router = DefaultRouter({})
    binding = Binding("", "jobs", "", {})

    for verb in (router.check, router.bind, router.unbind):
        with pytest.raises(AssertionError):
            verb(binding)
    assert router.route("jobs", NO_PROPERTIES) == ()


def test_the_default_exchange_routes_by_the_queues_name(vhost: VHost) -> None:
    found = vhost.find_route(vhost.default_exchange, ("jobs", "absent"), NO_PROPERTIES)

    assert found == (vhost.queue("jobs"),)


def test_an_alternate_exchange_is_named_by_a_string(vhost: VHost) -> None:
    vhost.declare_exchange("x", "direct", arguments={"alternate-exchange": longstr("other")})

    assert vhost.exchange("x").alternate_name == "other"
    with pytest.raises(
        ChannelException,
        match="invalid type 'signedint' for arg 'alternate-exchange' in exchange 'y' in vhost '/'",
    ):
        vhost.declare_exchange("y", "direct", arguments={"alternate-exchange": Field("I", 1)})
