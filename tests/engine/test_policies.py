"""Policies: which one holds for what, and what changes when they do."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from hypothesis import given
from hypothesis import strategies as st
from queue_stage import arguments_of
from recording import Delivered

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.policies import Policies, Policy, check_policy
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.table import EMPTY_TABLE, longstr


def policy(name: str = "p", pattern: str = "", /, **definition: object) -> Policy:
    """A policy; underscores stand for the dashes of its keys."""
    keys = {key.replace("_", "-"): value for key, value in definition.items()}
    return check_policy(name, pattern, keys or {"max-length": 5})


@pytest.fixture
def client() -> Client:
    return Client(make_broker())


@pytest.fixture
def vhost(client: Client) -> VHost:
    return client.connection.vhost


def bodies(queue: Queue) -> list[bytes]:
    return [message.body for message in queue.order.messages()]


# Which one holds


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["", "q", "x"]),
            st.integers(-1, 1),
            st.sampled_from(["all", "queues", "exchanges", "classic_queues", "quorum_queues"]),
            st.sampled_from(["max-length", "delivery-limit", "queue-mode"]),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.sampled_from(["classic", "quorum", "exchange"]),
)
def test_of_the_policies_that_concern_an_object_the_highest_holds(
    drawn: list[tuple[str, str, int, str, str, bool]], kind: str
) -> None:
    policies = Policies()
    for name, pattern, priority, apply_to, key, is_operators in drawn:
        key = "max-length" if is_operators and key == "queue-mode" else key
        policies.put(
            check_policy(
                name, pattern, {key: "lazy" if key == "queue-mode" else 5},
                apply_to=apply_to, priority=priority, is_operators=is_operators,
            )
        )  # fmt: skip
    meant = {
        "all": ("classic", "quorum", "exchange"),
        "queues": ("classic", "quorum"),
        "exchanges": ("exchange",),
        "classic_queues": ("classic",),
        "quorum_queues": ("quorum",),
    }

    for is_operators, found in zip((False, True), policies.applied(kind, "q"), strict=True):
        expected = None
        for one in policies.listed(is_operators=is_operators):
            unknown = {"delivery-limit": "classic", "queue-mode": "quorum"}
            if one.pattern == "x" or kind not in meant[one.apply_to]:
                continue
            if any(unknown.get(key) == kind for key in one.definition):
                continue
            if expected is None or one.priority > expected.priority:
                expected = one
        assert found == expected


def test_a_policy_that_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(OperatorError, match="there is no operator policy 'p'"):
        Policies().remove("p", is_operators=True)


def test_everything_that_is_wrong_is_told() -> None:
    with pytest.raises(OperatorError) as caught:
        check_policy("p", 5, {}, apply_to="topics", priority="high")

    assert str(caught.value).split("; ") == [
        "no policy provided",
        "apply-to 'topics' unrecognised",
        "should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', 'exchanges', "
        "or 'all'",
        "pattern should be a binary but was 5",
        'priority should be a number, actually was <<"high">>',
    ]


# What changes


def test_a_lower_limit_holds_for_what_is_there(client: Client, vhost: VHost) -> None:
    queue = declare(client.open(), "q")
    publish(client.connection.channels[1], "q", b"1", b"2", b"3")

    vhost.set_policy(policy(max_length=2))
    client.finish_pass()

    assert bodies(queue) == [b"2", b"3"]


def test_a_limit_of_bytes_counts_what_was_there_before(client: Client, vhost: VHost) -> None:
    queue = declare(client.open(), "q", arguments=arguments_of({"max-priority": 5}))
    publish(client.connection.channels[1], "q", b"12", b"34", b"56")
    client.connection.channels[1].get("q", no_ack=False)

    vhost.set_policy(policy(max_length_bytes=5))
    publish(client.connection.channels[1], "q", b"7")
    client.connection.channels[1].reject(1, multiple=False, requeue=True)
    client.finish_pass()

    assert bodies(queue) == [b"34", b"56", b"7"]


def test_a_limit_holds_before_the_queue_begins_to_refuse(client: Client, vhost: VHost) -> None:
    queue = declare(client.open(), "q")
    publish(client.connection.channels[1], "q", b"1", b"2", b"3")

    vhost.set_policy(policy(max_length=1, overflow="reject-publish"))
    client.finish_pass()

    assert bodies(queue) == [b"3"]


def test_a_limit_that_is_gone_limits_no_more(client: Client, vhost: VHost) -> None:
    queue = declare(client.open(), "q")
    assert queue.is_plain
    vhost.set_policy(policy(max_length=1))
    assert not queue.is_plain

    vhost.clear_policy("p")
    publish(client.connection.channels[1], "q", b"1", b"2")
    client.finish_pass()

    assert queue.is_plain
    assert bodies(queue) == [b"1", b"2"]


def test_a_time_to_live_is_that_of_messages_to_come(client: Client, vhost: VHost) -> None:
    channel, broker = client.open(), client.connection.broker
    queue = declare(channel, "q")
    publish(channel, "q", b"before")
    vhost.set_policy(policy(message_ttl=10))
    publish(channel, "q", b"timed")
    vhost.clear_policy("p")
    publish(channel, "q", b"after")
    assert queue.is_plain

    channel.get("q", no_ack=True)
    broker.advance(11)
    client.finish_pass()

    assert bodies(queue) == [b"after"]


def test_a_death_is_routed_by_the_rules_of_its_time(client: Client, vhost: VHost) -> None:
    channel = client.open()
    queue = declare(channel, "q")
    dead = declare(channel, "dead")
    vhost.set_policy(policy("p", "^q", dead_letter_exchange="", dead_letter_routing_key="dead"))
    publish(channel, "q", b"1")
    answer = channel.get("q", no_ack=False)
    assert answer is not None
    channel.reject(answer[0], multiple=False, requeue=False)

    vhost.clear_policy("p")
    client.finish_pass()

    assert (bodies(queue), bodies(dead)) == ([], [b"1"])


def test_a_queue_lives_as_long_as_its_policy_says_from_then_on(
    client: Client, vhost: VHost
) -> None:
    broker = client.connection.broker
    declare(client.open(), "q", arguments=arguments_of({"expires": 100}))
    broker.advance(60)

    vhost.set_policy(policy(expires=50))
    broker.advance(109)
    assert "q" in vhost.queues
    broker.advance(110)

    assert "q" not in vhost.queues


def test_a_queue_lives_on_when_its_policy_goes(client: Client, vhost: VHost) -> None:
    vhost.set_policy(policy(expires=50))
    declare(client.open(), "q")

    vhost.clear_policy("p")
    client.connection.broker.advance(1000)

    assert "q" in vhost.queues


def test_a_new_delivery_limit_counts_what_has_failed_before(client: Client, vhost: VHost) -> None:
    channel = client.open()
    queue = declare(channel, "q", durable=True, arguments={"x-queue-type": longstr("quorum")})
    publish(channel, "q", b"1")
    for _ in range(3):
        answer = channel.get("q", no_ack=False)
        assert answer is not None
        channel.reject(answer[0], multiple=False, requeue=True)

    vhost.set_policy(policy(delivery_limit=3))
    answer = channel.get("q", no_ack=False)
    assert answer is not None
    channel.reject(answer[0], multiple=False, requeue=True)

    assert bodies(queue) == []


def test_what_changes_nothing_leaves_the_queue_alone(client: Client, vhost: VHost) -> None:
    queue = declare(client.open(), "q")
    rules = queue.rules

    vhost.set_policy(policy(queue_version=2))

    assert queue.rules is rules
    assert queue not in client.connection.broker.to_dispatch


def test_an_alternate_exchange_is_followed_from_then_on(client: Client, vhost: VHost) -> None:
    channel = client.open()
    vhost.declare_exchange("x", "direct")
    alternate = vhost.declare_exchange("alternate", "fanout")
    queue = declare(channel, "q")
    vhost.bind("alternate", queue, "", EMPTY_TABLE)
    publish(channel, "key", b"1", exchange="x")  # the route to nowhere is remembered

    vhost.set_policy(policy("p", "^x$", alternate_exchange="alternate"))
    publish(channel, "key", b"2", exchange="x")
    vhost.clear_policy("p")
    publish(channel, "key", b"3", exchange="x")

    assert alternate.alternate_name is None
    assert bodies(queue) == [b"2"]


def test_the_default_exchange_has_no_policies(client: Client, vhost: VHost) -> None:
    vhost.set_policy(policy(alternate_exchange="amq.fanout"))

    assert vhost.default_exchange.alternate_name is None
    assert vhost.exchange("amq.direct").alternate_name == "amq.fanout"


def test_consumers_go_on_under_other_rules(client: Client, vhost: VHost) -> None:
    channel = client.open()
    declare(channel, "q")
    consume(channel, "q", "c")

    vhost.set_policy(policy(max_length=0))
    publish(channel, "q", b"1")

    told = client.finish_pass()
    assert [one.body for one in told if isinstance(one, Delivered)] == [b"1"]
