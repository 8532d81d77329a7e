"""Exclusive queues: what another connection may not do with them."""

from __future__ import annotations

from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicCancel,
    BasicConsume,
    BasicGet,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueuePurge,
    QueueUnbind,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, count, fill, stocked


def locked(peer: Peer) -> tuple[str, RawChannel, RawChannel]:
    """An exclusive queue, a channel of its connection, and one of a stranger."""
    owner, stranger = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = peer.queue()
    owner.call(QueueDeclare(queue=queue, exclusive=True))
    return queue, owner, stranger


@case("S-160")
def declare(peer: Peer) -> None:
    """A queue that is exclusive to one connection cannot be declared by another."""
    queue, _, stranger = locked(peer)
    stranger.refused(QueueDeclare(queue=queue, exclusive=True))
    stranger.open()
    stranger.refused(QueueDeclare(queue=queue))


@case("S-160", "S-162")
def passive_declare(peer: Peer) -> None:
    """A queue that is exclusive to one connection is there, and locked, for another."""
    queue, _, stranger = locked(peer)
    stranger.refused(QueueDeclare(queue=queue, passive=True))


@case("S-160")
def consume(peer: Peer) -> None:
    """A queue that is exclusive to one connection cannot be consumed by another."""
    queue, owner, stranger = locked(peer)
    stranger.refused(BasicConsume(queue=queue, consumer_tag="c"))
    count(owner, queue)


@case("S-160", "S-240")
def get(peer: Peer) -> None:
    """Another connection can get nothing from an exclusive queue."""
    queue, owner, stranger = locked(peer)
    owner.publish("", queue, b"mine")
    stranger.refused(BasicGet(queue=queue))
    owner.get(queue)


@case("S-160")
def purge(peer: Peer) -> None:
    """Another connection cannot purge an exclusive queue."""
    queue, owner, stranger = locked(peer)
    owner.publish("", queue, b"mine")
    stranger.refused(QueuePurge(queue=queue))
    owner.call(QueuePurge(queue=queue))


@case("S-160")
def delete(peer: Peer) -> None:
    """Another connection cannot delete an exclusive queue."""
    queue, owner, stranger = locked(peer)
    stranger.refused(QueueDelete(queue=queue))
    owner.call(QueueDelete(queue=queue))


@case("S-160", "S-190")
def conditional_delete(peer: Peer) -> None:
    """The lock is looked at before if-empty and if-unused."""
    queue, _, stranger = locked(peer)
    fill(peer, queue, b"mine")
    stranger.refused(QueueDelete(queue=queue, if_empty=True, if_unused=True))


@case("S-160", "S-116")
def bind(peer: Peer) -> None:
    """Another connection cannot bind an exclusive queue."""
    queue, _, stranger = locked(peer)
    stranger.refused(QueueBind(queue=queue, exchange="amq.direct", routing_key=queue))


@case("S-160", "S-116")
def bind_again(peer: Peer) -> None:
    """Another connection cannot bind an exclusive queue, even when the binding is there."""
    queue, owner, stranger = locked(peer)
    request = QueueBind(queue=queue, exchange="amq.direct", routing_key=queue)
    owner.call(request)
    stranger.refused(request)


@case("S-112", "S-116")
def bind_to_an_absent_exchange(peer: Peer) -> None:
    """An exchange that is not there is reported before the lock."""
    queue, _, stranger = locked(peer)
    stranger.refused(QueueBind(queue=queue, exchange=peer.exchange("nope"), routing_key="k"))


@case("S-160", "S-116")
def unbind(peer: Peer) -> None:
    """Another connection cannot unbind an exclusive queue."""
    queue, owner, stranger = locked(peer)
    owner.call(QueueBind(queue=queue, exchange="amq.direct", routing_key=queue))
    stranger.refused(QueueUnbind(queue=queue, exchange="amq.direct", routing_key=queue))
    owner.publish("amq.direct", queue, b"bound")
    owner.get(queue)


