"""The event exchange: what amq.rabbitmq.event says of what comes, goes and is changed.

Each case looks at the events of one kind that speak of its own vhost or user.  What names a
process, a port or a time is left out.
"""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicCancel,
    BasicConsume,
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDelete,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueueUnbind,
)
from amqpbroker.spec.table import Field, longstr
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from amqpbroker.testing.wording import table_text
from conformance.peers import Peer
from conformance.registry import case

NEEDS = "admin events"
_OPEN = frozenset(
    "timestamp_in_ms connected_at pid channel connection owner_pid peer_port port name "
    "leader members node host peer_host connection_name error".split()
)
"""Headers whose values are each broker's or each run's own."""
_NAMES_OF_NETWORK = frozenset(("connection.created", "channel.created"))


def _watched(peer: Peer, key: str) -> RawChannel:
    """A channel that gets the events of some kinds, and a vhost for them to be about."""
    url = peer.url
    with peer.quiet():
        watcher = peer.channel(peer.connect(url))
        queue = peer.queue("events")
        watcher.call(QueueDeclare(queue=queue, exclusive=True))
        watcher.call(QueueBind(0, queue, "amq.rabbitmq.event", key))
        watcher.call(BasicConsume(0, queue, "watcher", no_ack=True))
    peer.own_vhost()
    return watcher


def _look(peer: Peer, watcher: RawChannel, *keys: str, about: str | None = None) -> None:
    """Write down the next events of these kinds that are about the case's own things.

    *about* narrows it down to one of them.
    """
    wanted = list(keys)
    while wanted:
        with peer.quiet():
            event = watcher.deliveries(1)[0]
        key = str(event.method.arguments_by_name()["routing_key"])
        headers = event.properties.headers
        if key not in wanted or (about or peer.name("")) not in table_text(headers):
            continue
        wanted.remove(key)
        shown = {
            name: Field("", f"<{name}>".encode())
            if name in _OPEN and (name != "name" or key in _NAMES_OF_NETWORK)
            else field
            for name, field in sorted(headers.items())
        }
        assert (event.body, event.properties.delivery_mode) == (b"", 2)
        in_ms = headers["timestamp_in_ms"].value
        assert isinstance(in_ms, int)
        assert event.properties.timestamp == in_ms // 1000
        peer.note(f"{key} {table_text(shown)}")


def _queue(peer: Peer, channel: RawChannel, word: str = "q") -> str:
    name = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=name, durable=True))
    return name


@case("S-350", needs=NEEDS)
def a_queue(peer: Peer) -> None:
    """A queue is told of when it is declared and when it is deleted."""
    watcher = _watched(peer, "queue.#")
    channel = peer.channel()
    arguments = as_table({"x-max-length": Field("I", 5)})
    channel.call(QueueDeclare(queue=peer.queue(), durable=True, arguments=arguments))
    _look(peer, watcher, "queue.created")
    channel.call(QueueDelete(queue=peer.queue()))
    _look(peer, watcher, "queue.deleted")


@case("S-350", needs=f"{NEEDS} quorum")
def a_quorum_queue(peer: Peer) -> None:
    """A quorum queue has neither owner nor members in its event."""
    watcher = _watched(peer, "queue.#")
    arguments = as_table({"x-queue-type": "quorum"})
    peer.channel().call(QueueDeclare(queue=peer.queue(), durable=True, arguments=arguments))
    _look(peer, watcher, "queue.created")


@case("S-350", needs=NEEDS)
def an_exclusive_queue(peer: Peer) -> None:
    """An exclusive queue goes with its connection, and nobody has done it."""
    watcher = _watched(peer, "queue.#")
    connection = peer.connect()
    peer.channel(connection).call(QueueDeclare(queue=peer.queue(), exclusive=True))
    _look(peer, watcher, "queue.created")
    with peer.quiet():
        connection.close()
    peer.note("the connection is closed")
    _look(peer, watcher, "queue.deleted")


@case("S-350", needs=f"{NEEDS} expires")
def a_queue_that_expires(peer: Peer) -> None:
    """A queue that expires is deleted by nobody."""
    watcher = _watched(peer, "queue.deleted")
    arguments = as_table({"x-expires": Field("I", 50)})
    peer.channel().call(QueueDeclare(queue=peer.queue(), arguments=arguments))
    _look(peer, watcher, "queue.deleted")


@case("S-350", needs=NEEDS)
def an_exchange(peer: Peer) -> None:
    """An exchange is told of when it is declared and when it is deleted."""
    watcher = _watched(peer, "exchange.#")
    channel = peer.channel()
    arguments = as_table({"alternate-exchange": longstr("other")})
    exchange = peer.exchange()
    channel.call(
        ExchangeDeclare(exchange=exchange, type="topic", durable=True, arguments=arguments)
    )
    _look_at_exchange(peer, watcher, "exchange.created", exchange)
    channel.call(ExchangeDelete(exchange=exchange))
    _look_at_exchange(peer, watcher, "exchange.deleted", exchange)


