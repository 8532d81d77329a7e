"""Arguments between AMQP's field tables and JSON, as RabbitMQ's management translates them.

A number becomes a signed one of 64 bits or a double, a text a longstr, a list an array, an object
a table.  The other way kinds of numbers are lost, and what JSON cannot say is a text.
"""

from collections.abc import Mapping
from typing import Final, cast

from amqpbroker.engine.ports import Json
from amqpbroker.spec.table import Decimal, Field, FieldValue, Table, longstr

_INTEGER_BOUND: Final = 1 << 63


def table_of(values: Mapping[str, object]) -> Table:
    """The table that JSON values mean.  Raises `ValueError` for one that no table can hold."""
    return {name: _field_of(name, value) for name, value in values.items()}


def _field_of(name: str, value: object) -> Field:
    if value is None:
        return Field("V", None)
    if isinstance(value, bool):
        return Field("t", value)
    if isinstance(value, int):
        if not -_INTEGER_BOUND <= value < _INTEGER_BOUND:
            raise ValueError(f"'{name}' is a number of more than 64 bits")
        return Field("l", value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return longstr(value)
    if isinstance(value, Mapping):
        return Field("F", table_of(cast("Mapping[str, object]", value)))
    assert isinstance(value, list), value
    items: FieldValue = [_field_of(name, item) for item in cast("list[object]", value)]
    return Field("A", items)


def json_of(table: Table) -> dict[str, Json]:
    """The JSON values that show a table."""
    return {name: _value_of(field.value) for name, field in table.items()}


def _value_of(value: FieldValue) -> Json:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, Decimal):
        return value.value / 10**value.scale
    if isinstance(value, list):
        return [_value_of(field.value) for field in value]
    if isinstance(value, Mapping):
        return json_of(value)
    return value
