"""Where dead letters go: the dead-letter exchange, the keys, and what lies behind."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import (
    BasicReject,
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDelete,
    QueueBind,
    QueueDeclare,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import accepted_or_closed, fill, take
from conformance.timed import arrive, confirming, declared, watch

NEEDS = "dead-letter"


def exchange_declared(
    peer: Peer,
    channel: RawChannel,
    kind: str,
    word: str = "dlx",
    arguments: Mapping[str, object] | None = None,
    *,
    internal: bool = False,
) -> str:
    """The name of a new exchange."""
    exchange = peer.exchange(word)
    table = as_table(arguments or {})
    channel.call(ExchangeDeclare(exchange=exchange, type=kind, internal=internal, arguments=table))
    return exchange


def source(peer: Peer, channel: RawChannel, exchange: str, routing_key: str | None = None) -> str:
    """The name of a new queue that dead-letters to *exchange*."""
    arguments = {"x-dead-letter-exchange": exchange}
    if routing_key is not None:
        arguments["x-dead-letter-routing-key"] = routing_key
    return declared(peer, channel, "q", arguments)


def bound(
    peer: Peer,
    channel: RawChannel,
    exchange: str,
    routing_key: str = "",
    word: str = "dead",
    arguments: Mapping[str, object] | None = None,
) -> str:
    """The name of a new queue that is bound to *exchange*."""
    queue = declared(peer, channel, word)
    table = as_table(arguments or {})
    channel.call(
        QueueBind(queue=queue, exchange=exchange, routing_key=routing_key, arguments=table)
    )
    return queue


def die(
    channel: RawChannel,
    queue: str,
    properties: Properties = NO_PROPERTIES,
    *,
    exchange: str = "",
    routing_key: str | None = None,
) -> None:
    """Let a message die in *queue*; what becomes of it has been decided afterwards."""
    channel.publish(exchange, queue if routing_key is None else routing_key, b"bad", properties)
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    assert channel.get(queue) is None


@case("S-277", "S-279", needs=NEEDS)
def by_the_old_key(peer: Peer) -> None:
    """Without a dead-letter routing key a message keeps the one that it was published with."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange)
    channel.call(QueueBind(queue=queue, exchange="amq.topic", routing_key="orders.*"))
    dead = bound(peer, channel, exchange, "orders.new")
    die(channel, queue, exchange="amq.topic", routing_key="orders.new")
    assert channel.get_all(dead) == [b"bad"]


@case("S-277", "S-279", needs=NEEDS)
def by_a_new_key(peer: Peer) -> None:
    """With a dead-letter routing key a message is routed by that, and by nothing else."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange, "failed")
    old = bound(peer, channel, exchange, queue, "old")
    dead = bound(peer, channel, exchange, "failed")
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]
    assert channel.get_all(old) == []


@case("S-277", "S-175", needs=NEEDS)
def by_an_empty_key(peer: Peer) -> None:
    """An empty dead-letter routing key is a key."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange, "")
    dead = bound(peer, channel, exchange, "")
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]


@case("S-277", "S-124", needs=NEEDS)
def by_the_keys_of_cc(peer: Peer) -> None:
    """Without a dead-letter routing key a message is routed by its old key and those of CC."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange)
    queues = [bound(peer, channel, exchange, key, f"dead-{key}") for key in ("one", "two")]
    own = bound(peer, channel, exchange, queue, "dead-own")
    die(channel, queue, properties_of(headers=as_table({"CC": ["one", "two"]})))
    for dead in (*queues, own):
        assert channel.get_all(dead) == [b"bad"]


@case("S-277", "S-134", needs=NEEDS)
def by_the_keys_of_bcc(peer: Peer) -> None:
    """Whether the keys of BCC count when a message is dead-lettered by its old keys."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange)
    one = bound(peer, channel, exchange, "one", "dead-one")
    secret = bound(peer, channel, exchange, "secret", "dead-secret")
    die(channel, queue, properties_of(headers=as_table({"CC": ["one"], "BCC": ["secret"]})))
    channel.get_all(one)
    channel.get_all(secret)


