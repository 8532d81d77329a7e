"""The features that a broker may do without, and those that this broker does without for now.

A case says by ``@case(..., needs="ttl dead-letter")`` which of them it is about.  The suite leaves
out the cases that need a feature of `ABSENT`, and the page of compatibility says so.  What has
been built is taken out of `ABSENT`; nothing else need be changed.
"""

from __future__ import annotations

from collections.abc import Mapping

FEATURES: Mapping[str, str] = {
    "admin": "the broker is administered from outside: users, vhosts, policies, limits, tracing",
    "queue-arguments": "queue arguments are validated, and refused by type of queue",
    "ttl": "messages expire: x-message-ttl, expiration",
    "expires": "queues expire: x-expires (the cases tell the time by ttl and dead-letter)",
    "length": "queues have limits: x-max-length, x-max-length-bytes, x-overflow",
    "dead-letter": "messages are dead-lettered, with all headers: x-dead-letter-exchange",
    "priority": "classic queues with priorities: x-max-priority",
    "single-active": "queues with a single active consumer: x-single-active-consumer",
    "quorum": "queues of type quorum, as clients see them",
    "stream": "queues of type stream: only how their arguments are validated",
    "consistent-hash": "exchanges of type x-consistent-hash",
    "random": "exchanges of type x-random and x-local-random",
    "modulus-hash": "exchanges of type x-modulus-hash",
    "recent-history": "exchanges of type x-recent-history",
    "policies": "policies and operator policies",
    "limits": "limits of vhosts and users",
    "tracing": "the firehose: amq.rabbitmq.trace",
    "events": "the event exchange: amq.rabbitmq.event",
}
"""{feature: what it is}"""

ALL = "extensions"
"""What stands for all of them on the command line."""

ABSENT: frozenset[str] = frozenset(("stream",))
"""What this broker does without for now."""


def features_named(words: str) -> frozenset[str]:
    """The features that *words*, separated by blanks, name.  Raises `ValueError`."""
    names = frozenset(words.split())
    if ALL in names:
        return frozenset(FEATURES)
    if unknown := names - FEATURES.keys():
        raise ValueError(
            f"no such feature: {' '.join(sorted(unknown))}; there are {' '.join(FEATURES)}"
        )
    return names
