"""Values in error texts, as RabbitMQ 4.0.5 printed them."""

from __future__ import annotations

import pytest
from hypothesis import given
from strategies import fields

from amqpbroker.spec.table import Decimal, Field
from amqpbroker.spec.terms import binary_term, bytes_term, field_term, value_term

BINARIES: list[tuple[bytes, str]] = [
    (b"", "<<>>"),
    (b"foo", '<<"foo">>'),
    (b"a\nb", '<<"a\\nb">>'),
    (b'q"\\', '<<"q\\"\\\\">>'),
    (b"\x1b[0m\t\r", '<<"\\e[0m\\t\\r">>'),
    (b"\x00", "<<0>>"),
    (b"\x7f", "<<127>>"),
    ("é".encode(), '<<"é"/utf8>>'),
    ("é\n".encode(), '<<"é\\n"/utf8>>'),
    ("日本".encode(), '<<"日本"/utf8>>'),
    ("\u0378".encode(), '<<"\u0378"/utf8>>'),
    ("\ufffe".encode(), "<<239,191,190>>"),
    ("a\x80é".encode(), "<<97,194,128,195,169>>"),
    (b"\xff\xfe", '<<"ÿþ">>'),
    (b"\xc3\xa9\xff", '<<"Ã©ÿ">>'),
    (b"\xff\x00", "<<255,0>>"),
]

VALUES: list[tuple[Field, str]] = [
    (Field("I", -5), "-5"),
    (Field("t", True), "true"),
    (Field("t", False), "false"),
    (Field("V", None), "undefined"),
    (Field("d", 1.5), "1.5"),
    (Field("d", 1e100), "1.0e100"),
    (Field("d", 1.25e25), "1.25e25"),
    (Field("d", 1.5e-5), "1.5e-5"),
    (Field("f", 0.10000000149011612), "0.10000000149011612"),
    (Field("D", Decimal(2, 314)), "{2,314}"),
    (Field("T", 1), "1"),
    (Field("x", b"all"), '<<"all">>'),
    (Field("A", []), "[]"),
    (Field("A", [Field("I", 1), Field("S", b"x")]), '[{signedint,1},{longstr,<<"x">>}]'),
    (Field("F", {}), "[]"),
    (Field("F", {"a": Field("S", b"b")}), '[{<<"a">>,longstr,<<"b">>}]'),
    (Field("F", {"\udcff": Field("I", 1)}), '[{<<"ÿ">>,signedint,1}]'),
]


@pytest.mark.parametrize(("raw", "expected"), BINARIES)
def test_bytes_are_text_where_they_can_be(raw: bytes, expected: str) -> None:
    assert binary_term(raw) == expected


@pytest.mark.parametrize(("field", "expected"), VALUES)
def test_a_value_of_each_type(field: Field, expected: str) -> None:
    assert value_term(field) == expected


def test_bytes_as_numbers() -> None:
    assert bytes_term(b"foo\x00") == "<<102,111,111,0>>"
    assert bytes_term(b"") == "<<>>"


@given(fields)
def test_a_field_is_printed_with_its_type(field: Field) -> None:
    assert field_term(field) == f"{{{field.kind_name},{value_term(field)}}}"
