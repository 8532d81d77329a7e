"""Field tables and Python values: what most clients make of the one and of the other."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal as PythonDecimal
from typing import cast

from amqpbroker.spec.table import Decimal, Field, FieldValue, Table, longstr


def as_field(value: object) -> Field:
    """The field that most clients would send for a Python value."""
    if isinstance(value, Field):
        return value
    if isinstance(value, bool):
        return Field("t", value)
    if isinstance(value, int):
        return Field("I" if -(2**31) <= value < 2**31 else "l", value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return longstr(value)
    if isinstance(value, bytes):
        return Field("S", value)
    if value is None:
        return Field("V", None)
    if isinstance(value, Mapping):
        return Field("F", as_table(cast("Mapping[str, object]", value)))
    assert isinstance(value, list | tuple), f"no field for {value!r}"
    items: FieldValue = [as_field(item) for item in cast("list[object]", value)]
    return Field("A", items)


def as_table(values: Mapping[str, object]) -> Table:
    """A field table of Python values: ``as_table({"x-max-length": 5, "x-match": "any"})``."""
    return {name: as_field(value) for name, value in values.items()}


def as_python(field: Field) -> object:
    """The Python value of a field: text where a longstr is UTF-8, else bytes."""
    kind, value = field
    if kind == "S":
        assert isinstance(value, bytes)
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if kind == "T":
        assert isinstance(value, int)
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, Decimal):
        return PythonDecimal(value.value).scaleb(-value.scale)
    if isinstance(value, Mapping):
        return as_dict(value)
    if isinstance(value, list):
        return [as_python(item) for item in value]
    return value


def as_dict(table: Table) -> dict[str, object]:
    """The Python values of a field table, by name."""
    return {name: as_python(field) for name, field in table.items()}
