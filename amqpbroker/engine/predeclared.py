"""The exchanges that every vhost has from the start (S-095)."""

from typing import Final

#: The one that the firehose tells (`firehose.py`).
TRACE_EXCHANGE: Final = "amq.rabbitmq.trace"
#: The one that tells of events (`event_exchange.py`); only where it is wanted.
EVENT_EXCHANGE: Final = "amq.rabbitmq.event"
#: {predeclared exchange: (type, internal)}; the default exchange is not among them
PREDECLARED: Final = {
    "amq.direct": ("direct", False),
    "amq.fanout": ("fanout", False),
    "amq.topic": ("topic", False),
    "amq.headers": ("headers", False),
    "amq.match": ("headers", False),
    TRACE_EXCHANGE: ("topic", True),
}