@case("S-116")
def unbind_of_no_binding(peer: Peer) -> None:
    """Another connection may unbind an exclusive queue from what it is not bound to."""
    queue, _, stranger = locked(peer)
    stranger.call(QueueUnbind(queue=queue, exchange="amq.direct", routing_key="other"))


@case("S-161")
def publish(peer: Peer) -> None:
    """Anybody may publish to an exclusive queue, by its name and through a binding."""
    queue, owner, stranger = locked(peer)
    owner.call(QueueBind(queue=queue, exchange="amq.direct", routing_key=queue))
    stranger.publish("", queue, b"by name", mandatory=True)
    stranger.publish("amq.direct", queue, b"by key", mandatory=True)
    stranger.round_trip()
    assert owner.get_all(queue) == [b"by name", b"by key"]


@case("S-159")
def all_channels_of_the_owner(peer: Peer) -> None:
    """Every channel of the owner may do everything."""
    queue, owner, _ = locked(peer)
    other = peer.channel(owner.connection)
    other.call(QueueDeclare(queue=queue, passive=True))
    other.call(QueueBind(queue=queue, exchange="amq.direct", routing_key=queue))
    other.publish("amq.direct", queue, b"1")
    other.get(queue)
    other.consume(queue, "c", no_ack=True)
    other.call(QueueUnbind(queue=queue, exchange="amq.direct", routing_key=queue))
    other.call(QueuePurge(queue=queue))
    other.call(BasicCancel("c"))
    other.call(QueueDelete(queue=queue))


@case("S-159", "S-160")
def name_is_free_afterwards(peer: Peer) -> None:
    """When the owner has gone, another connection may own a queue of the name."""
    queue, owner, stranger = locked(peer)
    owner.publish("", queue, b"lost")
    owner.connection.close()
    stranger.call(QueueDeclare(queue=queue, exclusive=True))


@case("S-230", "S-160")
def exclusive_consumer_is_another_thing(peer: Peer) -> None:
    """A queue with an exclusive consumer is open to other connections for all but consuming."""
    owner, stranger = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = peer.queue()
    owner.call(QueueDeclare(queue=queue))
    owner.call(BasicConsume(queue=queue, consumer_tag="c", exclusive=True))
    stranger.call(QueueDeclare(queue=queue))
    stranger.call(QueuePurge(queue=queue))
    stranger.call(BasicGet(queue=queue))
    stranger.refused(BasicConsume(queue=queue, consumer_tag="d"))


@case("S-160", "S-093")
def nowait_hides_no_lock(peer: Peer) -> None:
    """Methods that want no answer are told that the queue is locked."""
    queue, _, stranger = locked(peer)
    requests: list[Method] = [
        QueueDeclare(queue=queue, exclusive=True, no_wait=True),
        QueueDeclare(queue=queue, passive=True, no_wait=True),
        BasicConsume(queue=queue, consumer_tag="c", no_wait=True),
        QueuePurge(queue=queue, no_wait=True),
        QueueDelete(queue=queue, no_wait=True),
        QueueBind(queue=queue, exchange="amq.direct", routing_key=queue, no_wait=True),
    ]
    for request in requests:
        stranger.refused(request)
        stranger.open()


@case("S-160", "S-232", "S-239")
def lock_is_looked_at_before_arguments(peer: Peer) -> None:
    """The lock is reported before a consumer's bad argument and a queue's different one."""
    queue, _, stranger = locked(peer)
    arguments = as_table({"x-priority": "high", "x-max-length": 5})
    stranger.refused(BasicConsume(queue=queue, consumer_tag="c", arguments=arguments))
    stranger.open()
    stranger.refused(QueueDeclare(queue=queue, exclusive=True, arguments=arguments))


@case("S-160", "S-228")
def tag_is_looked_at_before_the_lock(peer: Peer) -> None:
    """A tag that is used twice is reported before the lock."""
    queue, _, stranger = locked(peer)
    stranger.consume(stocked(peer, stranger, word="other"), "c")
    breaks_connection(stranger, BasicConsume(queue=queue, consumer_tag="c"))
