"""What a policy may not say, and RabbitMQ's words for it."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.peers import Peer
from conformance.registry import case

NEEDS = "admin policies"


def _refused(peer: Peer, name: str, *values: object) -> None:
    """Show that a key may not have any of *values*."""
    peer.own_vhost()
    for value in values:
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def message_ttl(peer: Peer) -> None:
    """A message-ttl is a number that is not negative."""
    _refused(peer, "message-ttl", -1, "60000", 1.5, None, True, {"ms": 5}, [1])


@case("S-342", needs=NEEDS)
def expires(peer: Peer) -> None:
    """An expires is a positive number."""
    _refused(peer, "expires", 0, -5, "1000")


@case("S-342", needs=NEEDS)
def max_length(peer: Peer) -> None:
    """A max-length and a max-length-bytes are numbers that are not negative."""
    peer.own_vhost()
    for name in ("max-length", "max-length-bytes"):
        for value in (-1, "5"):
            with peer.admin.refused():
                peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def max_in_memory(peer: Peer) -> None:
    """A max-in-memory-length and a max-in-memory-bytes are numbers that are not negative."""
    peer.own_vhost()
    for name in ("max-in-memory-length", "max-in-memory-bytes"):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: -1})


@case("S-342", needs=NEEDS)
def overflow(peer: Peer) -> None:
    """An overflow is one of three words."""
    _refused(peer, "overflow", "drop-tail", 5)


@case("S-342", needs=NEEDS)
def dead_letter_keys(peer: Peer) -> None:
    """What is said of dead letters are texts, and a strategy one of two words."""
    peer.own_vhost()
    for name, value in (
        ("dead-letter-exchange", 5),
        ("dead-letter-routing-key", ["x"]),
        ("dead-letter-strategy", "sometimes"),
    ):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def alternate_exchange(peer: Peer) -> None:
    """An alternate-exchange is a text."""
    _refused(peer, "alternate-exchange", 5, None)


@case("S-342", needs=NEEDS)
def delivery_limit(peer: Peer) -> None:
    """A delivery-limit is a number (in 3.10 one that is not negative)."""
    _refused(peer, "delivery-limit", "5", 1.5)


@case("S-342", needs=NEEDS)
def queue_mode_and_version(peer: Peer) -> None:
    """A queue-mode is one of two words, a queue-version one of two numbers."""
    peer.own_vhost()
    for name, value in (("queue-mode", "eager"), ("queue-version", 3), ("queue-version", "2")):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def locators(peer: Peer) -> None:
    """A locator is one of some words (3.10 words the second refusal in another way)."""
    peer.own_vhost()
    for name in ("queue-leader-locator", "queue-master-locator"):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: "nowhere"})


@case("S-342", needs=NEEDS)
def keys_of_streams(peer: Peer) -> None:
    """What is said of streams is checked too."""
    peer.own_vhost()
    for name, value in (
        ("max-age", "1X"),
        ("stream-max-segment-size-bytes", -1),
        ("stream-max-segment-size-bytes", 3_000_000_001),
        ("initial-cluster-size", -1),
    ):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def newer_keys(peer: Peer) -> None:
    """The keys that came after 3.10 are checked (and are unknown to it)."""
    peer.own_vhost()
    for name, value in (
        ("consumer-timeout", -1),
        ("stream-filter-size-bytes", 15),
        ("target-group-size", "x"),
    ):
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", {name: value})


@case("S-342", needs=NEEDS)
def unknown_keys(peer: Peer) -> None:
    """Keys that nobody knows are refused together, once all others are right."""
    peer.own_vhost()
    definitions: tuple[Mapping[str, object], ...] = (
        {"nope": 5},
        {"max-length": 5, "nope": [1, {"a": None, "b": True}], "another": 1.5},
        {"max-length": -1, "nope": 5},
        {"max-priority": 5},
        {"single-active-consumer": True},
        {"x-max-length": 5},
    )
    for definition in definitions:
        with peer.admin.refused():
            peer.admin.set_policy("p", "jobs", definition)


@case("S-340", needs=NEEDS)
def an_empty_definition(peer: Peer) -> None:
    """A definition must define something."""
    peer.own_vhost()
    with peer.admin.refused():
        peer.admin.set_policy("p", "jobs", {})


@case("S-340", needs=NEEDS)
def patterns(peer: Peer) -> None:
    """A pattern must be a regular expression."""
    peer.own_vhost()
    for pattern in ("jobs(", "jobs)", "[jobs", "*jobs", "jobs\\"):
        with peer.admin.refused():
            peer.admin.set_policy("p", pattern, {"max-length": 5})


@case("S-340", needs=NEEDS)
def what_it_applies_to(peer: Peer) -> None:
    """What a policy applies to is one of some words (3.10 has fewer)."""
    peer.own_vhost()
    with peer.admin.refused():
        peer.admin.set_policy("p", "jobs", {"max-length": 5}, apply_to="topics")


@case("S-340", needs=NEEDS)
def priorities(peer: Peer) -> None:
    """A priority is a number."""
    peer.own_vhost()
    with peer.admin.refused():
        peer.admin.set_policy("p", "jobs", {"max-length": 5}, priority="high")
    peer.admin.set_policy("p", "jobs", {"max-length": 5}, priority=1.5)


@case("S-340", needs=NEEDS)
def everything_at_once(peer: Peer) -> None:
    """Of several mistakes all are told, of those in the definition the first."""
    peer.own_vhost()
    with peer.admin.refused():
        peer.admin.set_policy(
            "p", "jobs(", {"overflow": "x", "expires": 0}, apply_to="topics", priority="high"
        )


@case("S-340", needs=NEEDS)
def a_refused_policy_changes_nothing(peer: Peer) -> None:
    """A policy that is refused leaves the one of that name as it was; it can be cleared once."""
    peer.own_vhost()
    peer.admin.set_policy("p", "jobs", {"max-length": 5})
    with peer.admin.refused():
        peer.admin.set_policy("p", "jobs", {"max-length": -1})
    peer.admin.clear_policy("p")


@case("S-343", needs=NEEDS)
def keys_that_operator_policies_do_not_have(peer: Peer) -> None:
    """An operator policy may say nothing of dead letters and the like."""
    peer.own_vhost()
    for name, value in (
        ("dead-letter-exchange", "x"),
        ("dead-letter-routing-key", "x"),
        ("dead-letter-strategy", "at-most-once"),
        ("alternate-exchange", "x"),
        ("queue-mode", "lazy"),
        ("queue-leader-locator", "balanced"),
        ("max-age", "1D"),
    ):
        with peer.admin.refused():
            peer.admin.set_operator_policy("p", "jobs", {name: value})


@case("S-343", needs=NEEDS)
def keys_that_operator_policies_have(peer: Peer) -> None:
    """An operator policy may limit messages and queues, and is checked like another policy."""
    peer.own_vhost()
    for name, value in (
        ("expires", 60000),
        ("message-ttl", 60000),
        ("max-length", 5),
        ("max-length-bytes", 5),
        ("max-in-memory-length", 5),
        ("max-in-memory-bytes", 5),
        ("delivery-limit", 5),
    ):
        peer.admin.set_operator_policy("p", "jobs", {name: value})
    with peer.admin.refused():
        peer.admin.set_operator_policy("p", "jobs", {"max-length": -1})


@case("S-343", needs=NEEDS)
def keys_that_newer_operator_policies_have(peer: Peer) -> None:
    """An operator policy of 4.0 may also say what overflows (3.10 refuses that)."""
    peer.own_vhost()
    for name, value in (
        ("overflow", "reject-publish"),
        ("queue-version", 2),
        ("target-group-size", 3),
    ):
        peer.admin.set_operator_policy("p", "jobs", {name: value})
