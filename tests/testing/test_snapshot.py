"""Snapshots: the whole broker as it was, and clients disturbed as little as possible (R1 to R6)."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from hypothesis import given
from hypothesis import strategies as st
from kit_stage import a_client, take
from recording import Cancelled, Delivered

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.permissions import Permissions, TopicPermissions
from amqpbroker.engine.policies import check_policy
from amqpbroker.engine.ports import NoJournal
from amqpbroker.engine.queue import Queue
from amqpbroker.spec import methods as m
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Table
from amqpbroker.testing import LocalBroker, VHostHandle, broker, snapshot
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.values import as_table

QUEUES: dict[str, Table] = {
    "plain": {},
    "priority": as_table({"x-max-priority": 3}),
    "quorum": as_table({"x-queue-type": "quorum"}),
    "short": as_table({"x-max-length": 3, "x-max-length-bytes": 1000}),
    "wait": as_table(
        {"x-message-ttl": 500, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "plain"}
    ),
    "single": as_table({"x-message-deduplication": True}),
}


def bodies(broker: Broker, name: str) -> list[str]:
    return [message.body.decode() for _, message in broker.vhosts["/"].queues[name].order.entries()]


def declare_all(channel: Channel) -> None:
    for name, arguments in QUEUES.items():
        declare(channel, name, durable=name == "quorum", arguments=arguments)


def seen_of(queue: Queue) -> object:
    """What there is to see of a queue's messages, as if all that is unacked came back."""
    ready = [(position, message.body) for position, message in queue.order.entries()]
    return queue.name, sorted(ready), queue.order.returned_count


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(sorted(QUEUES)), st.integers(0, 4)),
        st.tuples(st.just("get"), st.sampled_from(sorted(QUEUES)), st.booleans()),
        st.tuples(st.just("settle"), st.sampled_from(["ack", "requeue", "reject"]), st.none()),
        st.tuples(st.just("purge"), st.sampled_from(sorted(QUEUES)), st.none()),
        st.tuples(st.just("delete"), st.sampled_from(sorted(QUEUES)), st.none()),
        st.tuples(st.just("pass"), st.integers(1, 300), st.none()),
    ),
    max_size=30,
)


class Scene:
    """A broker of its own, to which steps happen."""

    def __init__(self) -> None:
        self.broker = make_broker()
        self.broker.advance(1_000_000)
        self.client = Client(self.broker)
        self.channel = self.client.open()
        declare_all(self.channel)
        self.number = 0

    def do(self, step: tuple[str, object, object]) -> None:
        verb, one, other = step
        if verb == "publish":
            self.number += 1
            headers = as_table({"x-deduplication-header": f"{other}"})
            properties = properties_of(priority=int(f"{other}"), headers=headers)
            publish(self.channel, f"{one}", b"%d" % self.number, properties=properties)
        elif verb == "get" and one in self.broker.vhosts["/"].queues:
            self.channel.get(f"{one}", no_ack=bool(other))
        elif verb == "settle" and (tags := [tag for tag, _ in self.channel.unacked]):
            if one == "ack":
                self.channel.ack(tags[0], multiple=False)
            else:
                self.channel.reject(tags[0], multiple=False, requeue=one == "requeue")
        elif verb == "purge" and one in self.broker.vhosts["/"].queues:
            self.broker.vhosts["/"].queues[f"{one}"].purge()
        elif verb == "delete" and one in self.broker.vhosts["/"].queues:
            self.broker.delete_queue(self.broker.vhosts["/"].queues[f"{one}"])
        elif verb == "pass":
            self.broker.advance(self.broker.now_ms + int(f"{one}"))
        self.client.finish_pass()

    def state(self) -> object:
        """All queues; to be asked for when nothing is unacked."""
        queues = self.broker.vhosts["/"].queues.values()
        return sorted(map(repr, map(seen_of, queues))), self.broker.held_bytes

    def drain(self, steps: int) -> list[list[str]]:
        """What comes of it as time passes, and then what is left in each queue, in order."""
        for _ in range(steps):
            self.do(("pass", 100, None))
        return [
            [name, *bodies(self.broker, name)] for name in sorted(self.broker.vhosts["/"].queues)
        ]


