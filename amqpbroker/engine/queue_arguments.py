"""A queue's arguments: which there are, what they may say, and what they make of the queue.

A declaration's arguments are checked in a fixed order, whatever order the client gave them in;
then an argument that belongs to another type of queue is refused; what no type knows is kept and
ignored (S-163 to S-187).  `QueueRules` is what the accepted arguments mean, together with what
policies lay down.
"""

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from amqpbroker.engine.policy_keys import NO_DEFINITION, Definition, merge_limits
from amqpbroker.spec.constants import SHORTSTR_BYTES_MAX
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.table import INTEGER_KINDS, Field, Table

#: The longest time that RabbitMQ accepts: ten years (S-353).
TIME_MS_MAX: Final = 315_360_000_000
PRIORITY_MAX: Final = 255

#: {x-queue-type: RabbitMQ's name for it in error texts}
TYPE_NAMES: Final[Mapping[str, str]] = {
    "classic": "rabbit_classic_queue",
    "quorum": "rabbit_quorum_queue",
    "stream": "rabbit_stream_queue",
}

Check = Callable[[Field, Table], str | None]  # (argument, all arguments) -> error term


def _integer(field: Field) -> int | str:
    """The value, or the error when it is no integer that is not negative."""
    if field.kind not in INTEGER_KINDS or not isinstance(field.value, int):
        return f'"expected integer, got {field.kind_name}"'
    if field.value < 0:
        return f"{{value_negative,{field.value}}}"
    return field.value


def _count(field: Field, arguments: Table) -> str | None:
    value = _integer(field)
    return value if isinstance(value, str) else None


def _positive(field: Field, arguments: Table) -> str | None:
    value = _integer(field)
    return "{value_zero,0}" if value == 0 else _count(field, arguments)


def _time(field: Field, arguments: Table) -> str | None:
    value = _integer(field)
    if isinstance(value, str):
        return value
    return f"{{value_too_large,{value}}}" if value > TIME_MS_MAX else None


def _expires(field: Field, arguments: Table) -> str | None:
    return _positive(field, arguments) or _time(field, arguments)


def _priority(field: Field, arguments: Table) -> str | None:
    value = _integer(field)
    if isinstance(value, str):
        return value
    return f"{{max_value_exceeded,{value}}}" if value > PRIORITY_MAX else None


def _version(field: Field, arguments: Table) -> str | None:
    value = _integer(field)
    if isinstance(value, str):
        return value
    return None if value in (1, 2) else f"\"unsupported queue version '{value}'\""


def _text_among(words: tuple[str, ...], error: str) -> Check:
    """One of some words; in *error* the braces stand for what came."""

    def check(field: Field, arguments: Table) -> str | None:
        if field.kind != "S":
            return f"{{unacceptable_type,{field.kind_name}}}"
        return None if field.text in words else error.format(field.text)

    return check


def _any_text(field: Field, arguments: Table) -> str | None:
    return None if field.kind == "S" else f"{{unacceptable_type,{field.kind_name}}}"


def _dead_letter_key(field: Field, arguments: Table) -> str | None:
    error = _any_text(field, arguments)
    if error is None and "x-dead-letter-exchange" not in arguments:
        return "routing_key_but_no_dlx_defined"
    # RabbitMQ: takes any, and closes the connections of those who get the letters with 541.
    if error is None and len(field.text.encode("utf-8", "surrogateescape")) > SHORTSTR_BYTES_MAX:
        return f"{{longer_than,{SHORTSTR_BYTES_MAX}}}"
    return error


def _boolean(field: Field, arguments: Table) -> str | None:
    return None if field.kind == "t" else f"{{unacceptable_type,{field.kind_name}}}"


def _anything(field: Field, arguments: Table) -> str | None:
    return None


_ALL: Final = ("classic", "quorum", "stream")
_NO_STREAM: Final = ("classic", "quorum")
_QUORUM: Final = ("quorum",)
_STREAM: Final = ("stream",)
_LOCATORS: Final = ("client-local", "balanced", "random", "least-leaders")

