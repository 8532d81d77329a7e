"""queue.declare of a queue that is there: which flags and arguments must be the same."""

from __future__ import annotations

from amqpbroker.spec.methods import QueueDeclare
from amqpbroker.spec.table import Decimal, Field
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import accepted_or_closed

INTEGERS = [Field(kind, 5) for kind in "bBsuIilL"]


def declared_again(
    peer: Peer, first: object, second: object, *, name: str = "x-max-length"
) -> None:
    """Declare a queue with argument *name* of the value *first*, then with *second*."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, arguments=as_table({name: first})))
    channel.send(QueueDeclare(queue=queue, arguments=as_table({name: second}), no_wait=True))
    accepted_or_closed(channel)


@case("S-149")
def durable_differs(peer: Peer) -> None:
    """A queue cannot be declared again with another durable flag."""
    channel = peer.channel()
    for durable in (True, False):
        queue = peer.queue(f"q-{durable}")
        channel.call(QueueDeclare(queue=queue, durable=durable))
        channel.refused(QueueDeclare(queue=queue, durable=not durable))
        channel.open()


@case("S-149")
def auto_delete_differs(peer: Peer) -> None:
    """A queue cannot be declared again with another auto-delete flag."""
    channel = peer.channel()
    for auto_delete in (True, False):
        queue = peer.queue(f"q-{auto_delete}")
        channel.call(QueueDeclare(queue=queue, auto_delete=auto_delete))
        channel.refused(QueueDeclare(queue=queue, auto_delete=not auto_delete))
        channel.open()


@case("S-149", "S-093")
def nowait_hides_no_difference(peer: Peer) -> None:
    """A different declare that wants no answer is told so."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.refused(QueueDeclare(queue=queue, durable=True, no_wait=True))


@case("S-149")
def durable_is_compared_first(peer: Peer) -> None:
    """Of several differences the durable flag is reported, then auto-delete, then arguments."""
    channel = peer.channel()
    queue = peer.queue()
    limited = as_table({"x-max-length": 5})
    channel.call(QueueDeclare(queue=queue))
    channel.refused(QueueDeclare(queue=queue, durable=True, auto_delete=True, arguments=limited))
    channel.open()
    channel.refused(QueueDeclare(queue=queue, auto_delete=True, arguments=limited))
    channel.open()
    channel.refused(QueueDeclare(queue=queue, arguments=limited))


@case("S-152")
def exclusive_declared_as_shared(peer: Peer) -> None:
    """Its owner cannot declare an exclusive queue again without the flag: the queue is locked."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.refused(QueueDeclare(queue=queue))


@case("S-152")
def shared_declared_as_exclusive(peer: Peer) -> None:
    """A queue that is not exclusive cannot be declared again as exclusive: it counts as locked."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.refused(QueueDeclare(queue=queue, exclusive=True))


@case("S-152", "S-149")
def exclusive_is_compared_before_all_else(peer: Peer) -> None:
    """A different exclusive flag is reported rather than a different durable flag."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.refused(
        QueueDeclare(
            queue=queue, exclusive=True, durable=True, auto_delete=True,
            arguments=as_table({"x-max-length": 5}),
        )
    )  # fmt: skip


@case("S-153")
def exclusive_queues_are_not_durable(peer: Peer) -> None:
    """The durable flag of an exclusive queue makes no difference."""
    channel = peer.channel()
    for durable in (True, False):
        queue = peer.queue(f"q-{durable}")
        for again in (durable, not durable):
            channel.call(QueueDeclare(queue=queue, exclusive=True, durable=again))


@case("S-149")
def exclusive_queue_with_another_auto_delete(peer: Peer) -> None:
    """An exclusive queue's auto-delete flag is compared."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.refused(QueueDeclare(queue=queue, exclusive=True, auto_delete=True))


@case("S-149", "S-163")
def argument_is_new(peer: Peer) -> None:
    """An argument that the queue does not have is a difference."""
    channel = peer.channel()
    for name, value in {
        "x-max-length": 5,
        "x-max-length-bytes": 5,
        "x-message-ttl": 60000,
        "x-expires": 60000,
        "x-dead-letter-exchange": "dlx",
        "x-max-priority": 3,
        "x-overflow": "reject-publish",
        "x-single-active-consumer": True,
        "x-queue-mode": "lazy",
    }.items():
        queue = peer.queue(f"q-{name}")
        channel.call(QueueDeclare(queue=queue))
        channel.refused(QueueDeclare(queue=queue, arguments=as_table({name: value})))
        channel.open()


