"""Values as RabbitMQ prints them in its error texts: Erlang terms in the manner of ~tp.

RabbitMQ wraps a term that would pass column 80 and indents what follows; white space is not
imitated (the behaviour reference's conventions say how texts are compared).
"""

from collections.abc import Mapping
from typing import cast

from amqpbroker.spec.table import Decimal, Field

_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 27: "\\e",
            34: '\\"', 92: "\\\\"}  # fmt: skip
_NO_CHARACTERS = {0xFFFE, 0xFFFF}


def binary_term(raw: bytes) -> str:
    """Bytes: as text where they are printable, in UTF-8 or else in Latin-1, else as numbers."""
    if not raw:
        return "<<>>"
    encoding = "" if raw.isascii() else "/utf8"
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text, encoding = raw.decode("latin-1"), ""
    if not all(map(_is_printable, text)):
        return bytes_term(raw)
    return f'<<"{"".join(_ESCAPES.get(ord(one)) or one for one in text)}"{encoding}>>'


def bytes_term(raw: bytes) -> str:
    """Bytes, always as numbers."""
    return f"<<{','.join(map(str, raw))}>>"


def value_term(field: Field) -> str:
    """A field's value."""
    value = field.value
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return binary_term(value)
    if isinstance(value, Decimal):
        return f"{{{value.scale},{value.value}}}"
    if isinstance(value, list):
        return f"[{','.join(field_term(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"[{','.join(row_term(name, inner) for name, inner in value.items())}]"
    return _float_term(value) if isinstance(value, float) else str(value)


def field_term(field: Field) -> str:
    """A field with its type: {longstr,<<"abc">>}."""
    return f"{{{field.kind_name},{value_term(field)}}}"


def json_term(value: object) -> str:
    """A value that came as JSON, as RabbitMQ shows what an operator gave."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return binary_term(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, list):
        return f"[{','.join(map(json_term, cast('list[object]', value)))}]"
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return f"#{{{','.join(f'{json_term(key)} => {json_term(one)}' for key, one in items)}}}"
    return _float_term(value) if isinstance(value, float) else str(value)


def row_term(name: str, field: Field) -> str:
    """A field of a table: {<<"n">>,long,5}."""
    raw_name = name.encode("utf-8", "surrogateescape")
    return f"{{{binary_term(raw_name)},{field.kind_name},{value_term(field)}}}"


def _is_printable(character: str) -> bool:
    code = ord(character)
    return 32 <= code <= 126 or 160 <= code not in _NO_CHARACTERS or code in _ESCAPES


def _float_term(number: float) -> str:
    """A number as Erlang writes it: 1.0e16, not 1e+16."""
    mantissa, exponent_mark, exponent = repr(number).partition("e")
    if not exponent_mark:
        return mantissa
    return f"{mantissa}{'' if '.' in mantissa else '.0'}e{int(exponent)}"