#: {argument: (types that have it, check)}, in the order in which they are checked
_ARGUMENTS: Final[Mapping[str, tuple[tuple[str, ...], Check]]] = {
    "x-queue-type": (_ALL, _text_among(tuple(TYPE_NAMES), "\"unsupported queue type '{}'\"")),
    "x-expires": (_NO_STREAM, _expires),
    "x-message-ttl": (_NO_STREAM, _time),
    "x-dead-letter-exchange": (_NO_STREAM, _any_text),
    "x-dead-letter-routing-key": (_NO_STREAM, _dead_letter_key),
    "x-dead-letter-strategy": (
        _QUORUM,
        _text_among(("at-most-once", "at-least-once"), "invalid_dlx_strategy"),
    ),
    "x-max-length": (_NO_STREAM, _count),
    "x-max-length-bytes": (_ALL, _count),
    "x-max-in-memory-length": (_QUORUM, _count),
    "x-max-in-memory-bytes": (_QUORUM, _count),
    "x-max-priority": (("classic",), _priority),
    "x-overflow": (
        _NO_STREAM,
        _text_among(("drop-head", "reject-publish", "reject-publish-dlx"), "invalid_overflow"),
    ),
    "x-queue-mode": (
        ("classic",),
        _text_among(("default", "lazy"), "\"unsupported queue mode '{}'\""),
    ),
    "x-queue-version": (("classic",), _version),
    "x-single-active-consumer": (_NO_STREAM, _boolean),
    "x-quorum-initial-group-size": (_QUORUM, _positive),
    "x-max-age": (_STREAM, _anything),
    "x-stream-max-segment-size-bytes": (_STREAM, _count),
    "x-initial-cluster-size": (_STREAM, _positive),
    "x-queue-leader-locator": (_ALL, _text_among(_LOCATORS, "invalid_queue_locator_arg")),
    "x-delivery-limit": (_QUORUM, _anything),
    "x-queue-master-locator": (("classic",), _anything),
}


def compared_arguments(queue_type: str) -> list[str]:
    """The arguments that a second declaration must repeat: those that the type has (S-149).

    In the order in which they are compared: the type after the others.
    """
    names = [name for name, (types, _) in _ARGUMENTS.items() if queue_type in types]
    return sorted(names, key="x-queue-type".__eq__)


def check_arguments(subject: str, arguments: Table) -> str:
    """Refuse what RabbitMQ refuses; the queue's type.  *subject* names the queue.

    Raises 406 in RabbitMQ's order of checks.
    """
    dead_letter = arguments.get("x-dead-letter-exchange")
    if dead_letter is not None and dead_letter.kind != "S":
        raise precondition_failed(
            f"invalid type '{dead_letter.kind_name}' for arg 'x-dead-letter-exchange' in {subject}"
        )
    queue_type = "classic"
    for name, (types, check) in _ARGUMENTS.items():
        field = arguments.get(name)
        if field is None or queue_type not in types:
            continue
        error = check(field, arguments)
        if error is not None:
            raise precondition_failed(f"invalid arg '{name}' for {subject}: {error}")
        if name == "x-queue-type":
            queue_type = field.text
    for name in sorted(arguments):
        if name in _ARGUMENTS and queue_type not in _ARGUMENTS[name][0]:
            raise precondition_failed(
                f"invalid arg '{name}' for {subject} of queue type {TYPE_NAMES[queue_type]}"
            )
    return queue_type


