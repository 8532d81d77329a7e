"""Values of queue arguments that a classic queue accepts and refuses."""

from __future__ import annotations

from collections.abc import Iterable

from amqpbroker.spec.methods import QueueDeclare
from amqpbroker.spec.table import Decimal, Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, accepted_or_closed

NO_INTEGERS: list[object] = [
    "5", 1.5, True, None, Field("T", 5), Field("x", b"5"), Field("f", 5.0), [5], {"n": 5},
    Field("D", Decimal(0, 5)),
]  # fmt: skip
NO_TEXTS: list[object] = [5, True, None, 1.5, Field("x", b"text"), ["text"], {"t": "text"}]


def refused(peer: Peer, name: str, values: Iterable[object], **others: object) -> None:
    """Show that a queue cannot be declared with argument *name* of any of *values*."""
    channel = peer.channel()
    queue = peer.queue()
    for value in values:
        arguments = as_table({name: value, **others})
        channel.refused(QueueDeclare(queue=queue, arguments=arguments))
        channel.open()


def accepted(peer: Peer, name: str, values: Iterable[object], **others: object) -> None:
    """Show that queues can be declared with argument *name* of each of *values*."""
    channel = peer.channel()
    for number, value in enumerate(values, start=1):
        arguments = as_table({name: value, **others})
        channel.call(QueueDeclare(queue=peer.queue(f"q{number}"), arguments=arguments))


def refused_together(channel: RawChannel, queue: str, arguments: dict[str, object]) -> None:
    channel.refused(QueueDeclare(queue=queue, arguments=as_table(arguments)))
    channel.open()


@case("S-169", "S-163", needs="queue-arguments")
def integers_of_any_width(peer: Peer) -> None:
    """A number may be an integer of any width."""
    accepted(peer, "x-max-length", [Field(kind, 5) for kind in "bBsuIilL"])


@case("S-169", "S-163", needs="queue-arguments")
def max_length_that_is_no_integer(peer: Peer) -> None:
    """A number must be an integer; other kinds are named in the error."""
    refused(peer, "x-max-length", NO_INTEGERS)


@case("S-172", needs="queue-arguments")
def max_length_out_of_range(peer: Peer) -> None:
    """A maximum length must not be negative."""
    refused(peer, "x-max-length", [-1, Field("b", -128), Field("l", -(2**63))])


@case("S-172", needs="queue-arguments")
def max_length(peer: Peer) -> None:
    """A maximum length may be zero, and as large as it can be written."""
    accepted(peer, "x-max-length", [0, 1, Field("l", 2**63 - 1)])


@case("S-172", "S-169", needs="queue-arguments")
def max_length_bytes_refused(peer: Peer) -> None:
    """A maximum length in bytes must be an integer that is not negative."""
    refused(peer, "x-max-length-bytes", [-1, "5", None])


@case("S-172", needs="queue-arguments")
def max_length_bytes(peer: Peer) -> None:
    """A maximum length in bytes may be zero, and large."""
    accepted(peer, "x-max-length-bytes", [0, 2**40])


@case("S-170", "S-169", needs="queue-arguments")
def message_ttl_refused(peer: Peer) -> None:
    """A time to live must be an integer from zero to ten years."""
    refused(peer, "x-message-ttl", [-1, 315360000001, Field("l", 2**63 - 1), *NO_INTEGERS])


@case("S-170", needs="queue-arguments")
def message_ttl(peer: Peer) -> None:
    """A time to live may be zero, and ten years."""
    accepted(peer, "x-message-ttl", [0, 1, 315360000000])


@case("S-171", "S-169", needs="queue-arguments")
def expires_refused(peer: Peer) -> None:
    """A queue's own time to live must be an integer from one to ten years."""
    refused(peer, "x-expires", [0, -1, 315360000001, *NO_INTEGERS])


@case("S-171", needs="queue-arguments")
def expires(peer: Peer) -> None:
    """A queue's own time to live may be ten years."""
    accepted(peer, "x-expires", [60000, 315360000000])


@case("S-173", "S-169", needs="queue-arguments")
def max_priority_refused(peer: Peer) -> None:
    """A maximum priority must be an integer from 0 to 255."""
    refused(peer, "x-max-priority", [-1, 256, 2**40, "5", 1.5, None])


@case("S-173", needs="queue-arguments")
def max_priority(peer: Peer) -> None:
    """A maximum priority may be zero."""
    accepted(peer, "x-max-priority", [0, 1, 10, 255, Field("B", 255)])


