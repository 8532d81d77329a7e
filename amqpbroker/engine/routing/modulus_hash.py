"""Modulus hash exchanges: a message's keys decide which binding it takes (S-141).

The hash of the keys, modulo the number of bindings, is the index of the binding: equal keys stay
together while the bindings stay as they are, and most of them move when one comes or goes.
"""

from collections.abc import Sequence

from amqpbroker.engine.routing.one import OneDestinationRouter, hash_of, raw_keys
from amqpbroker.spec.properties import Properties


class ModulusHashRouter(OneDestinationRouter):
    """Chooses by the routing keys alone."""

    def _index(self, count: int, routing_keys: Sequence[str], properties: Properties) -> int:
        return hash_of(raw_keys(routing_keys)) % count
