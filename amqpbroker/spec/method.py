"""What a method is, and how its arguments go over the wire.

    method   short   class id
             short   method id
             the fields in order; neighbouring bits share octets, the first in the lowest bit

A `Method` subclass says what its fields are by annotating them with the wire kinds below; the
codec is built from that once, when the class is made.

Errors are RabbitMQ's (S-054 to S-056): arguments that do not decode are 501; names that are not
UTF-8 are 501 with another text, except in basic.publish, whose names nobody checks.
"""

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import Any, ClassVar, TypeAlias, cast, dataclass_transform

from amqpbroker.spec.constants import CLASS_BASIC
from amqpbroker.spec.table import (
    ARGUMENT_FIELDS_MAX,
    MalformedTable,
    Table,
    decode_table,
    encode_table,
)

Octet: TypeAlias = int
Short: TypeAlias = int
Long: TypeAlias = int
LongLong: TypeAlias = int
Bit: TypeAlias = bool
ShortStr: TypeAlias = str
LongStr: TypeAlias = bytes

_INDEX = Struct(">HH")
INDEX_BYTES = _INDEX.size
_BASIC_PUBLISH = (CLASS_BASIC, 40)


class UnknownMethod(ValueError):
    """A class and method id that AMQP 0-9-1 does not have."""


class MalformedMethod(ValueError):
    """Arguments that do not decode.  `method` is the class that they were meant for."""

    def __init__(self, method: "type[Method]", reason: str) -> None:
        super().__init__(f"{method.name}: {reason}")
        self.method = method


class MalformedText(MalformedMethod):
    """A short string that is not UTF-8."""


#: {(class id, method id): class}
METHODS: "dict[tuple[int, int], type[Method]]" = {}


@dataclass_transform()
class Method:
    """A method and its arguments: a value that nobody changes."""

    name: ClassVar[str]  # as the specification writes it: queue.declare-ok
    class_id: ClassVar[int]
    method_id: ClassVar[int]
    raw_index: ClassVar[bytes]
    fields: ClassVar[tuple[tuple[str, str], ...]]  # ((field name, wire kind), ...)

    def __init_subclass__(cls, *, name: str, index: tuple[int, int]) -> None:
        cls.name = name
        cls.class_id, cls.method_id = index
        cls.raw_index = _INDEX.pack(*index)
        cls.fields = tuple(cast("dict[str, str]", cls.__dict__.get("__annotations__", {})).items())
        METHODS[index] = cls

    def __init__(self, *values: Any, **named: Any) -> None:
        for (field, _), value in zip(self.fields, values, strict=False):
            named[field] = value
        self.__dict__.update(named)

    def arguments_by_name(self) -> dict[str, Any]:
        """{field: value}, in wire order."""
        return {field: getattr(self, field) for field, _ in self.fields}

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Method)
            and type(other) is type(self)
            and self.arguments_by_name() == other.arguments_by_name()
        )

    __hash__ = None  # type: ignore[assignment]  # compared by value, never a key

    def __repr__(self) -> str:
        values = "".join(f" {name}={value!r}" for name, value in self.arguments_by_name().items())
        return f"<{self.name}{values}>"


def decode_method(payload: bytes) -> Method:
    """Decode the payload of a method frame.

    Raises `UnknownMethod`, `MalformedMethod` or `MalformedText`.
    """
    try:
        index = _INDEX.unpack_from(payload)
    except StructError:
        raise UnknownMethod("a method frame of less than four bytes") from None
    method_class = METHODS.get(index)
    if method_class is None:
        raise UnknownMethod(f"no method {index[0]}.{index[1]}")
    method = object.__new__(method_class)
    arguments = method.__dict__
    position = 4
    bit = 0  # the next bit of the octet at position - 1; 0 when the next bit starts an octet
    try:
        for field, kind in method_class.fields:
            if kind == "Bit":
                if not bit & 0xFF:
                    bit = 1
                    position += 1
                arguments[field] = bool(payload[position - 1] & bit)
                bit <<= 1
            else:
                bit = 0
                arguments[field], position = _READERS[kind](payload, position)
    except UnicodeDecodeError as error:
        if index != _BASIC_PUBLISH:
            raise MalformedText(method_class, str(error)) from None
        return _decode_lenient(method_class, payload)
    except (StructError, IndexError, MalformedTable) as error:
        raise MalformedMethod(method_class, str(error)) from None
    if position != len(payload):
        raise MalformedMethod(method_class, "the arguments do not fill the frame")
    return method