@case("S-174", needs="queue-arguments")
def dead_letter_exchange_refused(peer: Peer) -> None:
    """A dead-letter exchange must be a text."""
    refused(peer, "x-dead-letter-exchange", NO_TEXTS)


@case("S-174", needs="queue-arguments")
def dead_letter_exchange(peer: Peer) -> None:
    """A dead-letter exchange need not be there, and may be the default exchange."""
    accepted(peer, "x-dead-letter-exchange", ["", "amq.direct", "nobody's", "ü" * 200])


@case("S-175", needs="queue-arguments")
def dead_letter_routing_key_refused(peer: Peer) -> None:
    """A dead-letter routing key must be a text."""
    others: dict[str, object] = {"x-dead-letter-exchange": "amq.direct"}
    refused(peer, "x-dead-letter-routing-key", NO_TEXTS, **others)


@case("S-175", needs="queue-arguments")
def dead_letter_routing_key_alone(peer: Peer) -> None:
    """A dead-letter routing key without an exchange is refused."""
    refused(peer, "x-dead-letter-routing-key", ["key", "", 5])


@case("S-175", needs="queue-arguments")
def dead_letter_routing_key(peer: Peer) -> None:
    """A dead-letter routing key may be empty."""
    others: dict[str, object] = {"x-dead-letter-exchange": ""}
    accepted(peer, "x-dead-letter-routing-key", ["key", ""], **others)


@case("S-177", needs="queue-arguments")
def overflow_refused(peer: Peer) -> None:
    """What to do with too many messages must be one of three words."""
    refused(peer, "x-overflow", ["drop-tail", "", "DROP-HEAD", *NO_TEXTS])


@case("S-177", needs="queue-arguments")
def overflow(peer: Peer) -> None:
    """The three words for what to do with too many messages."""
    accepted(peer, "x-overflow", ["drop-head", "reject-publish", "reject-publish-dlx"])


@case("S-178", needs="queue-arguments")
def queue_mode_refused(peer: Peer) -> None:
    """A queue's mode must be one of two words."""
    refused(peer, "x-queue-mode", ["eager", "", "LAZY", *NO_TEXTS])


@case("S-178", needs="queue-arguments")
def queue_mode(peer: Peer) -> None:
    """The two modes."""
    accepted(peer, "x-queue-mode", ["default", "lazy"])


@case("S-179", needs="queue-arguments")
def queue_version_refused(peer: Peer) -> None:
    """A queue's version must be one or two."""
    refused(peer, "x-queue-version", [0, 3, -1, *NO_INTEGERS])


@case("S-179", needs="queue-arguments")
def queue_version(peer: Peer) -> None:
    """The two versions."""
    accepted(peer, "x-queue-version", [1, 2, Field("b", 2)])


@case("S-180", needs="queue-arguments")
def queue_type_refused(peer: Peer) -> None:
    """A queue's type must be one of three words."""
    refused(peer, "x-queue-type", ["ring", "", "Classic", "rabbit_classic_queue", *NO_TEXTS])


@case("S-181", needs="queue-arguments")
def single_active_consumer_refused(peer: Peer) -> None:
    """Whether there is a single active consumer must be a boolean."""
    refused(peer, "x-single-active-consumer", ["true", 1, 0, None, [True]])


@case("S-181", needs="queue-arguments")
def single_active_consumer(peer: Peer) -> None:
    """The two booleans."""
    accepted(peer, "x-single-active-consumer", [True, False])


@case("S-183", needs="queue-arguments")
def leader_locator_of_a_classic_queue(peer: Peer) -> None:
    """The place of the leader: 4.0.5 knows it for classic queues, 3.10.8 does not."""
    channel = peer.channel()
    for value in ("client-local", "balanced", "random", "least-leaders", "nowhere", 5):
        locator = as_table({"x-queue-leader-locator": value})
        channel.send(QueueDeclare(queue=peer.queue(f"q-{value}"), no_wait=True, arguments=locator))
        accepted_or_closed(channel)


@case("S-164", needs="queue-arguments")
def arguments_of_other_types(peer: Peer) -> None:
    """Arguments that only quorum queues or streams know are refused for classic queues."""
    channel = peer.channel()
    for name, value in {
        "x-delivery-limit": 3,
        "x-dead-letter-strategy": "at-least-once",
        "x-quorum-initial-group-size": 1,
        "x-max-in-memory-length": 5,
        "x-max-in-memory-bytes": 5,
        "x-max-age": "1h",
        "x-stream-max-segment-size-bytes": 1000,
        "x-initial-cluster-size": 1,
    }.items():
        refused_together(channel, peer.queue(), {name: value})


