"""Which policy holds for a queue: by pattern, kind, priority, and by what its type knows."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import QueueDeclare, QueueDeclareOk
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.timed import confirming, declared, publish_all

NEEDS = "admin policies"


def kept(peer: Peer, channel: RawChannel, queue: str) -> None:
    """Show how many of five messages the queue keeps."""
    with peer.quiet():
        publisher = confirming(peer)
        publish_all(publisher, queue, b"1", b"2", b"3", b"4", b"5")
        publisher.expect_confirms()
        bodies = channel.get_all(queue)
        publisher.close()
    peer.note(f"of five messages {queue!r} keeps {len(bodies)}")


def kept_by(
    peer: Peer, word: str, arguments: Mapping[str, object] | None = None, *, durable: bool = False
) -> None:
    """Show how many of five messages a new queue keeps."""
    channel = peer.channel()
    queue = declared(peer, channel, word, arguments, durable=durable)
    kept(peer, channel, queue)


@case("S-340", needs=NEEDS)
def a_policy_holds_for_queues_to_come(peer: Peer) -> None:
    """A policy holds for queues whose name its pattern is found in, not for others."""
    peer.own_vhost()
    peer.admin.set_policy("short", "^jobs", {"max-length": 2})
    kept_by(peer, "jobs")
    kept_by(peer, "other")


@case("S-340", "S-345", needs=NEEDS)
def a_policy_holds_for_queues_that_are_there(peer: Peer) -> None:
    """A policy holds at once for a queue that is there, and no longer when it is cleared."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    peer.admin.set_policy("short", "^jobs", {"max-length": 2})
    kept(peer, channel, queue)
    peer.admin.clear_policy("short")
    kept(peer, channel, queue)


@case("S-340", needs=NEEDS)
def a_pattern_is_not_anchored(peer: Peer) -> None:
    """A pattern may be found anywhere in the name, unless it says where."""
    peer.own_vhost()
    peer.admin.set_policy("found", "ob", {"max-length": 2})
    peer.admin.set_policy("not found", "^ob", {"max-length": 1}, priority=1)
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def a_pattern_minds_case(peer: Peer) -> None:
    """A pattern minds upper and lower case, unless it says otherwise."""
    peer.own_vhost()
    peer.admin.set_policy("exact", "JOBS", {"max-length": 1}, priority=1)
    peer.admin.set_policy("any", "(?i)JOBS", {"max-length": 2})
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def an_empty_pattern_is_found_everywhere(peer: Peer) -> None:
    """An empty pattern is found in every name."""
    peer.own_vhost()
    peer.admin.set_policy("everything", "", {"max-length": 3})
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def a_pattern_with_a_class(peer: Peer) -> None:
    """A pattern may use POSIX's classes of characters."""
    peer.own_vhost()
    peer.admin.set_policy("class", "^[[:alpha:]]{4}[-]", {"max-length": 3})
    kept_by(peer, "jobs")
    kept_by(peer, "jo8s")


@case("S-340", needs=NEEDS)
def server_named_queues_have_policies_too(peer: Peer) -> None:
    """A policy holds for queues that the server named."""
    peer.own_vhost()
    peer.admin.set_policy("generated", r"^amq\.", {"max-length": 2})
    channel = peer.channel()
    queue = channel.call(QueueDeclare(exclusive=True), QueueDeclareOk).queue
    kept(peer, channel, queue)


@case("S-340", needs=NEEDS)
def the_highest_priority_holds(peer: Peer) -> None:
    """Of several policies the one of the highest priority holds, whichever came first."""
    peer.own_vhost()
    peer.admin.set_policy("low", "jobs", {"max-length": 1})
    peer.admin.set_policy("high", "jobs", {"max-length": 3}, priority=10)
    peer.admin.set_policy("middle", "jobs", {"max-length": 2}, priority=5)
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    kept(peer, channel, queue)
    peer.admin.clear_policy("high")
    kept(peer, channel, queue)


