"""When two field values are the same, for bindings and for headers exchanges.

RabbitMQ compares the terms that it decoded, exactly (S-129; held against 4.0.5):

    an integer of any width    the same integer of any width, or a timestamp
    float, double              the same number; never an integer, and 0.0 is not -0.0
    longstr, binary            the same bytes
    bool, decimal, void        only their like
    array                      the same items with the same types in the same order
    table                      the same names, types and values in the same order
    empty array                the empty table
"""

from collections.abc import Hashable, Mapping
from struct import Struct

from amqpbroker.spec.table import Decimal, Field

_DOUBLE = Struct(">d")


def comparable(field: Field) -> Hashable:
    """A key that is equal for two fields just when their values are the same.

    The type at the top does not count, those inside of arrays and tables do.
    """
    value = field.value
    # A bool would be equal to an int, and a float too: they get a shape of their own.
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return ("double", _DOUBLE.pack(value))
    if isinstance(value, Decimal):
        return ("decimal", *value)
    if isinstance(value, list):
        return tuple(comparable_with_type(item) for item in value)
    if isinstance(value, Mapping):
        return tuple((name, *comparable_with_type(inner)) for name, inner in value.items())
    return value


def comparable_with_type(field: Field) -> tuple[str, Hashable]:
    """A key that is equal for two fields just when their types and values are the same.

    `l` and `L` are one type (S-064).
    """
    return (field.kind_name, comparable(field))