@case("S-164", "S-163", needs="queue-arguments")
def bad_values_of_arguments_of_other_types(peer: Peer) -> None:
    """That an argument belongs to another type is reported, not its bad value."""
    channel = peer.channel()
    for name, value in {
        "x-dead-letter-strategy": "never",
        "x-quorum-initial-group-size": 0,
        "x-max-age": "forever",
    }.items():
        refused_together(channel, peer.queue(), {name: value})


@case("S-165", needs="queue-arguments")
def unknown_arguments(peer: Peer) -> None:
    """Arguments that nobody knows may have any value."""
    accepted(peer, "x-mine", [1, "text", None, [], {}, True])


@case("S-163", needs="queue-arguments")
def order_of_value_errors(peer: Peer) -> None:
    """Of several bad values the same one is reported whatever the order of the arguments."""
    channel = peer.channel()
    bad: dict[str, object] = {
        "x-queue-type": "ring",
        "x-expires": 0,
        "x-message-ttl": -1,
        "x-dead-letter-routing-key": 5,
        "x-max-length": -1,
        "x-max-length-bytes": -1,
        "x-max-priority": 256,
        "x-overflow": "no",
        "x-queue-mode": "no",
        "x-queue-version": 0,
        "x-single-active-consumer": "no",
    }
    while bad:
        backwards = dict(reversed(bad.items()))
        refused_together(channel, peer.queue(), bad)
        refused_together(channel, peer.queue(), backwards)
        del bad[next(iter(bad))]


@case("S-163", "S-174", needs="queue-arguments")
def dead_letter_exchange_is_looked_at_first(peer: Peer) -> None:
    """A dead-letter exchange of another kind is reported before all bad values."""
    channel = peer.channel()
    bad: dict[str, object] = {"x-dead-letter-exchange": 5, "x-queue-type": "ring", "x-expires": 0}
    refused_together(channel, peer.queue(), bad)


@case("S-164", "S-163", needs="queue-arguments")
def order_of_type_errors(peer: Peer) -> None:
    """Of several arguments of other types one is reported, and bad values before them.

    4.0.5 reports the first in the alphabet, 3.10.8 the first of the client.  The reference says
    the client's.
    """
    channel = peer.channel()
    foreign: dict[str, object] = {"x-max-age": "1h", "x-delivery-limit": 3}
    refused_together(channel, peer.queue(), foreign)
    refused_together(channel, peer.queue(), dict(reversed(foreign.items())))
    refused_together(channel, peer.queue(), {**foreign, "x-max-length": -1})


@case("S-145", "S-163", needs="queue-arguments")
def refused_queue_is_not_there(peer: Peer) -> None:
    """A queue whose arguments are refused is not made, and not the last declared queue."""
    channel = peer.channel()
    refused_together(channel, peer.queue(), {"x-max-length": -1})
    absent(channel, peer.queue())


@case("S-145", "S-148", needs="queue-arguments")
def reserved_name_is_looked_at_first(peer: Peer) -> None:
    """A reserved name is reported before bad arguments."""
    refused_together(peer.channel(), "amq.jobs", {"x-max-length": -1})


@case("S-154", needs="queue-arguments")
def passive_declare_with_bad_arguments(peer: Peer) -> None:
    """The arguments of a passive declare are not looked at."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    arguments = as_table({"x-max-length": -1, "x-queue-type": "ring"})
    channel.call(QueueDeclare(queue=queue, passive=True, arguments=arguments))


@case("S-093", "S-163", needs="queue-arguments")
def nowait_hides_no_error(peer: Peer) -> None:
    """A declare that wants no answer is told that its arguments were refused."""
    channel = peer.channel()
    arguments = as_table({"x-max-length": -1})
    channel.refused(QueueDeclare(queue=peer.queue(), arguments=arguments, no_wait=True))


@case("S-163", "S-147", needs="queue-arguments")
def server_named_queue_with_bad_arguments(peer: Peer) -> None:
    """The error for a queue without a name has the name that it would have had."""
    channel = peer.channel()
    channel.refused(QueueDeclare(exclusive=True, arguments=as_table({"x-max-length": -1})))
