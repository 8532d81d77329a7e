"""Field tables: named values that keep the type they had on the wire.

    table   long   bytes that follow
            (shortstr name, field)*
    array   long   bytes that follow
            field*
    field   octet  kind, then the value:
            t bool         b byte          B unsignedbyte   s short      u unsignedshort
            I signedint    i unsignedint   l L long         f float      d double
            D decimal: octet scale, unsigned long value     S longstr    x binary
            T timestamp: seconds, 64 bits                   V void       A array     F table

Tables come from strangers.  `decode_table` and `check_table` work by offset, in time linear in
the bytes, with a stack of their own instead of recursion, and at most `TABLE_DEPTH_MAX` levels.
Whoever takes bytes from the wire also limits the fields: `TABLE_FIELDS_MAX` for the headers of
messages, `ARGUMENT_FIELDS_MAX` for the arguments of methods.
The kinds are those that RabbitMQ reads (S-064); `l` and `L` are both 64 bits, signed.  A number
that is not finite is malformed, as in RabbitMQ, which has none (3.10.8 and 4.0.5).
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from math import isfinite
from struct import Struct
from struct import error as StructError
from typing import NamedTuple, TypeAlias

#: How deep tables and arrays may nest.  RabbitMQ has no limit; real headers have two or three
#: levels, x-death among them, and each level costs a client a level of its own stack.
TABLE_DEPTH_MAX = 64
#: How many fields a stranger's table may have, those of the tables and arrays in it included; a
#: table or an array in it counts twice.  RabbitMQ has no limit, but each costs up to 0.7 us to
#: decode, and as much again where it is bound or routed by: a frame full of the smallest would
#: keep everybody waiting for 90 ms.
TABLE_FIELDS_MAX = 2048
#: The same for a method's arguments: those of a queue, an exchange or a binding stay, at 150 B a
#: field, and those of a binding are compared with each message.  Real ones have a dozen.
ARGUMENT_FIELDS_MAX = 512

#: {kind on the wire: RabbitMQ's word for it in error texts}
KIND_NAMES: Mapping[str, str] = {
    "t": "bool", "b": "byte", "B": "unsignedbyte", "s": "short", "u": "unsignedshort",
    "I": "signedint", "i": "unsignedint", "l": "long", "L": "long", "f": "float", "d": "double",
    "D": "decimal", "S": "longstr", "x": "binary", "T": "timestamp", "V": "void", "A": "array",
    "F": "table",
}  # fmt: skip
INTEGER_KINDS = frozenset("bBsuIilL")


class Decimal(NamedTuple):
    """A decimal field: `value` divided by ten to the power of `scale`."""

    scale: int
    value: int


class Field(NamedTuple):
    """A value and the kind that it had on the wire."""

    kind: str
    value: "FieldValue"

    @property
    def kind_name(self) -> str:
        """RabbitMQ's word for the kind, as its error texts print it."""
        return KIND_NAMES[self.kind]

    @property
    def text(self) -> str:
        """The value of a longstr, as text; bytes that are not UTF-8 survive a round trip."""
        assert isinstance(self.value, bytes)
        return self.value.decode("utf-8", "surrogateescape")


Table: TypeAlias = Mapping[str, Field]
FieldValue: TypeAlias = "bool | int | float | Decimal | bytes | list[Field] | Table | None"

EMPTY_TABLE: Table = {}


class MalformedTable(ValueError):
    """Bytes that are no field table."""


_FIXED: Mapping[int, Struct] = {
    ord(kind): Struct(layout)
    for kind, layout in {
        "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q",
        "L": ">q", "f": ">f", "d": ">d", "T": ">Q", "D": ">BI", "V": ">",
    }.items()
}  # fmt: skip
_FLOATS = frozenset(b"fd")
_FIXED_BYTES = {kind: layout.size for kind, layout in _FIXED.items() if kind not in _FLOATS}
_LONG = Struct(">I")
_STRINGS = frozenset(b"Sx")
_ARRAY, _TABLE = b"AF"


def longstr(text: str) -> Field:
    """A text as a longstr field."""
    return Field("S", text.encode("utf-8", "surrogateescape"))


