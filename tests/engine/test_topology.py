"""Declaring, binding and deleting, as a client on a channel asks for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from brokers import Client, consume, declare, make_broker, publish

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.table import Field, Table, longstr

Verb = Callable[[Channel], object]


@pytest.fixture
def client() -> Client:
    return Client(make_broker())


@pytest.fixture
def channel(client: Client) -> Channel:
    return client.open()


@pytest.fixture
def stranger(client: Client) -> Channel:
    """A channel of another connection."""
    return Client(client.connection.broker).open()


def refusal(verb: Verb, channel: Channel) -> str:
    with pytest.raises(ChannelException) as caught:
        verb(channel)
    return f"{caught.value.reply_code} {caught.value.reply_text.partition(' - ')[2]}"


class TestDeclaringAQueue:
    def test_again_alike_tells_its_counts(self, channel: Channel) -> None:
        declare(channel, "jobs", durable=True)
        publish(channel, "jobs", b"1", b"2")
        channel.get("jobs", no_ack=False)
        consume(channel, "jobs")

        assert topology.check_queue(channel, "jobs\n") == ("jobs", 1, 1)

    def test_without_a_name_makes_one(self, channel: Channel) -> None:
        assert declare(channel).name == "amq.gen-name-1"
        assert channel.last_queue_name == "amq.gen-name-1"

    def test_exclusively_is_never_durable(self, channel: Channel) -> None:
        assert not declare(channel, "mine", durable=True, exclusive=True).durable
        assert not declare(channel, "mine", exclusive=True).durable

    @pytest.mark.parametrize(
        ("terms", "expected"),
        [
            ({"durable": True}, "inequivalent arg 'durable' for queue 'jobs' in vhost '/'"),
            ({"auto_delete": True}, "inequivalent arg 'auto_delete' for queue 'jobs'"),
            ({"arguments": {"x-expires": Field("I", 1)}}, "inequivalent arg 'x-expires' for"),
        ],
    )
    def test_otherwise_is_refused(
        self, channel: Channel, terms: dict[str, object], expected: str
    ) -> None:
        declare(channel, "jobs")

        refused = refusal(lambda one: declare(one, "jobs", **terms), channel)  # type: ignore[arg-type]
        assert refused.startswith(f"406 {expected}")

    @pytest.mark.parametrize("is_exclusive", [False, True])
    def test_whose_exclusiveness_differs_is_refused(
        self, channel: Channel, is_exclusive: bool
    ) -> None:
        declare(channel, "jobs", exclusive=is_exclusive)

        refused = refusal(lambda one: declare(one, "jobs", exclusive=not is_exclusive), channel)
        assert refused.startswith("405 cannot obtain exclusive access to locked queue 'jobs'")

    def test_with_the_type_spelt_out_is_the_same(self, channel: Channel) -> None:
        arguments: Table = {"x-queue-type": longstr("classic")}

        assert declare(channel, "jobs") is declare(channel, "jobs", arguments=arguments)

    def test_by_a_reserved_name_is_refused(self, channel: Channel) -> None:
        expected = "403 queue name 'amq.jobs' contains reserved prefix 'amq.*'"
        assert refusal(lambda one: declare(one, "amq.jobs"), channel) == expected

    @pytest.mark.parametrize(
        ("name", "type_", "expected"),
        [
            ("", "quorum", "Cannot declare a server-named queue for type rabbit_quorum_queue"),
            (
                "s",
                "stream",
                "invalid arg 'x-queue-type' for queue 's' in vhost '/': streams are not offered",
            ),
        ],
    )
    def test_of_some_types_is_refused(
        self, channel: Channel, name: str, type_: str, expected: str
    ) -> None:
        arguments: Table = {"x-queue-type": longstr(type_)}

        refused = refusal(
            lambda one: declare(one, name, durable=True, arguments=arguments), channel
        )
        assert refused == f"406 {expected}"


def test_what_is_not_there_is_told_by_name(channel: Channel) -> None:
    declare(channel, "jobs")
    arguments: Table = {}
    no_queue, no_exchange = "404 no queue 'q' in vhost '/'", "404 no exchange 'x' in vhost '/'"

    refusals: list[tuple[Verb, str]] = [
        (lambda one: topology.check_queue(one, "q"), no_queue),
        (lambda one: topology.purge_queue(one, "q"), no_queue),
        (lambda one: topology.bind_queue(one, "q", "amq.direct", "", arguments), no_queue),
        (lambda one: topology.bind_queue(one, "jobs", "x", "", arguments), no_exchange),
        (lambda one: topology.bind_exchange(one, "x", "amq.direct", "", arguments), no_exchange),
        (lambda one: topology.bind_exchange(one, "amq.direct", "x", "", arguments), no_exchange),
        (lambda one: one.get("q", no_ack=True), no_queue),
        (lambda one: consume(one, "q"), no_queue),
        (lambda one: publish(one, "", b"", exchange="x"), no_exchange),
    ]
    for verb, expected in refusals:
        assert refusal(verb, channel) == expected


def test_what_is_not_there_is_deleted_and_unbound_without_complaint(channel: Channel) -> None:
    declare(channel, "jobs")

    assert topology.delete_queue(channel, "q", if_unused=True, if_empty=True) == 0
    topology.unbind_queue(channel, "q", "amq.direct", "", {})
    topology.unbind_queue(channel, "jobs", "x", "", {})
    topology.unbind_queue(channel, "jobs", "amq.direct", "", {})
    topology.unbind_exchange(channel, "x", "amq.direct", "", {})
    topology.unbind_exchange(channel, "amq.direct", "amq.topic", "", {})


class TestTheQueueDeclaredLast:
    """S-087: an empty name means it."""

    def test_must_be(self, channel: Channel) -> None:
        refused = refusal(lambda one: topology.purge_queue(one, ""), channel)

        assert refused == "404 no previously declared queue"

    def test_is_each_channels_own(self, client: Client, channel: Channel) -> None:
        declare(channel, "one")
        other = client.open(2)
        declare(other, "two")
        publish(channel, "one", b"1")

        assert topology.purge_queue(channel, "") == 1
        assert topology.purge_queue(other, "") == 0

    def test_also_fills_an_empty_key(self, channel: Channel) -> None:
        declare(channel, "jobs")

        topology.bind_queue(channel, "", "amq.direct", "", {})
        publish(channel, "jobs", b"1", exchange="amq.direct")
        assert topology.purge_queue(channel, "") == 1

        topology.unbind_queue(channel, "", "amq.direct", "", {})
        assert not channel.vhost.queue("jobs").bindings


class TestTheDefaultExchange:
    @pytest.mark.parametrize(
        "verb",
        [
            lambda one: topology.bind_queue(one, "jobs", "", "k", {}),
            lambda one: topology.unbind_queue(one, "jobs", "", "k", {}),
            lambda one: topology.bind_exchange(one, "", "amq.direct", "k", {}),
            lambda one: topology.bind_exchange(one, "amq.direct", "", "k", {}),
            lambda one: topology.unbind_exchange(one, "", "amq.direct", "k", {}),
            lambda one: topology.unbind_exchange(one, "amq.direct", "", "k", {}),
        ],
    )
    def test_is_left_alone(self, channel: Channel, verb: Verb) -> None:
        declare(channel, "jobs")

        expected = "403 operation not permitted on the default exchange"
        assert refusal(verb, channel) == expected


@pytest.mark.parametrize(
    "verb",
    [
        lambda one: declare(one, "mine", exclusive=True),
        lambda one: topology.check_queue(one, "mine"),
        lambda one: topology.purge_queue(one, "mine"),
        lambda one: topology.delete_queue(one, "mine", if_unused=False, if_empty=False),
        lambda one: topology.bind_queue(one, "mine", "amq.topic", "k", {}),
        lambda one: topology.unbind_queue(one, "mine", "amq.topic", "k", {}),
    ],
)
def test_an_exclusive_queue_is_its_connections_alone(
    client: Client, channel: Channel, stranger: Channel, verb: Verb
) -> None:
    declare(channel, "mine", exclusive=True)
    topology.bind_queue(channel, "mine", "amq.topic", "k", {})

    assert refusal(verb, stranger).startswith("405 cannot obtain exclusive access")
    verb(client.open(2))


class TestDeletingAQueue:
    def test_tells_how_many_were_ready(self, channel: Channel) -> None:
        declare(channel, "jobs")
        publish(channel, "jobs", b"1", b"2", b"3")
        channel.get("jobs", no_ack=False)

        assert topology.delete_queue(channel, "jobs", if_unused=False, if_empty=False) == 2

    def test_if_empty_or_unused_is_refused_otherwise(self, channel: Channel) -> None:
        declare(channel, "jobs")
        publish(channel, "jobs", b"1")
        consume(channel, "jobs")

        def delete(*, if_unused: bool, if_empty: bool) -> str:
            return refusal(
                lambda one: topology.delete_queue(
                    one, "jobs", if_unused=if_unused, if_empty=if_empty
                ),
                channel,
            )

        assert delete(if_unused=False, if_empty=True) == "406 queue 'jobs' in vhost '/' not empty"
        assert delete(if_unused=True, if_empty=False) == "406 queue 'jobs' in vhost '/' in use"


@pytest.mark.parametrize(("if_unused", "flag"), [(True, "if-unused"), (False, "if-empty")])
def test_a_quorum_queue_is_not_deleted_on_conditions(
    channel: Channel, if_unused: bool, flag: str
) -> None:
    declare(channel, "q", durable=True, arguments={"x-queue-type": longstr("quorum")})

    with pytest.raises(ConnectionException, match=f"queue.delete operations with {flag} flag set"):
        topology.delete_queue(channel, "q", if_unused=if_unused, if_empty=not if_unused)


def test_an_exchange_is_unbound_from_another(channel: Channel) -> None:
    vhost = channel.vhost
    topology.bind_exchange(channel, "amq.fanout", "amq.direct", "k", {})
    assert len(vhost.exchange("amq.direct").bindings) == 1

    topology.unbind_exchange(channel, "amq.fanout", "amq.direct", "k", {})

    assert not vhost.exchange("amq.direct").bindings
    assert not vhost.exchange("amq.fanout").incoming
