"""Whether a declaration means what already exists, and RabbitMQ's words where it does not.

A second declaration of a queue or an exchange must agree with the first in what its type knows;
what it does not know is ignored (S-100, S-101, S-149 to S-151).
"""

from collections.abc import Iterable

from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.table import Field, Table
from amqpbroker.spec.terms import value_term


def check_property(subject: object, name: str, received: object, current: object) -> None:
    """Refuse a flag or type that differs from the current one: 406."""
    if received != current:
        raise precondition_failed(
            f"inequivalent arg '{name}' for {subject}: "
            f"received '{_word(received)}' but current is '{_word(current)}'"
        )


def check_arguments(subject: object, names: Iterable[str], received: Table, current: Table) -> None:
    """Refuse arguments of which one of *names* differs from the current ones: 406."""
    for name in names:
        new, old = received.get(name), current.get(name)
        if are_equal(new, old):
            continue
        if new is None or old is None:
            words = f"received {_described(new)} but current is {_described(old)}"
        else:
            words = f"received {_quoted(new)} but current is {_quoted(old)}"
        raise precondition_failed(f"inequivalent arg '{name}' for {subject}: {words}")


def are_equal(one: Field | None, other: Field | None) -> bool:
    """Whether two arguments mean the same (S-150).

    Values count, not kinds: integers of any width and timestamps, texts and binaries are equal
    when their values are; an integer and a double, or a boolean, never.
    """
    if one is None or other is None:
        return one is other
    return type(one.value) is type(other.value) and one.value == other.value


def _described(field: Field | None) -> str:
    if field is None:
        return "none"
    return f"the value {_quoted(field)} of type '{field.kind_name}'"


def _quoted(field: Field) -> str:
    if field.value is None:
        return "none"
    return f"'{field.text if isinstance(field.value, bytes) else value_term(field)}'"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
