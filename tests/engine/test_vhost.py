"""Exchanges, bindings, and the ways that messages take between them."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, publish

from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.spec.table import Table, longstr


@pytest.fixture
def client() -> Client:
    client = Client(make_broker())
    for name in ("q1", "q2", "q3"):
        declare(client.open(int(name[1])), name)
    return client


@pytest.fixture
def vhost(client: Client) -> VHost:
    return client.connection.vhost


def routed(vhost: VHost, exchange_name: str, *keys: str) -> list[str]:
    queues = vhost.find_route(vhost.exchange(exchange_name), keys or ("",), NO_PROPERTIES)
    return [queue.name for queue in queues]


def bind(vhost: VHost, source: str, destination: str, key: str = "") -> None:
    target = vhost.queues.get(destination) or vhost.exchange(destination)
    vhost.bind(source, target, key, {})


@pytest.mark.parametrize(
    ("name", "type_", "code", "expected"),
    [
        ("x", "absent", 406, "unknown exchange type 'absent'"),
        ("", "direct", 403, "operation not permitted on the default exchange"),
        ("\r\n", "direct", 403, "operation not permitted on the default exchange"),
        ("amq.x", "direct", 403, "exchange name 'amq.x' contains reserved prefix 'amq.*'"),
        (
            "amq.direct",
            "topic",
            406,
            "inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'topic' but "
            "current is 'direct'",
        ),
    ],
)
def test_some_declarations_of_an_exchange_are_refused(
    vhost: VHost, name: str, type_: str, code: int, expected: str
) -> None:
    with pytest.raises(ChannelException) as caught:
        vhost.declare_exchange(name, type_, durable=True)

    assert (caught.value.reply_code, caught.value.reply_text.partition(" - ")[2]) == (
        code, expected,
    )  # fmt: skip


def test_an_exchange_can_be_declared_again_alike(vhost: VHost) -> None:
    arguments: Table = {"alternate-exchange": longstr("a"), "other": longstr("1")}
    exchange = vhost.declare_exchange("x", "topic", auto_delete=True, arguments=arguments)

    again = vhost.declare_exchange(
        "x\r\n", "topic", auto_delete=True, arguments={"alternate-exchange": longstr("a")}
    )

    assert again is exchange
    assert vhost.check_exchange("x") is exchange


def test_a_passive_declaration_needs_the_exchange(vhost: VHost) -> None:
    with pytest.raises(ChannelException, match="NOT_FOUND - no exchange 'x' in vhost '/'"):
        vhost.check_exchange("x")


def test_deleting_an_exchange_that_is_not_there_does_nothing(vhost: VHost) -> None:
    vhost.delete_exchange("x", if_unused=True)

    assert "x" not in vhost.exchanges


def test_an_exchange_in_use_is_the_source_of_a_binding(vhost: VHost) -> None:
    vhost.declare_exchange("x", "fanout")
    bind(vhost, "amq.fanout", "x")
    bind(vhost, "x", "q1")

    with pytest.raises(ChannelException, match="exchange 'x' in vhost '/' in use"):
        vhost.delete_exchange("x", if_unused=True)
    vhost.unbind(next(iter(vhost.exchange("x").bindings)))
    vhost.delete_exchange("x", if_unused=True)

    assert not vhost.exchange("amq.fanout").bindings


@pytest.mark.parametrize(
    ("name", "expected"),
    [("amq.topic", "deletion of system exchange 'amq.topic' in vhost '/' not allowed"), ("", "op")],
)
def test_a_system_exchange_cannot_be_deleted(vhost: VHost, name: str, expected: str) -> None:
    with pytest.raises(ChannelException, match=f"ACCESS_REFUSED - {expected}"):
        vhost.delete_exchange(name)


class TestBindingsStandAtBothEnds:
    """(V1)."""

    def test_when_the_source_goes(self, vhost: VHost) -> None:
        vhost.declare_exchange("x", "fanout")
        bind(vhost, "x", "q1")
        bind(vhost, "x", "amq.topic")

        vhost.delete_exchange("x")

        assert not vhost.queue("q1").bindings
        assert not vhost.exchange("amq.topic").incoming

    def test_when_the_destination_goes(self, client: Client, vhost: VHost) -> None:
        vhost.declare_exchange("x", "fanout")
        bind(vhost, "amq.fanout", "x")
        bind(vhost, "amq.fanout", "q1")

        vhost.delete_exchange("x")
        client.connection.broker.delete_queue(vhost.queue("q1"))

        assert not vhost.exchange("amq.fanout").bindings

    def test_when_an_exchange_is_bound_to_itself(self, vhost: VHost) -> None:
        vhost.declare_exchange("x", "fanout")
        bind(vhost, "x", "x")
        bind(vhost, "x", "q1")

        assert routed(vhost, "x") == ["q1"]
        vhost.delete_exchange("x")

        assert not vhost.queue("q1").bindings

    def test_a_second_one_alike_changes_nothing(self, vhost: VHost) -> None:
        bind(vhost, "amq.direct", "q1", "k")
        generation = vhost.generation

        bind(vhost, "amq.direct", "q1", "k")

        assert vhost.generation == generation
        assert len(vhost.queue("q1").bindings) == 1


@pytest.mark.parametrize(
    ("destination_name", "expected"),
    [("amq.fanout", "Destination not found"), ("quorum", "Queue type rabbit_quorum_queue")],
)
def test_a_type_may_ask_what_is_bound(
    client: Client, vhost: VHost, destination_name: str, expected: str
) -> None:
    arguments: Table = {"x-queue-type": longstr("quorum")}
    declare(client.connection.channels[1], "quorum", durable=True, arguments=arguments)
    vhost.declare_exchange("local", "x-local-random")
    bind(vhost, "local", "q1")

    with pytest.raises(ChannelException, match=expected):
        bind(vhost, "local", destination_name)

    assert routed(vhost, "local") == ["q1"]


def test_what_an_exchange_keeps_goes_with_it(client: Client, vhost: VHost) -> None:
    vhost.declare_exchange("history", "x-recent-history")
    publish(client.connection.channels[1], "", b"1", exchange="history")
    kept_bytes = client.connection.broker.held_bytes

    vhost.delete_exchange("history")

    assert kept_bytes > 0
    assert client.connection.broker.held_bytes == 0


class TestAutoDelete:
    """(V3): an exchange goes with the last binding of which it is the source."""

    def test_of_a_chain(self, client: Client, vhost: VHost) -> None:
        for name in ("a", "b", "c"):
            vhost.declare_exchange(name, "fanout", auto_delete=True)
        bind(vhost, "a", "b")
        bind(vhost, "b", "c")
        bind(vhost, "c", "q1")

        client.connection.broker.delete_queue(vhost.queue("q1"))

        assert not {"a", "b", "c"} & vhost.exchanges.keys()

    def test_of_a_ring(self, vhost: VHost) -> None:
        for name in ("a", "b"):
            vhost.declare_exchange(name, "fanout", auto_delete=True)
        bind(vhost, "a", "b")
        bind(vhost, "b", "a")

        vhost.delete_exchange("a")

        assert not {"a", "b"} & vhost.exchanges.keys()

    def test_not_before_there_was_one(self, vhost: VHost) -> None:
        vhost.declare_exchange("a", "fanout", auto_delete=True)
        bind(vhost, "amq.fanout", "a")

        vhost.unbind(next(iter(vhost.exchange("amq.fanout").bindings)))

        assert "a" in vhost.exchanges


class TestRouting:
    def test_follows_bindings_between_exchanges_each_once(self, vhost: VHost) -> None:
        for name in ("a", "b"):
            vhost.declare_exchange(name, "fanout")
        for source, destination in (("a", "b"), ("b", "a"), ("a", "q1"), ("b", "q1"), ("b", "q2")):
            bind(vhost, source, destination)

        assert sorted(routed(vhost, "a")) == ["q1", "q2"]

    def test_takes_the_alternate_where_there_is_no_destination(self, vhost: VHost) -> None:
        vhost.declare_exchange("x", "direct", arguments={"alternate-exchange": longstr("y")})
        bind(vhost, "x", "q1", "k")

        assert routed(vhost, "x", "other") == []
        vhost.declare_exchange("y", "fanout")
        bind(vhost, "y", "q2")

        assert routed(vhost, "x", "other") == ["q2"]
        assert routed(vhost, "x", "k") == ["q1"]

    def test_by_several_keys_reaches_a_queue_once(self, vhost: VHost) -> None:
        for key in ("a", "b"):
            bind(vhost, "amq.direct", "q1", key)

        assert routed(vhost, "amq.direct", "a", "b", "c") == ["q1"]

    def test_is_remembered_until_the_bindings_change(self, vhost: VHost) -> None:
        """(V2)."""
        exchange = vhost.exchange("amq.direct")
        assert routed(vhost, "amq.direct", "k") == []
        assert vhost.route(exchange, "k") == ()

        bind(vhost, "amq.direct", "q1", "k")
        assert vhost.route(exchange, "k") is None

        assert routed(vhost, "amq.direct", "k") == ["q1"]
        assert vhost.route(exchange, "k") == (vhost.queue("q1"),)

    def test_by_headers_is_not_remembered(self, client: Client, vhost: VHost) -> None:
        vhost.bind("amq.headers", vhost.queue("q1"), "", {"a": longstr("1")})
        channel = client.connection.channels[1]

        publish(channel, "k", b"1", exchange="amq.headers")
        publish(
            channel, "k", b"2", exchange="amq.headers",
            properties=properties_of(headers={"a": longstr("1")}),
        )  # fmt: skip

        assert vhost.queue("q1").ready_count == 1


def test_a_binding_of_an_absent_exchange_is_not_found(vhost: VHost) -> None:
    assert vhost.find_binding("absent", vhost.queue("q1"), "", {}) is None