@case("S-277", needs=NEEDS)
def by_a_new_key_in_spite_of_cc(peer: Peer) -> None:
    """With a dead-letter routing key the keys of CC are not used: 3.10.8 removes the header."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange, "failed")
    one = bound(peer, channel, exchange, "one", "dead-one")
    dead = bound(peer, channel, exchange, "failed")
    die(channel, queue, properties_of(headers=as_table({"CC": ["one"], "n": 1})))
    assert channel.get_all(dead) == [b"bad"]
    assert channel.get_all(one) == []


@case("S-277", needs=NEEDS)
def cc_after_a_new_key(peer: Peer) -> None:
    """A message that was dead-lettered by a new key, and dies again in a queue that has none."""
    channel = peer.channel()
    second = exchange_declared(peer, channel, "direct", "second")
    middle = declared(peer, channel, "middle", {"x-dead-letter-exchange": second})
    queue = source(peer, channel, "", middle)
    one = bound(peer, channel, second, "one", "dead-one")
    dead = bound(peer, channel, second, middle)
    die(channel, queue, properties_of(headers=as_table({"CC": ["one"]})))
    (tag,) = take(channel, middle, 1)
    channel.send(BasicReject(tag, False))
    assert channel.get(middle) is None
    assert channel.get_all(dead) == [b"bad"]
    channel.get_all(one)


@case("S-291", "S-125", needs=NEEDS)
def to_many_queues(peer: Peer) -> None:
    """A dead letter goes to all queues of a fanout exchange."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "fanout")
    queue = source(peer, channel, exchange)
    queues = [bound(peer, channel, exchange, "", f"dead-{number}") for number in (1, 2, 3)]
    die(channel, queue)
    for dead in queues:
        assert channel.get_all(dead) == [b"bad"]


@case("S-291", "S-126", needs=NEEDS)
def by_topic(peer: Peer) -> None:
    """The dead-letter routing key is a topic like any other."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "topic")
    queue = source(peer, channel, exchange, "failed.orders")
    dead = bound(peer, channel, exchange, "failed.#")
    other = bound(peer, channel, exchange, "*.shipments", "other")
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]
    assert channel.get_all(other) == []


@case("S-291", "S-128", needs=NEEDS)
def by_headers(peer: Peer) -> None:
    """A headers exchange sees the message's headers, and those of its death."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "headers")
    queue = source(peer, channel, exchange)
    own = {"x-match": "all", "kind": "order"}
    death = {"x-match": "all-with-x", "x-first-death-reason": "rejected"}
    wrong = {"x-match": "any-with-x", "x-first-death-reason": "expired", "kind": "shipment"}
    queues = [
        bound(peer, channel, exchange, "", word, arguments)
        for word, arguments in (("own", own), ("death", death), ("wrong", wrong))
    ]
    die(channel, queue, properties_of(headers=as_table({"kind": "order"})))
    assert [channel.get_all(name) for name in queues] == [[b"bad"], [b"bad"], []]


@case("S-291", "S-114", needs=NEEDS)
def over_a_bound_exchange(peer: Peer) -> None:
    """A dead letter takes the way over exchanges that are bound to each other."""
    channel = peer.channel()
    outer = exchange_declared(peer, channel, "topic", "outer")
    inner = exchange_declared(peer, channel, "fanout", "inner")
    channel.call(ExchangeBind(destination=inner, source=outer, routing_key="failed.*"))
    queue = source(peer, channel, outer, "failed.orders")
    dead = bound(peer, channel, inner)
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]


@case("S-291", "S-121", needs=NEEDS)
def over_an_alternate_exchange(peer: Peer) -> None:
    """A dead letter that its exchange cannot route goes to the alternate exchange."""
    channel = peer.channel()
    alternate = exchange_declared(peer, channel, "fanout", "alternate")
    exchange = exchange_declared(
        peer, channel, "direct", arguments={"alternate-exchange": alternate}
    )
    queue = source(peer, channel, exchange)
    dead = bound(peer, channel, alternate)
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]


@case("S-291", "S-109", needs=NEEDS)
def to_an_internal_exchange(peer: Peer) -> None:
    """A dead-letter exchange may be internal."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "fanout", internal=True)
    queue = source(peer, channel, exchange)
    dead = bound(peer, channel, exchange)
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]


@case("S-275", needs=NEEDS)
def unroutable(peer: Peer) -> None:
    """A dead letter that its exchange cannot route is dropped."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange)
    other = bound(peer, channel, exchange, "other", "other")
    die(channel, queue)
    assert channel.get_all(other) == []


@case("S-275", "S-291", "S-201", needs=NEEDS)
def mandatory_and_unroutable(peer: Peer) -> None:
    """A mandatory message that cannot be dead-lettered is not returned."""
    channel = confirming(peer)
    exchange = exchange_declared(peer, channel, "direct")
    queue = source(peer, channel, exchange)
    channel.publish("", queue, b"bad", mandatory=True)
    channel.expect_confirms()
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    assert channel.get(queue) is None


