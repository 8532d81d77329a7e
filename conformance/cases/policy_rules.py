"""Policies on queues: which one holds, what it does to a queue, and how it joins the arguments."""

from __future__ import annotations

from amqpbroker.spec.methods import BasicGet, BasicGetEmpty
from amqpbroker.testing.raw_channel import RawChannel
from conformance.peers import Peer
from conformance.timed import (
    confirming,
    publish_all,
)

NEEDS = "admin policies"


def kept(peer: Peer, channel: RawChannel, queue: str, *bodies: bytes) -> None:
    """Show that of *bodies*, which are published now, *queue* keeps so many: get them all."""
    publisher = confirming(peer)
    publish_all(publisher, queue, *bodies)
    publisher.expect_confirms()
    left(channel, queue)


def left(channel: RawChannel, queue: str) -> None:
    """Show what stands in *queue*, the number of messages behind each: get them all."""
    while True:
        channel.send(BasicGet(queue=queue, no_ack=True))
        event = channel.receive()
        if "get-empty" in str(getattr(event, "method", "")) or _is_empty(event):
            return


def _is_empty(event: object) -> bool:
    return isinstance(getattr(event, "method", None), BasicGetEmpty)