@attrs.frozen
class QueueRules:
    """What a queue does beyond passing messages on.  None: no such rule."""

    message_ttl_ms: int | None = None
    expires_ms: int | None = None  # without use, until the queue itself goes
    length_max: int | None = None  # ready messages
    length_bytes_max: int | None = None  # of ready messages' bodies
    overflow: str = "drop-head"
    dead_letter_exchange: str | None = None
    dead_letter_routing_key: str | None = None
    dead_letter_strategy: str | None = None  # of a quorum queue
    consumer_timeout_ms: int | None = None  # until a delivery must be acked
    priority_max: int | None = None
    has_single_active_consumer: bool = False
    queue_type: str = "classic"  # or quorum
    delivery_limit: int | None = None  # of a quorum queue; negative: none

    @property
    def has_length_limit(self) -> bool:
        """Whether there may be too many messages."""
        return self.length_max is not None or self.length_bytes_max is not None

    @property
    def is_fifo(self) -> bool:
        """Whether messages are given out in the order in which they came, and no other."""
        return self.priority_max is None and not self.is_quorum

    @property
    def is_patient(self) -> bool:
        """Whether messages are let in, and wait for their turn, whatever they are."""
        return self.is_fifo and self.message_ttl_ms is None and not self.has_length_limit

    @property
    def is_quorum(self) -> bool:
        """Whether the queue is a quorum queue."""
        return self.queue_type == "quorum"

    @property
    def keeps_dead_letters(self) -> bool:
        """Whether dead letters are kept until they are taken; else at most once (S-275)."""
        is_wanted = self.dead_letter_strategy == "at-least-once"
        return self.is_quorum and is_wanted and self.overflow == "reject-publish"

    @property
    def rejects(self) -> bool:
        """Whether a message too many is refused, instead of an old one dropped (S-177)."""
        if self.is_quorum and self.overflow == "reject-publish-dlx":
            return False
        return self.has_length_limit and self.overflow != "drop-head"


def queue_type_of(arguments: Table) -> str:
    """The type that accepted arguments name."""
    return _text(arguments, "x-queue-type") or "classic"


def rules_of(arguments: Table, definition: Definition = NO_DEFINITION) -> QueueRules:
    """The rules that accepted arguments make together with policies (S-344).

    Of two numbers the smaller counts, else the argument does; the overflow of a quorum queue is
    the policy's (S-305).
    """
    queue_type = queue_type_of(arguments)
    overflows = [_text(arguments, "x-overflow"), _policy_text(definition, "overflow")]
    if queue_type == "quorum":
        overflows.reverse()
    return QueueRules(
        message_ttl_ms=_less(arguments, definition, "message-ttl"),
        expires_ms=_less(arguments, definition, "expires"),
        length_max=_less(arguments, definition, "max-length"),
        length_bytes_max=_less(arguments, definition, "max-length-bytes"),
        overflow=next(filter(None, overflows), "drop-head"),
        dead_letter_exchange=_argument_first(arguments, definition, "dead-letter-exchange"),
        dead_letter_routing_key=_argument_first(arguments, definition, "dead-letter-routing-key"),
        dead_letter_strategy=_argument_first(arguments, definition, "dead-letter-strategy"),
        consumer_timeout_ms=_less(arguments, definition, "consumer-timeout"),
        priority_max=_number(arguments, "x-max-priority"),
        has_single_active_consumer=_flag(arguments, "x-single-active-consumer"),
        queue_type=queue_type,
        delivery_limit=_less(arguments, definition, "delivery-limit", merge_limits),
    )


def _less(
    arguments: Table,
    definition: Definition,
    name: str,
    choose: Callable[[int, int], int] = min,
) -> int | None:
    """The number that counts of those that an argument and a policy give."""
    ours, theirs = _number(arguments, f"x-{name}"), _policy_number(definition, name)
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return choose(ours, theirs)


def _argument_first(arguments: Table, definition: Definition, name: str) -> str | None:
    ours = _text(arguments, f"x-{name}")
    return _policy_text(definition, name) if ours is None else ours


def _policy_number(definition: Definition, name: str) -> int | None:
    value = definition.get(name)
    return value if isinstance(value, int) else None


def _policy_text(definition: Definition, name: str) -> str | None:
    value = definition.get(name)
    return value if isinstance(value, str) else None


def _number(arguments: Table, name: str) -> int | None:
    field = arguments.get(name)
    return field.value if field is not None and isinstance(field.value, int) else None


def _text(arguments: Table, name: str) -> str | None:
    field = arguments.get(name)
    return None if field is None else field.text


def _flag(arguments: Table, name: str) -> bool:
    field = arguments.get(name)
    return field is not None and field.value is True