@case("S-275", needs=NEEDS)
def to_an_exchange_that_does_not_exist(peer: Peer) -> None:
    """A dead letter for an exchange that does not exist is dropped."""
    channel = peer.channel()
    queue = source(peer, channel, peer.exchange("dlx"))
    die(channel, queue)
    die(channel, queue)


@case("S-275", needs=NEEDS)
def to_an_exchange_that_comes_and_goes(peer: Peer) -> None:
    """The dead-letter exchange is looked up for each message."""
    channel = peer.channel()
    queue = source(peer, channel, peer.exchange("dlx"))
    die(channel, queue)
    exchange = exchange_declared(peer, channel, "fanout")
    dead = bound(peer, channel, exchange)
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]
    channel.call(ExchangeDelete(exchange=exchange))
    die(channel, queue)
    assert channel.get_all(dead) == []


@case("S-291", "S-117", needs=NEEDS)
def once_to_each_queue(peer: Peer) -> None:
    """A dead letter for which a queue has several bindings comes to it once."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "topic")
    queue = source(peer, channel, exchange, "a.b")
    dead = bound(peer, channel, exchange, "#")
    for key in ("a.*", "*.b", "a.b"):
        channel.call(QueueBind(queue=dead, exchange=exchange, routing_key=key))
    die(channel, queue)
    assert channel.get_all(dead) == [b"bad"]


@case("S-291", "S-161", needs=NEEDS)
def to_somebody_elses_exclusive_queue(peer: Peer) -> None:
    """A dead letter may go to a queue that is exclusive to another connection."""
    other = peer.channel(peer.connect())
    dead = peer.queue("dead")
    other.call(QueueDeclare(queue=dead, exclusive=True))
    channel = peer.channel()
    queue = source(peer, channel, "", dead)
    die(channel, queue)
    assert other.get_all(dead) == [b"bad"]


@case("S-279", "S-120", needs=NEEDS)
def exchange_and_key_of_the_delivery(peer: Peer) -> None:
    """A dead letter comes from the dead-letter exchange, by the first of the keys used."""
    channel = peer.channel()
    exchange = exchange_declared(peer, channel, "fanout")
    bound(peer, channel, exchange)
    watching = watch(peer)
    copied = properties_of(headers=as_table({"CC": ["copy"]}))
    queue = source(peer, channel, exchange)
    channel.call(QueueBind(queue=queue, exchange="amq.topic", routing_key="copy"))
    die(channel, queue, copied, exchange="amq.topic", routing_key="orders.new")
    arrive(watching, b"bad")


@case("S-279", "S-277", needs=NEEDS)
def back_by_the_default_exchange(peer: Peer) -> None:
    """With the default exchange and no key a message comes back to the queue it is named for."""
    channel = peer.channel()
    queue = source(peer, channel, "")
    channel.consume(queue, "c")
    channel.publish("", queue, b"bad")
    arrive(channel, b"bad")
    channel.send(BasicReject(1, False))
    arrive(channel, b"bad")


@case("S-275", "S-277", needs=NEEDS)
def lost_by_the_default_exchange(peer: Peer) -> None:
    """With the default exchange and no key a message whose key names no queue is dropped."""
    channel = peer.channel()
    queue = source(peer, channel, "")
    channel.call(QueueBind(queue=queue, exchange="amq.topic", routing_key="orders.*"))
    die(channel, queue, exchange="amq.topic", routing_key="orders.new")
    fill(peer, queue, b"the only one")
    channel.consume(queue, "c")
    arrive(channel, b"the only one")


@case("S-276", "S-149", needs=NEEDS)
def declared_with_another_exchange(peer: Peer) -> None:
    """The dead-letter exchange of a queue cannot be changed by declaring it again."""
    channel = peer.channel()
    queue = source(peer, channel, "amq.fanout", "key")
    for arguments in (
        {"x-dead-letter-exchange": "amq.fanout", "x-dead-letter-routing-key": "key"},
        {"x-dead-letter-exchange": "amq.direct", "x-dead-letter-routing-key": "key"},
        {"x-dead-letter-exchange": "amq.fanout", "x-dead-letter-routing-key": "other"},
        {"x-dead-letter-exchange": "amq.fanout"},
    ):
        channel.send(QueueDeclare(queue=queue, arguments=as_table(arguments), no_wait=True))
        accepted_or_closed(channel)
