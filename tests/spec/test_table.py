from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import witness
from executed import lines_executed
from hypothesis import given
from hypothesis import strategies as st
from pamqp import decode as witness_decode
from pamqp import encode as witness_encode
from strategies import tables

from amqpbroker.spec.table import (
    EMPTY_TABLE,
    INTEGER_KINDS,
    KIND_NAMES,
    TABLE_DEPTH_MAX,
    TABLE_FIELDS_MAX,
    Decimal,
    Field,
    MalformedTable,
    Table,
    check_table,
    decode_table,
    encode_field,
    encode_table,
    longstr,
)

ON_THE_WIRE: list[tuple[Field, str, str]] = [
    (Field("t", True), "74 01", "bool"),
    (Field("t", False), "74 00", "bool"),
    (Field("b", -2), "62 fe", "byte"),
    (Field("B", 254), "42 fe", "unsignedbyte"),
    (Field("s", -2), "73 fffe", "short"),
    (Field("u", 65534), "75 fffe", "unsignedshort"),
    (Field("I", -2), "49 fffffffe", "signedint"),
    (Field("i", 4294967294), "69 fffffffe", "unsignedint"),
    (Field("l", -2), "6c fffffffffffffffe", "long"),
    (Field("L", -2), "4c fffffffffffffffe", "long"),
    (Field("f", 0.5), "66 3f000000", "float"),
    (Field("d", 0.1), "64 3fb999999999999a", "double"),
    (Field("D", Decimal(2, 314)), "44 02 0000013a", "decimal"),
    (Field("S", b"a\xff"), "53 00000002 61ff", "longstr"),
    (Field("x", b"\x00"), "78 00000001 00", "binary"),
    (Field("T", 2**64 - 1), "54 ffffffffffffffff", "timestamp"),
    (Field("V", None), "56", "void"),
    (Field("A", []), "41 00000000", "array"),
    (Field("A", [Field("V", None), Field("t", True)]), "41 00000003 56 7401", "array"),
    (Field("F", {}), "46 00000000", "table"),
    (Field("F", {"é": Field("V", None)}), "46 00000004 02 c3a9 56", "table"),
]
"""(field, its bytes, RabbitMQ's word for its type)"""


def decoded(raw: bytes) -> Table:
    """Decode *raw*, which must be a table and nothing else."""
    table, end = decode_table(raw, 0, len(raw))
    assert end == len(raw)
    return table


def counted(raw: bytes) -> bytes:
    return len(raw).to_bytes(4, "big") + raw


def outcome(work: Callable[[bytes, int, int], object], raw: bytes, end: int) -> object:
    try:
        return work(raw, 0, end)
    except MalformedTable:
        return "malformed"


def ends(raw: bytes, end: int) -> tuple[object, object]:
    """Where `decode_table` and `check_table` say that the table ends."""
    return outcome(lambda *where: decode_table(*where)[1], raw, end), outcome(check_table, raw, end)


@pytest.mark.parametrize(("field", "raw", "kind_name"), ON_THE_WIRE)
def test_a_field_of_each_kind(field: Field, raw: str, kind_name: str) -> None:
    raw_field = bytes.fromhex(raw)

    assert encode_field(field) == raw_field
    assert repr(decoded(counted(b"\x01k" + raw_field))) == repr({"k": field})
    assert field.kind_name == kind_name


def test_every_kind_is_tried() -> None:
    assert {field.kind for field, _, _ in ON_THE_WIRE} == set(KIND_NAMES)
    assert {field.kind for field, _, _ in ON_THE_WIRE if type(field.value) is int} == {
        *INTEGER_KINDS, "T",
    }  # fmt: skip


@given(tables)
def test_a_table_comes_back_with_the_types_it_had(table: Table) -> None:
    raw = encode_table(table)
    back = decoded(raw)

    assert repr(back) == repr(table)
    assert encode_table(back) == raw


@given(tables, st.binary(max_size=9), st.binary(max_size=9))
def test_a_table_is_found_where_it_starts_and_left_where_it_ends(
    table: Table, before: bytes, behind: bytes
) -> None:
    raw = encode_table(table)
    data = before + raw + behind
    expected_end = len(before) + len(raw)

    assert decode_table(data, len(before), len(data)) == (table, expected_end)
    assert check_table(data, len(before), len(data)) == expected_end