@given(before=STEPS, after=STEPS)
def test_a_restore_brings_back_what_was_there_whatever_came_between(
    before: list[tuple[str, object, object]], after: list[tuple[str, object, object]]
) -> None:
    """Twice the same steps; in one of the brokers others come between, and are undone."""
    expected, restored = Scene(), Scene()
    for scene in (expected, restored):
        for step in before:
            scene.do(step)
    kept = snapshot.take(restored.broker)
    for step in after:
        restored.do(step)
    snapshot.restore(restored.broker, kept)
    restored.client.finish_pass()
    expected.channel.recover()  # (R4)
    expected.client.finish_pass()
    if any(step[0] == "get" for step in before):
        quorum = expected.broker.vhosts["/"].queues.get("quorum")
        if quorum is not None:  # the order of its returns is the only thing that may differ
            quorum.purge()
            restored.broker.vhosts["/"].queues["quorum"].purge()

    assert restored.state() == expected.state()
    assert restored.drain(6) == expected.drain(6)
    assert restored.broker.held_bytes == expected.broker.held_bytes
    snapshot.restore(restored.broker, kept)
    for queue in list(restored.broker.vhosts["/"].queues.values()):
        restored.broker.delete_queue(queue)
    assert restored.broker.held_bytes == 0


def test_topology_policies_and_people_come_back() -> None:
    broker = make_broker()
    vhost = broker.add_vhost("shop")
    vhost.declare_exchange("orders", "topic", durable=True)
    vhost.declare_exchange("copies", "fanout", auto_delete=True)
    vhost.set_policy(check_policy("ttl", "^q", {"message-ttl": 5000}))
    vhost.bind("orders", vhost.exchange("copies"), "orders.#", {})
    administration.put_user(broker, User("app"))
    administration.set_permissions(broker, "app", "shop", Permissions("^a", ".*", ""))
    administration.set_vhost_limits(broker, "shop", {"max-queues": 10})
    administration.set_user_limits(broker, "app", {"max-connections": 3})
    topic = TopicPermissions("^a", "^b")
    administration.set_topic_permissions(broker, "app", "shop", "orders", topic)
    kept = snapshot.take(broker)

    def state() -> object:
        taken = snapshot.take(broker)
        vhosts = {
            one.name: (one.limits, one.policies, {*map(repr, one.exchanges + one.bindings)})
            for one in taken.vhosts
        }
        people = {user.name: user for user in taken.users}, taken.user_limits
        return vhosts, set(taken.permissions), set(taken.topic_permissions), people

    before = state()
    administration.delete_user(broker, "app")
    administration.put_user(broker, User("other"))
    administration.set_permissions(broker, "guest", "shop")
    administration.set_topic_permissions(broker, "guest", "shop", "orders", topic)
    administration.put_user(broker, User("guest", tags=("management",)))
    vhost.clear_policy("ttl")
    vhost.set_policy(check_policy("late", "^q", {"message-ttl": 1}))
    vhost.delete_exchange("orders")
    vhost.declare_exchange("orders", "direct")
    vhost.declare_exchange("more", "direct")
    vhost.bind("amq.direct", vhost.exchange("more"), "key", {})
    administration.set_vhost_limits(broker, "shop", {})
    broker.add_vhost("late")
    snapshot.restore(broker, kept)
    assert state() == before

    broker.delete_vhost("shop")
    snapshot.restore(broker, kept)
    assert state() == before
    assert repr(kept) == "<Snapshot vhosts=2 queues=0>"