@case("S-149")
def argument_is_missing(peer: Peer) -> None:
    """An argument that only the queue has is a difference."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-max-length": 5})))
    channel.refused(QueueDeclare(queue=queue))


@case("S-149")
def argument_has_another_value(peer: Peer) -> None:
    """An argument with another value is a difference."""
    channel = peer.channel()
    for name, first, second in (
        ("x-max-length", 5, 6),
        ("x-dead-letter-exchange", "one", "two"),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-single-active-consumer", False, True),
    ):
        queue = peer.queue(f"q-{name}")
        channel.call(QueueDeclare(queue=queue, arguments=as_table({name: first})))
        channel.refused(QueueDeclare(queue=queue, arguments=as_table({name: second})))
        channel.open()


@case("S-149")
def arguments_are_the_same(peer: Peer) -> None:
    """A queue may be declared again with the same arguments, in any order."""
    channel = peer.channel()
    queue = peer.queue()
    arguments = {
        "x-max-length": 5,
        "x-message-ttl": 60000,
        "x-dead-letter-exchange": "dlx",
        "x-dead-letter-routing-key": "key",
        "x-single-active-consumer": True,
    }
    channel.call(QueueDeclare(queue=queue, arguments=as_table(arguments)))
    channel.call(QueueDeclare(queue=queue, arguments=as_table(arguments)))
    backwards = dict(reversed(arguments.items()))
    channel.call(QueueDeclare(queue=queue, arguments=as_table(backwards)))


@case("S-150")
def integer_width(peer: Peer) -> None:
    """An integer of any width equals the same integer of another width."""
    channel = peer.channel()
    for first in (Field("b", 5), Field("L", 5)):
        queue = peer.queue(f"q-{first.kind_name}")
        channel.call(QueueDeclare(queue=queue, arguments={"x-max-length": first}))
        for again in INTEGERS:
            channel.call(QueueDeclare(queue=queue, arguments={"x-max-length": again}))


@case("S-150")
def integer_and_text(peer: Peer) -> None:
    """An integer does not equal the text of its digits."""
    declared_again(peer, 5, "5")


@case("S-150")
def integer_and_double(peer: Peer) -> None:
    """An integer does not equal a floating point number of the same value."""
    declared_again(peer, 5, 5.0)


@case("S-150")
def integer_and_decimal(peer: Peer) -> None:
    """An integer and a decimal of the same value.

    RabbitMQ cannot print the decimal for its error text, and fails.
    """
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-max-length": 5})))
    arguments = {"x-max-length": Field("D", Decimal(0, 5))}
    channel.send(QueueDeclare(queue=queue, arguments=arguments))
    channel.receive()


@case("S-150")
def integer_and_boolean(peer: Peer) -> None:
    """The integer one does not equal true."""
    declared_again(peer, 1, True)


@case("S-150")
def integer_and_void(peer: Peer) -> None:
    """An argument that is void counts as absent."""
    declared_again(peer, 5, None)


@case("S-150")
def integer_and_timestamp(peer: Peer) -> None:
    """An integer equals a timestamp of the same value."""
    declared_again(peer, 5, Field("T", 5))


@case("S-150")
def text_and_binary(peer: Peer) -> None:
    """A text equals a binary of the same bytes."""
    declared_again(peer, "dlx", Field("x", b"dlx"), name="x-dead-letter-exchange")


@case("S-150")
def text_and_table(peer: Peer) -> None:
    """A text does not equal a table, which the error text prints as an Erlang term."""
    declared_again(peer, "dlx", {"name": "dlx"}, name="x-dead-letter-exchange")


@case("S-150")
def text_and_array(peer: Peer) -> None:
    """A text does not equal an array, which the error text prints as an Erlang term."""
    declared_again(peer, "dlx", ["dlx"], name="x-dead-letter-exchange")


@case("S-149", "S-163")
def compared_before_validated(peer: Peer) -> None:
    """A value that no queue could have is reported as a difference when the queue is there."""
    declared_again(peer, 5, -1)


@case("S-149")
def first_of_several_argument_differences(peer: Peer) -> None:
    """Which argument is reported, when several differ."""
    channel = peer.channel()
    names = ("x-max-length", "x-message-ttl", "x-expires", "x-max-length-bytes")
    for order in (names, names[::-1]):
        queue = peer.queue(f"q-{order[0]}")
        channel.call(QueueDeclare(queue=queue))
        arguments = as_table(dict.fromkeys(order, 60000))
        channel.refused(QueueDeclare(queue=queue, arguments=arguments))
        channel.open()


@case("S-149", "S-165")
def unknown_arguments_are_not_compared(peer: Peer) -> None:
    """Arguments that no queue knows may differ."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-mine": 1, "note": "a"})))
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-mine": "one", "other": None})))
    channel.call(QueueDeclare(queue=queue))


@case("S-149", "S-164")
def arguments_of_other_types_are_not_compared(peer: Peer) -> None:
    """Arguments that only another type of queue knows are not compared."""
    declared_again(peer, 5, Field("I", 5))
    channel = peer.channel()
    queue = peer.queue()
    arguments = as_table({"x-max-length": 5, "x-delivery-limit": 3})
    channel.send(QueueDeclare(queue=queue, arguments=arguments, no_wait=True))
    accepted_or_closed(channel)


@case("S-151")
def classic_type_is_the_default(peer: Peer) -> None:
    """A queue of type classic and one of no type are the same."""
    channel = peer.channel()
    plain, classic = peer.queue("plain"), peer.queue("classic")
    typed = as_table({"x-queue-type": "classic"})
    channel.call(QueueDeclare(queue=plain))
    channel.call(QueueDeclare(queue=plain, arguments=typed))
    channel.call(QueueDeclare(queue=classic, arguments=typed))
    channel.call(QueueDeclare(queue=classic))


@case("S-151")
def classic_declared_as_another_type(peer: Peer) -> None:
    """A queue cannot be declared again with another type."""
    channel = peer.channel()
    plain, classic = peer.queue("plain"), peer.queue("classic")
    channel.call(QueueDeclare(queue=plain, durable=True))
    typed = as_table({"x-queue-type": "classic"})
    channel.call(QueueDeclare(queue=classic, durable=True, arguments=typed))
    for queue in (plain, classic):
        for other in ("quorum", "stream"):
            arguments = as_table({"x-queue-type": other})
            channel.refused(QueueDeclare(queue=queue, durable=True, arguments=arguments))
            channel.open()


@case("S-151", "S-180")
def classic_declared_as_no_type_at_all(peer: Peer) -> None:
    """A queue cannot be declared again with a type that does not exist."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, durable=True))
    for wrong in ("nonsense", "", 5):
        arguments = as_table({"x-queue-type": wrong})
        channel.refused(QueueDeclare(queue=queue, durable=True, arguments=arguments))
        channel.open()
