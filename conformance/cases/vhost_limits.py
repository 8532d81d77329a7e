"""Limits of vhosts: how many queues and connections there may be."""

from __future__ import annotations

from amqpbroker.spec.methods import QueueDeclare, QueueDeclareOk
from conformance.peers import Peer
from conformance.registry import case


@case("S-155", "S-347", needs="admin limits")
def one_queue_too_many(peer: Peer) -> None:
    """A vhost with max-queues takes no more queues than that; one that is there is no new one."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-queues", 2)
    channel = peer.channel()
    for name in ("one", "two", "one"):
        channel.call(QueueDeclare(queue=peer.queue(name)), QueueDeclareOk)
    channel.refused(QueueDeclare(queue=peer.queue("three")))
    channel.open()
    channel.refused(QueueDeclare(queue=""))