@case("S-340", needs=NEEDS)
def a_priority_below_zero(peer: Peer) -> None:
    """A priority may be negative, and is less than the usual one."""
    peer.own_vhost()
    peer.admin.set_policy("below", "jobs", {"max-length": 1}, priority=-1)
    peer.admin.set_policy("usual", "jobs", {"max-length": 3})
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def policies_do_not_add_up(peer: Peer) -> None:
    """Of two policies that match, one holds and the other says nothing."""
    peer.own_vhost()
    peer.admin.set_policy("short", "jobs", {"max-length": 2})
    peer.admin.set_policy("timed", "jobs", {"message-ttl": 60000}, priority=1)
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def a_policy_is_replaced_by_its_name(peer: Peer) -> None:
    """A policy of the same name replaces the old one whole."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs")
    peer.admin.set_policy("one", "jobs", {"max-length": 2}, priority=5)
    kept(peer, channel, queue)
    peer.admin.set_policy("one", "jobs", {"max-length": 3})
    kept(peer, channel, queue)
    peer.admin.set_policy("one", "nobody", {"max-length": 1})
    kept(peer, channel, queue)


@case("S-340", needs=NEEDS)
def policies_are_their_vhosts_own(peer: Peer) -> None:
    """A policy means nothing in another vhost."""
    peer.own_vhost("theirs")
    peer.admin.set_policy("short", "jobs", {"max-length": 2})
    peer.own_vhost("mine")
    kept_by(peer, "jobs")


@case("S-340", needs=NEEDS)
def for_queues_or_for_exchanges(peer: Peer) -> None:
    """A policy for exchanges means nothing to queues, one for queues does."""
    peer.own_vhost()
    peer.admin.set_policy("x", "jobs", {"max-length": 1}, apply_to="exchanges", priority=1)
    peer.admin.set_policy("q", "jobs", {"max-length": 2}, apply_to="queues")
    kept_by(peer, "jobs")


@case("S-340", needs=f"{NEEDS} quorum")
def for_one_type_of_queue(peer: Peer) -> None:
    """A policy may be for classic or for quorum queues only (3.10 knows no such)."""
    peer.own_vhost()
    peer.admin.set_policy("c", "", {"max-length": 2}, apply_to="classic_queues")
    peer.admin.set_policy("q", "", {"max-length": 3}, apply_to="quorum_queues")
    kept_by(peer, "classic")
    kept_by(peer, "quorum", {"x-queue-type": "quorum"}, durable=True)


@case("S-340", needs=NEEDS)
def for_streams(peer: Peer) -> None:
    """A policy for streams means nothing to a classic queue (3.10 knows no such)."""
    peer.own_vhost()
    peer.admin.set_policy("s", "", {"max-length-bytes": 1}, apply_to="streams")
    kept_by(peer, "classic")


@case("S-341", needs=NEEDS)
def a_key_that_classic_queues_do_not_know(peer: Peer) -> None:
    """A policy with a key for quorum queues does not hold for a classic one at all."""
    peer.own_vhost()
    for name, value in (
        ("delivery-limit", 5),
        ("dead-letter-strategy", "at-most-once"),
        ("max-in-memory-length", 5),
        ("max-in-memory-bytes", 5),
        ("max-age", "1D"),
        ("stream-max-segment-size-bytes", 1000),
        ("initial-cluster-size", 1),
    ):
        peer.admin.set_policy("p", "jobs", {"max-length": 2, name: value})
        kept_by(peer, "jobs")


@case("S-341", needs=NEEDS)
def a_key_that_only_newer_classic_queues_do_not_know(peer: Peer) -> None:
    """A policy with target-group-size does not hold for a classic queue (3.10 has no such key)."""
    peer.own_vhost()
    peer.admin.set_policy("p", "jobs", {"max-length": 2, "target-group-size": 3})
    kept_by(peer, "jobs")


@case("S-341", needs=f"{NEEDS} quorum")
def a_key_that_quorum_queues_do_not_know(peer: Peer) -> None:
    """A policy with a key for classic queues or streams does not hold for a quorum queue at all."""
    peer.own_vhost()
    for name, value in (
        ("queue-mode", "lazy"),
        ("queue-master-locator", "random"),
        ("max-age", "1D"),
        ("stream-max-segment-size-bytes", 1000),
        ("initial-cluster-size", 1),
    ):
        peer.admin.set_policy("p", "jobs", {"max-length": 2, name: value})
        kept_by(peer, "jobs", {"x-queue-type": "quorum"}, durable=True)


@case("S-341", "S-342", needs=NEEDS)
def keys_that_every_type_knows(peer: Peer) -> None:
    """A policy holds for a classic queue also with keys that mean nothing to it."""
    peer.own_vhost()
    for name, value in (
        ("queue-version", 2),
        ("queue-mode", "lazy"),
        ("queue-leader-locator", "balanced"),
        ("queue-master-locator", "client-local"),
        ("alternate-exchange", "nowhere"),
    ):
        peer.admin.set_policy("p", "jobs", {"max-length": 2, name: value})
        kept_by(peer, "jobs")


@case("S-340", "S-341", needs=NEEDS)
def what_does_not_hold_hides_nothing(peer: Peer) -> None:
    """A policy that the queue's type does not know lets one of lower priority hold."""
    peer.own_vhost()
    peer.admin.set_policy("high", "jobs", {"max-length": 1, "delivery-limit": 5}, priority=5)
    peer.admin.set_policy("low", "jobs", {"max-length": 3})
    kept_by(peer, "jobs")


@case("S-346", needs=NEEDS)
def policies_are_not_compared(peer: Peer) -> None:
    """A second declaration is compared with the first one's arguments, not with the policy's."""
    peer.own_vhost()
    peer.admin.set_policy("p", "jobs", {"max-length": 2, "message-ttl": 60000})
    channel = peer.channel()
    queue = peer.queue("jobs")
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-max-length": 4})))
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-max-length": 4})))
    channel.refused(QueueDeclare(queue=queue, arguments=as_table({"x-max-length": 2})))


@case("S-340", "S-345", needs=f"{NEEDS} quorum")
def a_policy_of_a_quorum_queue_comes_and_goes(peer: Peer) -> None:
    """A policy holds at once for a quorum queue that is there, and no longer when it is cleared."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "jobs", {"x-queue-type": "quorum"}, durable=True)
    peer.admin.set_policy("short", "^jobs", {"max-length": 2})
    kept(peer, channel, queue)
    peer.admin.clear_policy("short")
    kept(peer, channel, queue)
