"""Message deduplication: what carries the header x-deduplication-header passes once.

As the plugin rabbitmq-message-deduplication does it, which RabbitMQ itself does not have:

    an exchange of type x-message-deduplication
        is a fanout that refuses a message whose header it has seen before.  It remembers up to
        x-cache-size headers, the latest, each for x-cache-ttl milliseconds: the message's header
        of that name, else the exchange's argument, else for ever.
    a queue with the argument x-message-deduplication = true
        does not take in a message whose header that of a message in it equals, ready or unacked.

A duplicate is dropped without a word to its publisher: it is confirmed.  That of an exchange has
no destination, so it goes to the alternate exchange, or is returned when it is mandatory.

Values are compared as headers exchanges do (`routing/equality.py`).  x-cache-persistence is
checked and changes nothing: what an exchange has seen is kept as long as the broker runs.
"""

import re
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Final, cast

from amqpbroker.engine.intake import Verdict
from amqpbroker.engine.routing.equality import comparable
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import INTEGER_KINDS, Field, Table

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker

HEADER: Final = "x-deduplication-header"
CACHE_SIZE: Final = "x-cache-size"
CACHE_TTL: Final = "x-cache-ttl"
PERSISTENCE: Final = "x-cache-persistence"
QUEUE_ARGUMENT: Final = "x-message-deduplication"
#: What a remembered header occupies besides its own bytes, in bytes: key, time, place in a dict.
ENTRY_OVERHEAD_BYTES: Final = 200
_RAW_HEADER: Final = HEADER.encode()
_NUMBER: Final = re.compile(rb"[0-9]{1,18}")


class SeenMessages:
    """The headers that one exchange has seen, the oldest first."""

    def __init__(self, broker: "Broker", arguments: Table) -> None:
        """Raises 406 for arguments that are missing or mean nothing."""
        size = _positive(arguments.get(CACHE_SIZE))
        if size is None:
            raise precondition_failed(
                f"Missing or invalid argument, '{CACHE_SIZE}' must be an integer greater than 0"
            )
        self._size_max = size
        self._time_ms = _positive(arguments.get(CACHE_TTL))
        if self._time_ms is None and CACHE_TTL in arguments:
            raise precondition_failed(
                f"Invalid argument, '{CACHE_TTL}' must be an integer greater than 0"
            )
        persistence = arguments.get(PERSISTENCE)
        if persistence is not None and persistence.value not in (b"disk", b"memory"):
            raise precondition_failed(
                f"Invalid argument, '{PERSISTENCE}' must be either 'disk' or 'memory'"
            )
        self._broker = broker
        self._seen: dict[Hashable, tuple[int | None, int]] = {}  # {value: (until, held bytes)}

    def __len__(self) -> int:
        return len(self._seen)

    def take(self, message: Message) -> Verdict:
        """Refuse a message whose header was seen before, and its time is not over."""
        field = _header_of(message)
        if field is None:
            return Verdict.ROUTE
        value, now_ms = comparable(field), self._broker.now_ms
        if value in self._seen:
            until_ms, _ = self._seen[value]
            if until_ms is None or until_ms > now_ms:
                return Verdict.REFUSED
            self._forget(value)
        while len(self._seen) >= self._size_max:
            self._forget(next(iter(self._seen)))
        own_ms = _positive(message.properties.headers.get(CACHE_TTL))
        time_ms = self._time_ms if own_ms is None else own_ms
        held_bytes = ENTRY_OVERHEAD_BYTES + len(message.properties.raw)
        self._seen[value] = (None if time_ms is None else now_ms + time_ms, held_bytes)
        self._broker.held_bytes += held_bytes
        return Verdict.ROUTE

    def bound(self, destination: Hashable) -> None:
        """Nothing to do: what was seen counts for all destinations."""

    def close(self) -> None:
        """Forget everything."""
        self._broker.held_bytes -= sum(held_bytes for _, held_bytes in self._seen.values())
        self._seen.clear()

    def remember(self) -> object:
        """The headers that were seen."""
        return dict(self._seen)

    def recall(self, memory: object, later_ms: int) -> None:
        """Have seen them."""
        seen = cast("dict[Hashable, tuple[int | None, int]]", memory)
        for value, (until_ms, held_bytes) in seen.items():
            self._seen[value] = (None if until_ms is None else until_ms + later_ms, held_bytes)
            self._broker.held_bytes += held_bytes

    def _forget(self, value: Hashable) -> None:
        _, held_bytes = self._seen.pop(value)
        self._broker.held_bytes -= held_bytes


class PresentMessages:
    """The headers of the messages that are in one queue."""

    __slots__ = ("_present",)

    def __init__(self) -> None:
        self._present: set[Hashable] = set()

    def admit(self, message: Message) -> bool:
        """Whether the message may come in, as none of its kind is there; then it is."""
        field = _header_of(message)
        if field is None:
            return True
        value = comparable(field)
        if value in self._present:
            return False
        self._present.add(value)
        return True

    def forget(self, messages: Iterable[Message]) -> None:
        """These messages are gone."""
        for message in messages:
            field = _header_of(message)
            if field is not None:
                self._present.discard(comparable(field))

    def clear(self) -> None:
        """All messages are gone."""
        self._present.clear()


def is_wanted(arguments: Table) -> bool:
    """Whether a queue with these arguments deduplicates."""
    field = arguments.get(QUEUE_ARGUMENT)
    return field is not None and field.value is True


def _header_of(message: Message) -> Field | None:
    if _RAW_HEADER not in message.properties.raw:
        return None
    return message.properties.headers.get(HEADER)


def _positive(field: Field | None) -> int | None:
    """The value of an argument that is a positive integer, or a text of one."""
    if field is None:
        return None
    value = field.value
    if field.kind == "S" and isinstance(value, bytes) and _NUMBER.fullmatch(value):
        value = int(value)
    elif field.kind not in INTEGER_KINDS:
        return None
    return value if isinstance(value, int) and value > 0 else None
