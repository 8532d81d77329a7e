"""The exchange types, by the names under which exchanges are declared with them.

A type makes a router of what a new exchange has to offer (`Makings`); it raises 406 with
RabbitMQ's text where the arguments are not for it.  Types that also do something with a message
before it is routed have a second part (`engine/intake.py`).
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Final

import attrs

from amqpbroker.engine.ports import Dice
from amqpbroker.engine.routing.consistent_hash import consistent_hash_router
from amqpbroker.engine.routing.direct import DirectRouter
from amqpbroker.engine.routing.fanout import FanoutRouter
from amqpbroker.engine.routing.headers import HeadersRouter
from amqpbroker.engine.routing.modulus_hash import ModulusHashRouter
from amqpbroker.engine.routing.random import LocalRandomRouter, RandomRouter
from amqpbroker.engine.routing.router import Router
from amqpbroker.engine.routing.topic import TopicRouter
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.table import Table

DELAYED: Final = "x-delayed-message"
DEDUPLICATING: Final = "x-message-deduplication"
RECENT_HISTORY: Final = "x-recent-history"


@attrs.frozen
class Makings:
    """What the router of a new exchange may build on."""

    arguments: Table
    dice: Dice
    queue_type_of: Callable[[Hashable], str | None]  # of a destination; None: it is no queue


def make_router(type_name: str, makings: Makings) -> Router:
    """The router of a new exchange of a type; raises 406 for one that does not exist."""
    check_type(type_name)
    return EXCHANGE_TYPES[type_name](makings)


def check_type(type_name: str) -> None:
    """Refuse a type that does not exist: 406 (S-097)."""
    if type_name not in EXCHANGE_TYPES:
        raise precondition_failed(f"unknown exchange type '{type_name}'")


def delayed_type(arguments: Table) -> str:
    """The type by which an exchange routes what it has delayed; raises 406 (S-143)."""
    field = arguments.get("x-delayed-type")
    if field is None or field.kind != "S":
        raise precondition_failed(
            "Invalid argument, 'x-delayed-type' must be an existing exchange type"
        )
    if field.text == DELAYED:
        raise precondition_failed(
            f"Invalid argument, '{DELAYED}' can't be used for 'x-delayed-type'"
        )
    return field.text


#: {type: what makes the router of a new exchange}
EXCHANGE_TYPES: Final[Mapping[str, Callable[[Makings], Router]]] = {
    "direct": lambda _: DirectRouter(),
    "fanout": lambda _: FanoutRouter(),
    "topic": lambda _: TopicRouter(),
    "headers": lambda _: HeadersRouter(),
    "x-consistent-hash": lambda makings: consistent_hash_router(makings.arguments),
    "x-modulus-hash": lambda _: ModulusHashRouter(),
    "x-random": lambda makings: RandomRouter(makings.dice),
    "x-local-random": lambda makings: LocalRandomRouter(makings.dice, makings.queue_type_of),
    RECENT_HISTORY: lambda _: FanoutRouter(),
    DEDUPLICATING: lambda _: FanoutRouter(),
    DELAYED: lambda makings: make_router(delayed_type(makings.arguments), makings),
}