def decode_table(
    data: bytes, position: int, end: int, *, fields_max: int | None = None
) -> tuple[Table, int]:
    """Decode the table that starts with its length at *position*; it may not pass *end*.

    Returns the table and the position behind it.  Of a name that stands twice the first field
    counts, as in RabbitMQ.  Raises `MalformedTable`.
    """
    root: dict[str, Field] = {}
    try:
        table_end = _end_of(data, position, end)
        position += 4
        names: dict[str, Field] | None = root  # the container being filled, if a table ...
        items: list[Field] = []  # ... or if an array
        container_end = table_end
        outer: list[tuple[dict[str, Field] | None, list[Field], int]] = []
        for _ in _steps(fields_max):
            if position == container_end:
                if not outer:
                    return root, table_end
                names, items, container_end = outer.pop()
                continue
            name = ""
            if names is not None:
                name_end = position + 1 + data[position]
                name = data[position + 1 : name_end].decode("utf-8", "surrogateescape")
                position = name_end
            kind = data[position]
            position += 1
            inner: tuple[dict[str, Field] | None, list[Field], int] | None = None
            if (fixed := _FIXED.get(kind)) is not None:
                values = fixed.unpack_from(data, position)
                position += fixed.size
                value = _fixed_value(kind, values)
            elif kind in _STRINGS:
                string_end = _end_of(data, position, container_end)
                value = data[position + 4 : string_end]
                position = string_end
            elif kind == _TABLE:
                fields: dict[str, Field] = {}
                inner = (fields, items, _end_of(data, position, container_end))
                value = fields
            elif kind == _ARRAY:
                array: list[Field] = []
                inner = (None, array, _end_of(data, position, container_end))
                value = array
            else:
                raise MalformedTable(f"unknown field kind {kind}")
            if position > container_end:
                raise MalformedTable("a field runs past its table")
            field = Field(chr(kind), value)
            if names is None:
                items.append(field)
            else:
                names.setdefault(name, field)
            if inner is not None:
                if len(outer) >= TABLE_DEPTH_MAX:
                    raise MalformedTable("tables nested too deeply")
                outer.append((names, items, container_end))
                names, items, container_end = inner
                position += 4
        raise MalformedTable("too many fields")
    except (StructError, IndexError):
        raise MalformedTable("a field is cut short") from None


def check_table(data: bytes, position: int, end: int, *, fields_max: int | None = None) -> int:
    """Check the table at *position* as `decode_table` would, without building it; its end.

    Speed: a publisher's headers are relayed as they came, so they are walked, not decoded.
    Raises `MalformedTable`.
    """
    try:
        container_end = table_end = _end_of(data, position, end)
        position += 4
        is_table = True
        outer: list[tuple[bool, int]] = []
        for _ in _steps(fields_max):
            if position >= container_end:
                if position > container_end:
                    raise MalformedTable("a field runs past its table")
                if not outer:
                    return table_end
                is_table, container_end = outer.pop()
                continue
            if is_table:
                position += 1 + data[position]
            kind = data[position]
            position += 1
            size = _FIXED_BYTES.get(kind)
            if size is not None:
                position += size
            elif kind in _STRINGS:
                position = _end_of(data, position, container_end)
            elif kind == _TABLE or kind == _ARRAY:
                if len(outer) >= TABLE_DEPTH_MAX:
                    raise MalformedTable("tables nested too deeply")
                outer.append((is_table, container_end))
                container_end = _end_of(data, position, container_end)
                is_table = kind == _TABLE
                position += 4
            elif kind in _FLOATS:
                layout = _FIXED[kind]
                _check_finite(layout.unpack_from(data, position)[0])
                position += layout.size
            else:
                raise MalformedTable(f"unknown field kind {kind}")
        raise MalformedTable("too many fields")
    except (StructError, IndexError):
        raise MalformedTable("a field is cut short") from None


def _steps(fields_max: int | None) -> Iterable[None]:
    """One for each field, one for the end of each container, the whole among them."""
    return repeat(None) if fields_max is None else repeat(None, fields_max + 1)


def encode_table(table: Table) -> bytes:
    """The table as it goes over the wire, its length first."""
    pieces = [_encode_named(name, field) for name, field in table.items()]
    return _counted(b"".join(pieces))


def encode_field(field: Field) -> bytes:
    """A field as it goes over the wire, its kind first."""
    kind, value = field
    raw_kind = kind.encode()
    if isinstance(value, bytes):
        return raw_kind + _counted(value)
    if kind == "F":
        assert isinstance(value, Mapping)
        return raw_kind + encode_table(value)
    if isinstance(value, list):
        return raw_kind + _counted(b"".join(map(encode_field, value)))
    layout = _FIXED[ord(kind)]
    if value is None:
        return raw_kind
    return raw_kind + (layout.pack(*value) if isinstance(value, Decimal) else layout.pack(value))


def _encode_named(name: str, field: Field) -> bytes:
    raw_name = name.encode("utf-8", "surrogateescape")
    return bytes((len(raw_name),)) + raw_name + encode_field(field)


def _counted(raw: bytes) -> bytes:
    return _LONG.pack(len(raw)) + raw


def _end_of(data: bytes, position: int, limit: int) -> int:
    """Where the counted bytes at *position* end."""
    end = position + 4 + _LONG.unpack_from(data, position)[0]
    if end > limit:
        raise MalformedTable("a length runs past its table")
    return end


_fixed_readers: Mapping[int, Callable[[tuple[int, ...]], FieldValue]] = {
    ord("D"): lambda values: Decimal(*values),
    ord("V"): lambda values: None,
}


def _fixed_value(kind: int, values: tuple[int, ...]) -> FieldValue:
    if kind in _FLOATS:
        _check_finite(values[0])
    if len(values) == 1:
        return values[0]
    return _fixed_readers[kind](values)


def _check_finite(number: float) -> None:
    if not isfinite(number):
        raise MalformedTable("a number that is not finite")
