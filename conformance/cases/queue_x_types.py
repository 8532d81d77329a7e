"""Quorum queues and streams: properties and arguments that they accept and refuse."""

from __future__ import annotations

from collections.abc import Iterable

from amqpbroker.spec.methods import QueueDeclare, QueueDelete
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import accepted_or_closed, breaks_connection


def of_type(queue: str, kind: str, **arguments: object) -> QueueDeclare:
    """Declare a durable queue of type *kind*; ``_`` in an argument's name stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return QueueDeclare(
        queue=queue, durable=True, arguments=as_table({"x-queue-type": kind, **named})
    )


def refused(peer: Peer, kind: str, name: str, values: Iterable[object]) -> None:
    """Show that a queue of type *kind* cannot have argument *name* of any of *values*."""
    channel = peer.channel()
    for value in values:
        channel.refused(of_type(peer.queue(), kind, **{name: value}))
        channel.open()


def accepted(peer: Peer, kind: str, name: str, values: Iterable[object]) -> None:
    """Show that queues of type *kind* can have argument *name* of each of *values*."""
    channel = peer.channel()
    for number, value in enumerate(values, start=1):
        channel.call(of_type(peer.queue(f"q{number}"), kind, **{name: value}))


def properties_refused(peer: Peer, kind: str) -> None:
    """Show which flags a queue of type *kind* cannot have, one by one and together."""
    channel = peer.channel()
    queue = peer.queue()
    typed = as_table({"x-queue-type": kind})
    for durable, exclusive, auto_delete in (
        (False, False, False),
        (True, True, False),
        (True, False, True),
        (False, True, True),
        (False, False, True),
        (False, True, False),
    ):
        channel.refused(
            QueueDeclare(
                queue=queue, durable=durable, exclusive=exclusive, auto_delete=auto_delete,
                arguments=typed,
            )
        )  # fmt: skip
        channel.open()


@case("S-187", "S-180", needs="quorum")
def quorum_properties(peer: Peer) -> None:
    """A quorum queue must be durable, and neither exclusive nor auto-delete."""
    properties_refused(peer, "quorum")


@case("S-187", "S-180", needs="stream")
def stream_properties(peer: Peer) -> None:
    """A stream must be durable, and neither exclusive nor auto-delete."""
    properties_refused(peer, "stream")


@case("S-147", needs="quorum stream")
def server_named(peer: Peer) -> None:
    """Quorum queues and streams must have names."""
    channel = peer.channel()
    for kind in ("quorum", "stream"):
        channel.refused(of_type("", kind))
        channel.open()


@case("S-187", "S-163", needs="quorum stream")
def values_are_looked_at_before_properties(peer: Peer) -> None:
    """A bad value is reported before a flag that the type cannot have."""
    channel = peer.channel()
    for kind in ("quorum", "stream"):
        arguments = as_table({"x-queue-type": kind, "x-max-length-bytes": -1})
        channel.refused(QueueDeclare(queue=peer.queue(), arguments=arguments))
        channel.open()


@case("S-187", "S-164", needs="quorum stream")
def arguments_are_looked_at_before_properties(peer: Peer) -> None:
    """An argument that the type does not know is reported before a flag that it cannot have."""
    channel = peer.channel()
    for kind in ("quorum", "stream"):
        arguments = as_table({"x-queue-type": kind, "x-max-priority": 5})
        channel.refused(QueueDeclare(queue=peer.queue(), arguments=arguments))
        channel.open()


@case("S-167", "S-182", "S-186", needs="quorum")
def quorum_arguments(peer: Peer) -> None:
    """All arguments that a quorum queue knows."""
    channel = peer.channel()
    arguments: dict[str, object] = {
        "x_dead_letter_exchange": "",
        "x_dead_letter_routing_key": "key",
        "x_dead_letter_strategy": "at-least-once",
        "x_expires": 60000,
        "x_max_length": 5,
        "x_max_length_bytes": 5,
        "x_max_in_memory_length": 5,
        "x_max_in_memory_bytes": 5,
        "x_overflow": "reject-publish",
        "x_single_active_consumer": True,
        "x_quorum_initial_group_size": 1,
        "x_delivery_limit": 3,
        "x_message_ttl": 60000,
        "x_queue_leader_locator": "client-local",
    }
    channel.call(of_type(peer.queue(), "quorum", **arguments))


@case("S-167", "S-164", needs="quorum")
def quorum_arguments_of_other_types(peer: Peer) -> None:
    """Arguments that a quorum queue does not know."""
    channel = peer.channel()
    for name, value in {
        "x_max_priority": 5,
        "x_queue_mode": "lazy",
        "x_queue_version": 2,
        "x_max_age": "1h",
        "x_stream_max_segment_size_bytes": 1000,
        "x_initial_cluster_size": 1,
    }.items():
        channel.refused(of_type(peer.queue(), "quorum", **{name: value}))
        channel.open()


@case("S-176", needs="quorum")
def quorum_dead_letter_strategy(peer: Peer) -> None:
    """How to dead-letter must be one of two words."""
    accepted(peer, "quorum", "x-dead-letter-strategy", ["at-most-once", "at-least-once"])
    refused(peer, "quorum", "x-dead-letter-strategy", ["never", "", 5, None])


@case("S-182", needs="quorum")
def quorum_group_size(peer: Peer) -> None:
    """The initial size of a group must be an integer above zero; it may exceed the cluster."""
    accepted(peer, "quorum", "x-quorum-initial-group-size", [1, 5, Field("b", 3)])
    refused(peer, "quorum", "x-quorum-initial-group-size", [0, -1, "3", 1.5])


@case("S-183", needs="quorum")
def quorum_leader_locator(peer: Peer) -> None:
    """The place of the leader must be one of four words."""
    words = ["client-local", "balanced", "random", "least-leaders"]
    accepted(peer, "quorum", "x-queue-leader-locator", words)
    refused(peer, "quorum", "x-queue-leader-locator", ["nowhere", "", 5])


@case("S-186", needs="quorum")
def quorum_delivery_limit(peer: Peer) -> None:
    """A delivery limit may have any value, even a text: nobody looks at it."""
    channel = peer.channel()
    for value in (0, -1, 2**40, "many", None):
        channel.send(
            QueueDeclare(
                queue=peer.queue(f"q-{value}"), durable=True, no_wait=True,
                arguments=as_table({"x-queue-type": "quorum", "x-delivery-limit": value}),
            )
        )  # fmt: skip
        accepted_or_closed(channel)


@case("S-177", needs="quorum")
def quorum_overflow(peer: Peer) -> None:
    """A quorum queue accepts all three words for what to do with too many messages."""
    words = ["drop-head", "reject-publish", "reject-publish-dlx"]
    accepted(peer, "quorum", "x-overflow", words)
    refused(peer, "quorum", "x-overflow", ["drop-tail", 5])


@case("S-151", needs="quorum")
def quorum_declared_as_another_type(peer: Peer) -> None:
    """A quorum queue cannot be declared again with another type, or none."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "quorum"))
    channel.call(of_type(queue, "quorum"))
    for request in (
        QueueDeclare(queue=queue, durable=True),
        of_type(queue, "classic"),
        of_type(queue, "stream"),
    ):
        channel.refused(request)
        channel.open()


