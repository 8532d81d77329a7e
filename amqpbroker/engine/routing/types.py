"""The exchange types, by the names under which exchanges are declared with them."""

from collections.abc import Callable, Mapping
from typing import Final

from amqpbroker.engine.routing.direct import DirectRouter
from amqpbroker.engine.routing.fanout import FanoutRouter
from amqpbroker.engine.routing.headers import HeadersRouter
from amqpbroker.engine.routing.router import Router
from amqpbroker.engine.routing.topic import TopicRouter

#: {type: what makes the router of a new exchange}
EXCHANGE_TYPES: Final[Mapping[str, Callable[[], Router]]] = {
    "direct": DirectRouter,
    "fanout": FanoutRouter,
    "topic": TopicRouter,
    "headers": HeadersRouter,
}