def test_bindings_to_queues_come_back_and_later_ones_go() -> None:
    broker = make_broker()
    channel = Client(broker).open()
    vhost = broker.vhosts["/"]
    for name in ("one", "other"):
        vhost.bind("amq.topic", declare(channel, name), f"{name}.#", {})
    vhost.bind("amq.headers", vhost.queues["one"], "", as_table({"x-match": "any", "a": 1}))
    kept = snapshot.take(broker)
    vhost.bind("amq.topic", vhost.queues["one"], "late", {})
    broker.delete_queue(vhost.queues["other"])
    snapshot.restore(broker, kept)
    publish(channel, "late", b"x", exchange="amq.topic")
    publish(channel, "other.x", b"y", exchange="amq.topic")
    publish(
        channel,
        "",
        b"z",
        exchange="amq.headers",
        properties=properties_of(headers=as_table({"a": 1})),
    )

    assert (bodies(broker, "one"), bodies(broker, "other")) == (["z"], ["y"])


@pytest.mark.parametrize("inner", ["fanout", "x-recent-history"])
def test_what_exchanges_hold_back_or_remember_comes_back(inner: str) -> None:
    broker = make_broker()
    broker.advance(1_000_000)
    client = Client(broker)
    channel = client.open()
    vhost = broker.vhosts["/"]
    vhost.declare_exchange(
        "later", "x-delayed-message", arguments=as_table({"x-delayed-type": inner})
    )
    vhost.declare_exchange(
        "once", "x-message-deduplication", arguments=as_table({"x-cache-size": 5})
    )
    vhost.declare_exchange("history", "x-recent-history")
    queue = declare(channel, "jobs")
    for name in ("later", "once", "history"):
        vhost.bind(name, queue, "", {})
    delay = properties_of(headers=as_table({"x-delay": 1000}))
    seen = properties_of(headers=as_table({"x-deduplication-header": "a"}))
    publish(channel, "", b"early", exchange="later", properties=delay)
    publish(channel, "", b"first", exchange="once", properties=seen)
    publish(channel, "", b"old", exchange="history")
    broker.advance(1_000_400)
    kept = snapshot.take(broker)
    held_bytes = broker.held_bytes

    broker.advance(1_002_000)
    publish(channel, "", b"late", exchange="later", properties=delay)
    publish(channel, "", b"new", exchange="history")
    snapshot.restore(broker, kept)
    assert broker.held_bytes == held_bytes
    publish(channel, "", b"duplicate", exchange="once", properties=seen)
    broker.advance(1_002_599)
    client.finish_pass()
    assert bodies(broker, "jobs") == ["first", "old"]
    broker.advance(1_002_600)
    client.finish_pass()
    assert bodies(broker, "jobs") == ["first", "old", "early"]
    vhost.bind("history", declare(channel, "newcomer"), "", {})
    assert bodies(broker, "newcomer") == ["old"]


def test_consumers_stay_and_have_their_prefetch_back() -> None:
    """(R2), (R3)."""
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    declare(channel, "jobs")
    channel.set_prefetch(1, is_global=False)
    consume(channel, "jobs", "worker")
    kept = snapshot.take(broker)
    publish(channel, "jobs", b"1", b"2")
    [first] = client.finish_pass()
    assert isinstance(first, Delivered)
    snapshot.restore(broker, kept)
    publish(channel, "jobs", b"3")
    [second] = client.finish_pass()
    assert isinstance(second, Delivered)

    assert (first.body, second.body) == (b"1", b"3")
    channel.reject(1, multiple=False, requeue=True)  # nobody's any more
    assert (bodies(broker, "jobs"), broker.vhosts["/"].queues["jobs"].unacked_count) == ([], 1)
    channel.ack(2, multiple=False)
    assert (broker.held_bytes, broker.vhosts["/"].queues["jobs"].unacked_count) == (0, 0)


def test_what_was_unacked_then_is_ready_at_its_old_place() -> None:
    """(R4)."""
    broker = make_broker()
    channel = Client(broker).open()
    declare(channel, "jobs")
    publish(channel, "jobs", b"1", b"2", b"3")
    for _ in range(2):
        channel.get("jobs", no_ack=False)
    channel.reject(1, multiple=False, requeue=True)
    kept = snapshot.take(broker)
    channel.ack(2, multiple=False)
    snapshot.restore(broker, kept)
    got = [channel.get("jobs", no_ack=True) for _ in range(3)]

    assert [(one[1].body, one[2]) for one in got if one is not None] == [
        (b"1", True),
        (b"2", True),
        (b"3", False),
    ]