@case("S-149", "S-150", needs="quorum")
def quorum_declared_with_other_arguments(peer: Peer) -> None:
    """A quorum queue's own arguments are compared, those of other types are not."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "quorum", x_max_length=5))
    channel.call(of_type(queue, "quorum", x_max_length=Field("l", 5), x_max_priority=5))
    for arguments in ({"x_max_length": 6}, {}, {"x_max_length": 5, "x_delivery_limit": 3}):
        channel.refused(of_type(queue, "quorum", **arguments))
        channel.open()


@case("S-191", needs="quorum")
def quorum_deleted_if_unused(peer: Peer) -> None:
    """A quorum queue cannot be deleted if-unused."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "quorum"))
    breaks_connection(channel, QueueDelete(queue=queue, if_unused=True))


@case("S-191", needs="quorum")
def quorum_deleted_if_empty(peer: Peer) -> None:
    """A quorum queue cannot be deleted if-empty."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "quorum"))
    breaks_connection(channel, QueueDelete(queue=queue, if_empty=True))


@case("S-168", needs="stream")
def stream_arguments(peer: Peer) -> None:
    """All arguments that a stream knows."""
    channel = peer.channel()
    arguments: dict[str, object] = {
        "x_max_length_bytes": 1_000_000,
        "x_max_age": "1D",
        "x_stream_max_segment_size_bytes": 100_000,
        "x_initial_cluster_size": 1,
        "x_queue_leader_locator": "balanced",
    }
    channel.call(of_type(peer.queue(), "stream", **arguments))


@case("S-168", "S-164", needs="stream")
def stream_arguments_of_other_types(peer: Peer) -> None:
    """Arguments that a stream does not know."""
    channel = peer.channel()
    for name, value in {
        "x_expires": 60000,
        "x_message_ttl": 60000,
        "x_dead_letter_exchange": "",
        "x_max_length": 5,
        "x_max_priority": 5,
        "x_overflow": "drop-head",
        "x_single_active_consumer": True,
        "x_delivery_limit": 3,
        "x_quorum_initial_group_size": 1,
        "x_queue_mode": "lazy",
    }.items():
        channel.refused(of_type(peer.queue(), "stream", **{name: value}))
        channel.open()


@case("S-184", needs="stream")
def stream_max_age(peer: Peer) -> None:
    """The age of a stream is a number and a unit."""
    accepted(peer, "stream", "x-max-age", ["1Y", "2M", "3D", "4h", "5m", "6s"])
    refused(peer, "stream", "x-max-age", ["5x", "0D", "5", "1 h", "1h1m", "1d", 5, None])


@case("S-184", "S-007", needs="stream")
def stream_max_age_without_a_number(peer: Peer) -> None:
    """An age that does not begin with a digit ends the connection."""
    breaks_connection(peer.channel(), of_type(peer.queue(), "stream", x_max_age="forever"))


@case("S-185", needs="stream")
def stream_segment_size(peer: Peer) -> None:
    """The size of a segment is at most 3 GB."""
    accepted(peer, "stream", "x-stream-max-segment-size-bytes", [1000, 3_000_000_000])
    refused(peer, "stream", "x-stream-max-segment-size-bytes", [3_000_000_001, -1, "5"])


@case("S-182", needs="stream")
def stream_cluster_size(peer: Peer) -> None:
    """The initial size of a cluster must be an integer above zero."""
    accepted(peer, "stream", "x-initial-cluster-size", [1, 5])
    refused(peer, "stream", "x-initial-cluster-size", [0, -1, "3"])


@case("S-183", needs="stream")
def stream_leader_locator(peer: Peer) -> None:
    """The place of a stream's leader must be one of four words."""
    words = ["client-local", "balanced", "random", "least-leaders"]
    accepted(peer, "stream", "x-queue-leader-locator", words)
    refused(peer, "stream", "x-queue-leader-locator", ["nowhere", 5])


@case("S-191", needs="stream")
def stream_deleted_conditionally(peer: Peer) -> None:
    """A stream is deleted whatever the conditions say."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "stream"))
    channel.publish("", queue, b"kept")
    channel.call(QueueDelete(queue=queue, if_unused=True, if_empty=True))


@case("S-151", needs="stream")
def stream_declared_as_another_type(peer: Peer) -> None:
    """A stream cannot be declared again with another type, or none."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(of_type(queue, "stream"))
    channel.call(of_type(queue, "stream"))
    for request in (QueueDeclare(queue=queue, durable=True), of_type(queue, "quorum")):
        channel.refused(request)
        channel.open()