@given(witness.tables)
def test_an_independent_decoder_reads_what_we_write(table: Table) -> None:
    raw = encode_table(table)

    assert witness_decode.field_table(raw) == (len(raw), witness.plain_table(table))


@given(witness.tables)
def test_we_read_what_an_independent_encoder_writes(table: Table) -> None:
    expected = witness.plain_table(table)

    assert witness.plain_table(decoded(witness_encode.field_table(expected))) == expected


@pytest.mark.parametrize("text", ["", "text", "日本", "\udcff"])
def test_a_longstr_keeps_any_text(text: str) -> None:
    assert longstr(text).text == text
    assert longstr(text).kind_name == "longstr"


def test_of_a_name_that_stands_twice_the_first_field_counts() -> None:
    raw = counted(b"\x01kt\x00" + b"\x01kt\x01")

    assert decoded(raw) == {"k": Field("t", False)}


def test_any_octet_but_zero_is_true() -> None:
    assert decoded(counted(b"\x01kt\x02")) == {"k": Field("t", True)}


def test_names_that_are_not_utf8_survive() -> None:
    raw = counted(b"\x02\xff\xfeV")

    assert encode_table(decoded(raw)) == raw


@given(tables)
def test_a_table_that_is_cut_anywhere_is_refused(table: Table) -> None:
    raw = encode_table(table)

    assert {ends(raw[:cut], cut) for cut in range(len(raw))} == {("malformed", "malformed")}


@given(tables)
def test_a_table_may_not_pass_its_limit(table: Table) -> None:
    raw = encode_table(table)

    assert ends(raw, len(raw) - 1) == ("malformed", "malformed")


LYING_LENGTHS = {
    "a table longer than its data": b"\x00\x00\x00\x01",
    "the greatest length": b"\xff\xff\xff\xff",
    "no length": b"\x00\x00\x00",
    "a name longer than its table": counted(b"\x09k"),
    "a name and no field": counted(b"\x01k"),
    "a number longer than its table": counted(b"\x01kI\x00\x00") + b"\x00\x00",
    "a float longer than its table": counted(b"\x01kd\x00\x00") + b"\x00" * 6,
    "a string longer than its table": counted(b"\x01kS\x00\x00\x00\x02a") + b"bc",
    "a table longer than the one around it": counted(b"\x01kF\x00\x00\x00\x03\x01a") + b"Vb",
    "an array longer than the table around it": counted(b"\x01kA\x00\x00\x00\x02V") + b"V",
    "an array that ends inside an item": counted(b"\x01kA\x00\x00\x00\x02I\x00") + b"\x00" * 3,
    "an inner table without its length": counted(b"\x01kF\x00\x00") + b"\x00\x00",
}


@pytest.mark.parametrize("raw", LYING_LENGTHS.values(), ids=LYING_LENGTHS.keys())
def test_lengths_that_lie_are_refused(raw: bytes) -> None:
    assert ends(raw, len(raw)) == ("malformed", "malformed")


def test_kinds_that_rabbitmq_does_not_know_are_refused() -> None:
    unknown = [kind for kind in range(256) if chr(kind) not in KIND_NAMES]
    raw_tables = [counted(b"\x01k" + bytes((kind,)) + bytes(8)) for kind in unknown]

    assert {ends(raw, len(raw)) for raw in raw_tables} == {("malformed", "malformed")}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", "fd")
def test_numbers_that_are_not_finite_are_refused(kind: str, number: float) -> None:
    raw = encode_table({"k": Field("A", [Field(kind, number)])})

    assert ends(raw, len(raw)) == ("malformed", "malformed")


def nested(depth: int, raw_kind: bytes) -> bytes:
    """A table with *depth* levels inside, written without recursion."""
    name = b"" if raw_kind == b"A" else b"\x01k"
    raw = b""
    for level in range(depth):
        raw = (b"\x01k" if level == depth - 1 else name) + raw_kind + counted(raw)
    return counted(raw)