def _look_at_exchange(peer: Peer, watcher: RawChannel, key: str, exchange: str) -> None:
    """As `_look`, past the exchanges that the vhost has from the start."""
    with peer.quiet():
        while True:
            event = watcher.deliveries(1)[0]
            headers = event.properties.headers
            if headers["name"].text == exchange:
                break
    assert event.method.arguments_by_name()["routing_key"] == key
    shown = {name: field for name, field in sorted(headers.items()) if name != "timestamp_in_ms"}
    peer.note(f"{key} {table_text(shown)}")


@case("S-350", needs=NEEDS)
def bindings(peer: Peer) -> None:
    """A binding is told of with both ends, its key and its arguments."""
    watcher = _watched(peer, "binding.#")
    channel = peer.channel()
    queue = _queue(peer, channel)
    arguments = as_table({"a": Field("I", 1)})
    channel.call(QueueBind(0, queue, "amq.direct", "k", arguments=arguments))
    _look(peer, watcher, "binding.created")
    channel.call(QueueUnbind(0, queue, "amq.direct", "k", arguments=arguments))
    _look(peer, watcher, "binding.deleted")
    channel.call(ExchangeBind(0, "amq.fanout", "amq.topic", "k"))
    _look(peer, watcher, "binding.created")


@case("S-350", needs=NEEDS)
def a_consumer(peer: Peer) -> None:
    """A consumer is told of when it starts and when it is cancelled."""
    watcher = _watched(peer, "consumer.#")
    channel = peer.channel()
    queue = _queue(peer, channel)
    arguments = as_table({"x-priority": Field("I", 3)})
    channel.call(BasicConsume(0, queue, "worker", arguments=arguments))
    _look(peer, watcher, "consumer.created")
    channel.call(BasicCancel("worker"))
    _look(peer, watcher, "consumer.deleted")


@case("S-350", needs=NEEDS)
def a_connection_and_a_channel(peer: Peer) -> None:
    """A connection is told of with what was agreed, and a channel with its number."""
    watcher = _watched(peer, "*.created")
    connection = peer.connect()
    _look(peer, watcher, "connection.created")
    with peer.quiet():
        connection.channel()
    _look(peer, watcher, "channel.created")


@case("S-350", needs=NEEDS)
def a_user(peer: Peer) -> None:
    """A user is told of, then its tags; a change is told as a new password."""
    watcher = _watched(peer, "user.#")
    user = peer.admin.add_user("alice", tags="monitoring")
    _look(peer, watcher, "user.created", "user.tags.set")
    peer.admin.change_user(user, password="other", tags="management")
    _look(peer, watcher, "user.password.changed", "user.tags.set")
    peer.admin.delete_user(user)
    _look(peer, watcher, "user.deleted")


@case("S-350", needs=f"{NEEDS} policies")
def policies(peer: Peer) -> None:
    """A policy is told of when it is set and when it is cleared."""
    watcher = _watched(peer, "#")
    peer.admin.set_policy("short", "^q", {"max-length": 5}, apply_to="queues", priority=1)
    _look(peer, watcher, "policy.set")
    peer.admin.clear_policy("short")
    _look(peer, watcher, "policy.cleared")
    peer.admin.set_operator_policy("tight", "^q", {"max-length": 5}, apply_to="queues")
    _look(peer, watcher, "policy.set")
    peer.admin.clear_operator_policy("tight")
    _look(peer, watcher, "operator.policy.cleared")


@case("S-350", needs=NEEDS)
def permissions(peer: Peer) -> None:
    """Permissions are told of when they are set, and topic permissions as well."""
    watcher = _watched(peer, "#")
    user = peer.admin.add_user("alice")
    peer.admin.set_permissions(user, configure="", write="q", read=".*")
    _look(peer, watcher, "permission.created", about=user)
    peer.admin.set_topic_permissions(user, "amq.topic", write="a", read="b")
    _look(peer, watcher, "topic.permission.created")
    peer.admin.clear_topic_permissions(user)
    _look(peer, watcher, "topic.permission.deleted")
    peer.admin.clear_permissions(user)
    _look(peer, watcher, "permission.deleted")


@case("S-350", needs=NEEDS)
def a_vhost(peer: Peer) -> None:
    """A vhost is told of when it is gone."""
    watcher = _watched(peer, "vhost.deleted")
    other = peer.admin.add_vhost("other")
    peer.admin.delete_vhost(other)
    _look(peer, watcher, "vhost.deleted")


@case("S-350", needs=f"{NEEDS} limits")
def limits(peer: Peer) -> None:
    """Limits are told of with their values."""
    watcher = _watched(peer, "#")
    peer.admin.set_vhost_limit("max-queues", 10)
    _look(peer, watcher, "vhost.limits.set")
    user = peer.admin.add_user("alice")
    peer.admin.set_user_limit(user, "max-channels", 10)
    _look(peer, watcher, "user.limits.set")
    peer.admin.clear_user_limit(user, "max-channels")
    _look(peer, watcher, "user.limits.cleared")
