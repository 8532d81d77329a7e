"""Operator policies: beside the users' ones, and how the two are merged."""

from __future__ import annotations

from conformance.cases.policy_matching import kept, kept_by
from conformance.cases.policy_values import put
from conformance.peers import Peer
from conformance.registry import case
from conformance.timed import arrive, dead_lettering, declared, publish_all, watch

NEEDS = "admin policies"


@case("S-343", needs=NEEDS)
def an_operator_policy_alone(peer: Peer) -> None:
    """An operator policy holds at once, as another one does."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 2})
    kept(peer, channel, queue)
    peer.admin.clear_operator_policy("bound")
    kept(peer, channel, queue)


@case("S-343", needs=NEEDS)
def the_smaller_number_counts(peer: Peer) -> None:
    """Of a user's number and an operator's the smaller counts, whoever says it."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 3})
    peer.admin.set_policy("wish", "jobs", {"max-length": 2})
    kept(peer, channel, queue)
    peer.admin.set_policy("wish", "jobs", {"max-length": 4})
    kept(peer, channel, queue)


@case("S-343", "S-344", needs=NEEDS)
def the_smallest_of_three_numbers_counts(peer: Peer) -> None:
    """Of an argument, a user's policy and an operator's the smallest number counts."""
    peer.own_vhost()
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 3})
    peer.admin.set_policy("wish", "jobs", {"max-length": 4})
    kept_by(peer, "jobs-a", {"x-max-length": 5})
    kept_by(peer, "jobs-b", {"x-max-length": 2})


@case("S-343", needs=NEEDS)
def both_say_something(peer: Peer) -> None:
    """What only one of the two says counts as it is."""
    peer.own_vhost()
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 3})
    peer.admin.set_policy("wish", "jobs", {"overflow": "reject-publish"})
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    for body in (b"1", b"2", b"3", b"4"):
        put(peer, queue, body)


@case("S-343", needs=NEEDS)
def the_operators_overflow_counts(peer: Peer) -> None:
    """Of two words for what overflows the operator's counts (3.10 lets operators say nothing)."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs", {"x-max-length": 1})
    peer.admin.set_operator_policy("bound", "jobs", {"overflow": "reject-publish"})
    peer.admin.set_policy("wish", "jobs", {"overflow": "drop-head"})
    put(peer, queue, b"1")
    put(peer, queue, b"2")
    peer.admin.clear_operator_policy("bound")
    put(peer, queue, b"3")


@case("S-343", "S-340", needs=NEEDS)
def the_highest_operator_policy_holds(peer: Peer) -> None:
    """Of several operator policies one holds, by their own priorities."""
    peer.own_vhost()
    peer.admin.set_operator_policy("low", "jobs", {"max-length": 1})
    peer.admin.set_operator_policy("high", "jobs", {"max-length": 3}, priority=1)
    peer.admin.set_policy("user", "jobs", {"max-length": 4}, priority=5)
    kept_by(peer, "jobs")


@case("S-343", "S-341", needs=NEEDS)
def an_operator_policy_that_does_not_fit(peer: Peer) -> None:
    """An operator policy with a key that the type does not know does not hold for it."""
    peer.own_vhost()
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 1, "delivery-limit": 5})
    peer.admin.set_policy("wish", "jobs", {"max-length": 3})
    kept_by(peer, "jobs")


@case("S-343", "S-340", needs=NEEDS)
def one_name_for_two_kinds(peer: Peer) -> None:
    """A policy and an operator policy may have the same name, and go one by one."""
    peer.own_vhost()
    peer.admin.set_operator_policy("same", "jobs", {"max-length": 3})
    peer.admin.set_policy("same", "jobs", {"max-length": 2})
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    kept(peer, channel, queue)
    peer.admin.clear_policy("same")
    kept(peer, channel, queue)


@case("S-343", "S-292", needs=f"{NEEDS} ttl dead-letter")
def an_operators_time_to_live(peer: Peer) -> None:
    """An operator bounds how long messages wait, whatever users say."""
    peer.own_vhost()
    peer.admin.set_policy("wish", "^q", {"message-ttl": 60000})
    peer.admin.set_operator_policy("bound", "^q", {"message-ttl": 50})
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 60000})
    watching = watch(peer)
    publish_all(channel, queue, b"1")
    arrive(watching, b"1")


@case("S-343", "S-308", needs=f"{NEEDS} quorum")
def an_operator_policy_for_quorum_queues(peer: Peer) -> None:
    """An operator policy with a delivery-limit holds for quorum queues."""
    peer.own_vhost()
    peer.admin.set_operator_policy("bound", "jobs", {"max-length": 2, "delivery-limit": 5})
    kept_by(peer, "jobs", {"x-queue-type": "quorum"}, durable=True)
