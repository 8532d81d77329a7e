"""Recent history: an exchange whose last messages are given to whatever is bound to it later.

Otherwise it is a fanout (S-142).  A message with the header x-recent-history-no-store = true is
routed and not remembered.
"""

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final, cast

from amqpbroker.engine.intake import Verdict
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES, Queue
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import INTEGER_KINDS, Table
from amqpbroker.spec.terms import value_term

if TYPE_CHECKING:
    from amqpbroker.engine.vhost import VHost

LENGTH: Final = "x-recent-history-length"
NO_STORE: Final = "x-recent-history-no-store"
_LENGTH_DEFAULT: Final = 20
_RAW_NO_STORE: Final = NO_STORE.encode()


class RecentHistory:
    """The last messages of one exchange, the oldest first."""

    def __init__(self, vhost: "VHost", arguments: Table) -> None:
        """Raises 406 for a length that is no positive integer."""
        self._vhost = vhost
        self._length_max = _length_of(arguments)
        self._messages: deque[Message] = deque()

    def take(self, message: Message) -> Verdict:
        """Remember the message, in the place of the oldest one if need be."""
        if not _is_not_to_be_stored(message):
            self._messages.append(message)
            self._vhost.broker.held_bytes += _bytes_of(message)
            if len(self._messages) > self._length_max:
                self._vhost.broker.held_bytes -= _bytes_of(self._messages.popleft())
        return Verdict.ROUTE

    def bound(self, destination: Hashable) -> None:
        """Give the destination what is remembered.

        RabbitMQ: an exchange is given the latest first (3.10.8 and 4.0.5).
        """
        messages = tuple(self._messages)
        for message in messages if isinstance(destination, Queue) else reversed(messages):
            self._vhost.pass_on(destination, message)

    def close(self) -> None:
        """Forget everything."""
        self._vhost.broker.held_bytes -= sum(map(_bytes_of, self._messages))
        self._messages.clear()

    def remember(self) -> object:
        """The messages."""
        return tuple(self._messages)

    def recall(self, memory: object, later_ms: int) -> None:
        """Have had them."""
        self._messages.extend(cast("tuple[Message, ...]", memory))
        self._vhost.broker.held_bytes += sum(map(_bytes_of, self._messages))


def _bytes_of(message: Message) -> int:
    return len(message.content) + MESSAGE_OVERHEAD_BYTES


def _is_not_to_be_stored(message: Message) -> bool:
    if _RAW_NO_STORE not in message.properties.raw:
        return False
    field = message.properties.headers.get(NO_STORE)
    return field is not None and field.value is True


def _length_of(arguments: Table) -> int:
    field = arguments.get(LENGTH)
    if field is None:
        return _LENGTH_DEFAULT
    value = field.value
    if field.kind not in INTEGER_KINDS or not isinstance(value, int) or value < 1:
        raise precondition_failed(
            f"Invalid argument {value_term(field)}, '{LENGTH}' must be a positive integer"
        )
    return value
