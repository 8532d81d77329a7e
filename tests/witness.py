"""pamqp as an independent witness: its values for ours, and what both can carry.

pamqp knows values, not types on the wire: it reads `I` and `l` both as int, and writes an int in
the least kind that holds it.  So what is compared are values.  It has neither access.request nor
basic.credit, writes no double, and takes a timestamp past 2106 for milliseconds.
"""

from __future__ import annotations

import decimal
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from pamqp import commands
from strategies import ARGUMENTS, SCALARS, texts

from amqpbroker.spec.method import METHODS, Method
from amqpbroker.spec.table import Decimal, Field, Table

#: {our name of an argument or property: pamqp's}
_NAMES = {
    "no_wait": "nowait",
    "failed_class_id": "class_id",
    "failed_method_id": "method_id",
}

_SCALARS = {
    **{kind: SCALARS[kind] for kind in "tbBsuIilfxV"},
    "D": st.builds(Decimal, st.integers(0, 9), st.integers(0, 2**31 - 1)),
    "S": texts.map(str.encode),
    "T": st.integers(0, 2**32 - 1),
}
_field_names = st.text("abcxyz-._é日", max_size=20)
_scalar_fields = st.sampled_from(sorted(_SCALARS)).flatmap(
    lambda kind: _SCALARS[kind].map(lambda value: Field(kind, value))
)
_fields = st.recursive(
    _scalar_fields,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: Field("A", items)),
        st.dictionaries(_field_names, inner, max_size=4).map(lambda table: Field("F", table)),
    ),
    max_leaves=8,
)
#: Tables that pamqp reads and writes as we do.
tables: st.SearchStrategy[Table] = st.dictionaries(_field_names, _fields, max_size=5)

#: {wire kind of a method's field: values that pamqp reads and writes as we do}
arguments: dict[str, st.SearchStrategy[Any]] = {
    **ARGUMENTS,
    "LongLong": st.integers(0, 2**63 - 1),
    "LongStr": texts.map(str.encode),
    "Table": tables,
}

#: The method classes that pamqp has too.
SHARED_METHODS: list[type[Method]] = [
    method_class
    for (class_id, method_id), method_class in METHODS.items()
    if class_id << 16 | method_id in commands.INDEX_MAPPING
]


def command_of(method_class: type[Method]) -> type[Any]:
    """Find pamqp's class for one of ours."""
    return commands.INDEX_MAPPING[method_class.class_id << 16 | method_class.method_id]


def read(method_class: type[Method], raw_arguments: bytes) -> dict[str, Any]:
    """{pamqp's name of an argument: its value}, as pamqp reads them."""
    command = object.__new__(command_of(method_class))
    command.unmarshal(raw_arguments)
    return {name: getattr(command, name) for name in command.__slots__}


def write(method_class: type[Method], values: dict[str, Any]) -> bytes:
    """The arguments as pamqp writes them.  It would refuse many names that AMQP allows."""
    lenient = type("Lenient", (command_of(method_class),), {"validate": lambda self: None})
    command = lenient.__new__(lenient)
    for name, value in values.items():
        setattr(command, name, value)
    return command.marshal()


def plain(field: Field) -> Any:
    """A field's value as pamqp has it."""
    value = field.value
    if isinstance(value, Decimal):
        return decimal.Decimal(value.value).scaleb(-value.scale)
    if isinstance(value, bytes):
        return bytearray(value) if field.kind == "x" else value.decode()
    if field.kind == "T" and isinstance(value, int):
        return datetime.fromtimestamp(value, tz=UTC)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if field.kind == "F":
        return plain_table(field.value)  # type: ignore[arg-type]
    return value


def plain_table(table: Table) -> dict[str, Any]:
    return {name: plain(field) for name, field in table.items()}


def plain_arguments(method: Method) -> dict[str, Any]:
    """{pamqp's name of an argument: pamqp's value}, in wire order."""
    named: dict[str, Any] = {}
    for field, value in method.arguments_by_name().items():
        name = "exchange_type" if field == "type" else _NAMES.get(field, field)
        if isinstance(value, bytes):
            value = value.decode()
        named[name] = plain_table(value) if isinstance(value, dict) else value
    return named