def test_a_queue_declared_otherwise_gives_way() -> None:
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    declare(channel, "jobs", arguments=as_table({"x-max-length": 5}))
    kept = snapshot.take(broker)
    broker.delete_queue(broker.vhosts["/"].queues["jobs"])
    declare(channel, "jobs")
    consume(channel, "jobs", "worker")
    client.finish_pass()
    snapshot.restore(broker, kept)

    assert client.finish_pass() == [Cancelled(1, "worker")]
    assert "x-max-length" in broker.vhosts["/"].queues["jobs"].arguments


def test_exclusive_queues_live_and_die_with_their_connection() -> None:
    """(R6)."""
    broker = make_broker()
    client, other = Client(broker), Client(broker)
    declare(client.open(), "mine", exclusive=True)
    declare(other.open(), "others", exclusive=True)
    publish(client.connection.channels[1], "mine", b"x")
    kept = snapshot.take(broker)
    broker.delete_queue(broker.vhosts["/"].queues["mine"])
    other.connection.close()
    snapshot.restore(broker, kept)
    assert (list(broker.vhosts["/"].queues), bodies(broker, "mine")) == (["mine"], ["x"])
    client.connection.close()

    assert broker.vhosts["/"].queues == {}


def test_a_transaction_with_acks_in_it_ends_with_its_connection() -> None:
    """(R1)."""
    broker = make_broker()
    client, other = Client(broker), Client(broker)
    channel = client.open()
    declare(channel, "jobs")
    publish(channel, "jobs", b"x")
    kept = snapshot.take(broker)
    channel.select_transactions()
    other.open().select_transactions()
    channel.get("jobs", no_ack=False)
    channel.ack(1, multiple=False)
    snapshot.restore(broker, kept)

    assert list(broker.connections) == [other.connection]
    assert bodies(broker, "jobs") == ["x"]


def test_clients_go_on_over_a_restore(local: LocalBroker, vhost: VHostHandle) -> None:
    queue = vhost.queue("jobs").declare()
    queue.publish("kept")
    with a_client(local, vhost.name) as channel, local.fresh_vhost() as other:
        kept = local.snapshot()
        late = local.add_vhost("late")
        with RawConnection.open(late.url) as in_late:
            channel.publish("", "jobs", b"later")
            other.queue("more").declare()
            local.restore(kept)
            assert in_late.expect(m.ConnectionClose).reply_code == 320
        assert [message.text for message in queue.messages] == ["kept"]
        assert (other.queues, list(vhost.published())) == ({}, [])
        channel.consume("jobs")
        assert take(channel)[0] == b"kept"
        channel.publish("", "jobs", b"new")
        assert take(channel)[0] == b"new"


def test_a_snapshot_is_restored_as_often_as_one_likes() -> None:
    with broker() as local:
        queue = local.vhost().queue("jobs").declare(arguments={"x-message-ttl": 60_000})
        queue.publish("x")
        kept = local.snapshot()
        for _ in range(3):
            local.clock.advance("59s")
            assert queue.ready_count == 1
            local.clock.advance("1s")
            assert queue.ready_count == 0
            local.restore(kept)


class KeepingJournal(NoJournal):
    """A journal that says that it keeps what it is told."""

    keeps = True

    def reserve(self, count: int) -> int:
        return 1


def test_what_is_on_disk_is_not_reached_and_that_is_said() -> None:
    broker = make_broker()
    broker.journal = KeepingJournal()
    channel = Client(broker).open()
    declare(channel, "jobs")
    assert repr(snapshot.take(broker)) == "<Snapshot vhosts=1 queues=1>"
    declare(channel, "kept", durable=True)

    with pytest.raises(RuntimeError, match="queue 'kept' in vhost '/' keeps its messages on disk"):
        snapshot.take(broker)
