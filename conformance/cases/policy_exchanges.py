"""Policies on exchanges: the alternate exchange."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import ExchangeDeclare, QueueBind
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import routable, unroutable
from conformance.timed import declared

NEEDS = "admin policies"


def _exchange(
    peer: Peer, channel: RawChannel, word: str, arguments: Mapping[str, object] | None = None
) -> str:
    """The name of a new direct exchange."""
    name = peer.exchange(word)
    channel.call(ExchangeDeclare(exchange=name, type="direct", arguments=as_table(arguments or {})))
    return name


def _refuge(peer: Peer, channel: RawChannel, word: str = "refuge") -> str:
    """The name of a new exchange that leads everything to a queue."""
    name = peer.exchange(word)
    queue = declared(peer, channel, f"{word}-queue")
    channel.call(ExchangeDeclare(exchange=name, type="fanout"))
    channel.call(QueueBind(queue=queue, exchange=name))
    return name


@case("S-121", "S-342", "S-345", needs=NEEDS)
def an_alternate_exchange_by_policy(peer: Peer) -> None:
    """A policy gives an exchange that is there an alternate one, and takes it away."""
    peer.own_vhost()
    channel = peer.channel()
    exchange, refuge = _exchange(peer, channel, "x"), _refuge(peer, channel)
    unroutable(channel, exchange, "key")
    peer.admin.set_policy("p", "^x", {"alternate-exchange": refuge})
    routable(channel, exchange, "key")
    peer.admin.clear_policy("p")
    unroutable(channel, exchange, "key")


@case("S-121", "S-340", needs=NEEDS)
def an_alternate_exchange_for_exchanges_to_come(peer: Peer) -> None:
    """A policy for exchanges holds for those that are declared afterwards."""
    peer.own_vhost()
    channel = peer.channel()
    refuge = _refuge(peer, channel)
    peer.admin.set_policy("p", "^x", {"alternate-exchange": refuge}, apply_to="exchanges")
    exchange = _exchange(peer, channel, "x")
    routable(channel, exchange, "key")


@case("S-121", "S-340", needs=NEEDS)
def a_policy_for_queues_says_nothing_to_exchanges(peer: Peer) -> None:
    """A policy for queues gives an exchange nothing."""
    peer.own_vhost()
    channel = peer.channel()
    exchange, refuge = _exchange(peer, channel, "x"), _refuge(peer, channel)
    peer.admin.set_policy("p", "^x", {"alternate-exchange": refuge}, apply_to="queues")
    unroutable(channel, exchange, "key")


@case("S-121", "S-344", needs=NEEDS)
def the_arguments_alternate_exchange_counts(peer: Peer) -> None:
    """The argument's alternate exchange counts, also one that is not there."""
    peer.own_vhost()
    channel = peer.channel()
    refuge = _refuge(peer, channel)
    exchange = _exchange(peer, channel, "x", {"alternate-exchange": "nowhere"})
    peer.admin.set_policy("p", "^x", {"alternate-exchange": refuge})
    unroutable(channel, exchange, "key")


@case("S-121", needs=NEEDS)
def an_alternate_exchange_that_is_not_there(peer: Peer) -> None:
    """A policy may name an exchange that is not there yet."""
    peer.own_vhost()
    channel = peer.channel()
    exchange = _exchange(peer, channel, "x")
    peer.admin.set_policy("p", "^x", {"alternate-exchange": peer.exchange("refuge")})
    unroutable(channel, exchange, "key")
    _refuge(peer, channel)
    routable(channel, exchange, "key")


@case("S-121", "S-340", needs=NEEDS)
def exchanges_that_every_vhost_has(peer: Peer) -> None:
    """A policy holds for amq.direct and the like, but not for the default exchange."""
    peer.own_vhost()
    channel = peer.channel()
    refuge = _refuge(peer, channel)
    peer.admin.set_policy("p", "", {"alternate-exchange": refuge})
    routable(channel, "amq.direct", "key")
    unroutable(channel, "", "no such queue")


@case("S-340", "S-341", needs=NEEDS)
def keys_of_queues_do_not_keep_a_policy_from_exchanges(peer: Peer) -> None:
    """A policy with keys that only queues know holds for exchanges as well."""
    peer.own_vhost()
    channel = peer.channel()
    exchange, refuge = _exchange(peer, channel, "x"), _refuge(peer, channel)
    peer.admin.set_policy(
        "p", "^x", {"alternate-exchange": refuge, "max-length": 5, "delivery-limit": 5}
    )
    routable(channel, exchange, "key")


@case("S-346", "S-100", needs=NEEDS)
def an_exchanges_policy_is_not_compared(peer: Peer) -> None:
    """A second declaration is compared with the first one's arguments, not with the policy's."""
    peer.own_vhost()
    channel = peer.channel()
    exchange, refuge = _exchange(peer, channel, "x"), _refuge(peer, channel)
    peer.admin.set_policy("p", "^x", {"alternate-exchange": refuge})
    channel.call(ExchangeDeclare(exchange=exchange, type="direct"))
    arguments = as_table({"alternate-exchange": refuge})
    channel.refused(ExchangeDeclare(exchange=exchange, type="direct", arguments=arguments))