def encode_method(method: Method) -> bytes:
    """The payload of a method frame."""
    pieces = [method.raw_index]
    bits = bit_count = 0
    for field, kind in method.fields:
        value = getattr(method, field)
        if kind == "Bit":
            bits |= bool(value) << bit_count
            bit_count += 1
            continue
        if bit_count:
            pieces.append(_encode_bits(bits, bit_count))
            bits = bit_count = 0
        pieces.append(_WRITERS[kind](value))
    if bit_count:
        pieces.append(_encode_bits(bits, bit_count))
    return b"".join(pieces)


def encode_shortstr(text: str) -> bytes:
    """A short string: at most 255 bytes, its length first."""
    raw = text.encode("utf-8", "surrogateescape")
    return bytes((len(raw),)) + raw


def _encode_bits(bits: int, bit_count: int) -> bytes:
    return bits.to_bytes(-(-bit_count // 8), "little")


def _decode_lenient(method_class: type[Method], payload: bytes) -> Method:
    """basic.publish, whose names may be any bytes: they come out as surrogate escapes."""
    ticket = Struct(">H").unpack_from(payload, 4)[0]
    names: list[str] = []
    position = 6
    for _ in range(2):
        # The first name is there, it is what could not be read; the second may be cut off.
        end = position + 1 + (payload[position] if position < len(payload) else 0)
        names.append(payload[position + 1 : end].decode("utf-8", "surrogateescape"))
        position = end
    if position + 1 != len(payload):
        raise MalformedMethod(method_class, "the arguments do not fill the frame")
    flags = payload[position]
    return method_class(ticket, *names, bool(flags & 1), bool(flags & 2))


def _read_number(layout: str) -> Callable[[bytes, int], tuple[int, int]]:
    struct = Struct(layout)

    def read(payload: bytes, position: int) -> tuple[int, int]:
        return struct.unpack_from(payload, position)[0], position + struct.size

    return read


def _read_shortstr(payload: bytes, position: int) -> tuple[str, int]:
    end = position + 1 + payload[position]
    if end > len(payload):
        raise IndexError("a short string runs past the frame")
    return payload[position + 1 : end].decode(), end


def _read_longstr(payload: bytes, position: int) -> tuple[bytes, int]:
    end = position + 4 + Struct(">I").unpack_from(payload, position)[0]
    if end > len(payload):
        raise IndexError("a long string runs past the frame")
    return payload[position + 4 : end], end


def _read_table(payload: bytes, position: int) -> tuple[Table, int]:
    return decode_table(payload, position, len(payload), fields_max=ARGUMENT_FIELDS_MAX)


def _write_longstr(value: bytes) -> bytes:
    return Struct(">I").pack(len(value)) + value


_READERS: dict[str, Callable[[bytes, int], tuple[Any, int]]] = {
    "Octet": _read_number(">B"),
    "Short": _read_number(">H"),
    "Long": _read_number(">I"),
    "LongLong": _read_number(">Q"),
    "ShortStr": _read_shortstr,
    "LongStr": _read_longstr,
    "Table": _read_table,
}
_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "Octet": Struct(">B").pack,
    "Short": Struct(">H").pack,
    "Long": Struct(">I").pack,
    "LongLong": Struct(">Q").pack,
    "ShortStr": encode_shortstr,
    "LongStr": _write_longstr,
    "Table": encode_table,
}