@pytest.mark.parametrize("raw_kind", [b"F", b"A"])
def test_tables_nest_as_deep_as_is_allowed_and_no_deeper(raw_kind: bytes) -> None:
    allowed = nested(TABLE_DEPTH_MAX, raw_kind)
    refused = nested(TABLE_DEPTH_MAX + 1, raw_kind)

    assert ends(allowed, len(allowed)) == (len(allowed), len(allowed))
    assert encode_table(decoded(allowed)) == allowed
    assert ends(refused, len(refused)) == ("malformed", "malformed")


def test_a_frame_full_of_openings_does_not_exhaust_the_stack() -> None:
    raw = nested(18_000, b"A")[:131_072]

    assert ends(raw, len(raw)) == ("malformed", "malformed")


def test_many_containers_side_by_side_are_not_deep() -> None:
    raw = counted(b"\x01kA" + counted(b"F\x00\x00\x00\x00A\x00\x00\x00\x00" * 1000))

    assert ends(raw, len(raw)) == (len(raw), len(raw))


HOSTILE_ITEMS = {
    "voids": b"V",
    "bools": b"t\x01",
    "doubles": b"d" + bytes(8),
    "empty strings": b"S\x00\x00\x00\x00",
    "empty tables": b"F\x00\x00\x00\x00",
    "empty arrays": b"A\x00\x00\x00\x00",
}


@pytest.mark.parametrize("work", [decode_table, check_table])
@pytest.mark.parametrize("item", HOSTILE_ITEMS.values(), ids=HOSTILE_ITEMS.keys())
def test_the_cost_of_an_array_is_linear_in_its_bytes(
    work: Callable[[bytes, int, int], object], item: bytes
) -> None:
    def lines(array_bytes: int) -> int:
        raw = counted(b"\x01kA" + counted(item * (array_bytes // len(item))))
        return lines_executed(lambda: work(raw, 0, len(raw)))

    small, large = lines(400), lines(4000)

    assert large < 10.1 * small
    assert large < 25 * 4000


def test_a_strangers_table_has_as_many_fields_as_are_allowed_and_no_more() -> None:
    """An array in it counts twice."""

    def with_fields(count: int) -> bytes:
        return counted(b"\x01kA" + counted(b"V" * (count - 2)))

    allowed, refused = with_fields(100), with_fields(101)
    for work in (decode_table, check_table):
        work(allowed, 0, len(allowed), fields_max=100)
        with pytest.raises(MalformedTable, match="too many fields"):
            work(refused, 0, len(refused), fields_max=100)

    assert decoded(refused) == {"k": Field("A", [Field("V", None)] * 99)}  # without a limit


@pytest.mark.parametrize("work", [decode_table, check_table])
@pytest.mark.parametrize("item", HOSTILE_ITEMS.values(), ids=HOSTILE_ITEMS.keys())
def test_a_frame_full_of_small_fields_costs_no_more_than_the_fields_allowed(
    work: Callable[..., object], item: bytes
) -> None:
    def refuse(raw: bytes) -> None:
        with pytest.raises(MalformedTable):
            work(raw, 0, len(raw), fields_max=TABLE_FIELDS_MAX)

    full = counted(b"\x01kA" + counted(item * (131_000 // len(item))))

    assert lines_executed(lambda: refuse(full)) < 25 * TABLE_FIELDS_MAX


@given(st.binary(max_size=60))
def test_checking_agrees_with_decoding_on_any_bytes(body: bytes) -> None:
    for raw in (body, counted(body)):
        by_decoding, by_checking = ends(raw, len(raw))

        assert by_decoding == by_checking


@given(st.lists(st.sampled_from(b"tbFASxVDd\x00\x00\x00\x00\x01\x02\x05\xff"), max_size=60))
def test_checking_agrees_with_decoding_on_nearly_sensible_bytes(body: list[int]) -> None:
    raw = counted(bytes(body))
    by_decoding, by_checking = ends(raw, len(raw))

    assert by_decoding == by_checking


@given(tables, st.data())
def test_checking_agrees_with_decoding_when_a_bit_flips(table: Table, data: st.DataObject) -> None:
    raw = bytearray(encode_table(table))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    limit = data.draw(st.integers(0, len(raw)))

    for end in (len(raw), limit):
        by_decoding, by_checking = ends(bytes(raw), end)
        assert by_decoding == by_checking


def test_an_empty_table_is_four_octets() -> None:
    assert encode_table(EMPTY_TABLE) == bytes(4)
    assert decoded(bytes(4)) == {}
