"""Which exchange types have an intake, and how it is made; see `intake.py`."""

from typing import TYPE_CHECKING

from amqpbroker.engine.deduplication import SeenMessages
from amqpbroker.engine.delayed import DelayedMessages
from amqpbroker.engine.intake import Intake
from amqpbroker.engine.recent_history import RecentHistory
from amqpbroker.engine.routing.types import (
    DEDUPLICATING,
    DELAYED,
    RECENT_HISTORY,
    delayed_type,
)

if TYPE_CHECKING:
    from amqpbroker.engine.exchange import Exchange


def make_intake(exchange: "Exchange", type_name: str) -> Intake | None:
    """The intake of a new exchange that works as type *type_name*; None for most types.

    Raises 406 where the exchange's arguments are not for that type.
    """
    arguments = exchange.arguments
    if type_name == DELAYED:
        return DelayedMessages(exchange, make_intake(exchange, delayed_type(arguments)))
    if type_name == DEDUPLICATING:
        return SeenMessages(exchange.vhost.broker, arguments)
    if type_name == RECENT_HISTORY:
        return RecentHistory(exchange.vhost, arguments)
    return None
