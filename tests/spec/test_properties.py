from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import witness
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from strategies import names, tables, texts

from amqpbroker.spec.properties import (
    NAMES,
    NO_PROPERTIES,
    MalformedProperties,
    Properties,
    properties_of,
)
from amqpbroker.spec.table import Field, decode_table, encode_table, longstr

Values = Mapping[str, Any]

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "shortstr": names,
    "octet": st.integers(0, 255),
    "timestamp": st.integers(0, 2**64 - 1),
    "table": tables,
}
any_values: st.SearchStrategy[Values] = st.fixed_dictionaries(
    {}, optional={name: _VALUES[kind] for name, kind in NAMES.items()}
)
any_changes: st.SearchStrategy[Values] = st.fixed_dictionaries(
    {}, optional={name: st.none() | _VALUES[kind] for name, kind in NAMES.items()}
)
#: What pamqp reads and writes as we do: it leaves empty texts out.
_SHARED_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "shortstr": texts.filter(bool),
    "octet": st.integers(0, 255),
    "timestamp": st.integers(0, 2**32 - 1),
    "table": witness.tables,
}
shared_values: st.SearchStrategy[Values] = st.fixed_dictionaries(
    {}, optional={name: _SHARED_VALUES[kind] for name, kind in NAMES.items()}
)

ALL: Values = {
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "headers": {"k": longstr("v")},
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "1000",
    "message_id": "m",
    "timestamp": 1,
    "type": "t",
    "user_id": "guest",
    "app_id": "a",
    "cluster_id": "",
}
ALL_ON_THE_WIRE = bytes.fromhex(
    "fffc 0a746578742f706c61696e 04677a6970 00000008016b530000000176 02 09 0163 0172 0431303030"
    "016d 0000000000000001 0174 056775657374 0161 00"
)


def values_of(properties: Properties) -> Values:
    """What *properties* say, read through what they offer."""
    read: dict[str, Any] = {}
    for name, kind in NAMES.items():
        if name in properties:
            is_text = kind == "shortstr"
            read[name] = properties.text(name) if is_text else getattr(properties, name)
    return read


def is_malformed(raw: bytes) -> bool:
    try:
        Properties(raw)
    except MalformedProperties:
        return True
    return False


def theirs(values: Values) -> dict[str, Any]:
    """What *values* are for pamqp: {its name: its value}."""
    named = {"message_type" if name == "type" else name: value for name, value in values.items()}
    if "headers" in named:
        named["headers"] = witness.plain_table(named["headers"])
    if "timestamp" in named:
        named["timestamp"] = datetime.fromtimestamp(named["timestamp"], tz=UTC)
    return named


def test_all_properties_on_the_wire() -> None:
    assert properties_of(**ALL).raw == ALL_ON_THE_WIRE
    assert values_of(Properties(ALL_ON_THE_WIRE)) == ALL


def test_no_property_at_all() -> None:
    assert values_of(NO_PROPERTIES) == {}
    assert NO_PROPERTIES.text("type") is None
    assert NO_PROPERTIES.timestamp is None
    assert NO_PROPERTIES.headers == {}
    assert (NO_PROPERTIES.delivery_mode, NO_PROPERTIES.priority) == (None, None)
    assert not NO_PROPERTIES.is_persistent


@given(any_values)
def test_properties_come_back_as_they_were(values: Values) -> None:
    properties = properties_of(**values)

    assert repr(values_of(properties)) == repr({k: values[k] for k in NAMES if k in values})
    assert Properties(properties.raw).raw == properties.raw


@given(shared_values)
def test_an_independent_decoder_reads_what_we_write(values: Values) -> None:
    raw = properties_of(**values).raw
    back = commands.Basic.Properties()
    back.unmarshal(int.from_bytes(raw[:2], "big"), raw[2:])
    read = {name: getattr(back, name) for name in back.__slots__}

    assert {name: value for name, value in read.items() if value not in (None, "")} == theirs(
        values
    )


@given(shared_values)
def test_we_read_what_an_independent_encoder_writes(values: Values) -> None:
    written = commands.Basic.Properties()
    for name, value in theirs(values).items():
        setattr(written, name, value)

    assert theirs(values_of(Properties(written.marshal()))) == theirs(values)


@given(any_values, any_changes)
def test_editing_changes_what_is_named_and_nothing_else(values: Values, changes: Values) -> None:
    before = properties_of(**values)
    raw_before = before.raw
    expected = {name: value for name, value in {**values, **changes}.items() if value is not None}

    edited = before.edited(**changes)

    assert edited.raw == properties_of(**expected).raw
    assert before.raw == raw_before


def test_editing_keeps_bytes_that_we_would_write_otherwise() -> None:
    raw_headers = b"\x00\x00\x00\x08" + b"\x01kt\x02" + b"\x01kt\x03"
    raw = b"\x30\x00" + raw_headers + b"\x02"
    edited = Properties(raw).edited(priority=5, type="t")

    assert raw_headers != encode_table(decode_table(raw_headers, 0, len(raw_headers))[0])
    assert edited.raw == b"\x38\x20" + raw_headers + b"\x02\x05\x01t"


def test_an_unknown_property_cannot_be_set() -> None:
    with pytest.raises(AssertionError):
        NO_PROPERTIES.edited(contenttype="text/plain")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        *(({name: ALL[name]}, True) for name in ("reply_to", "user_id", "expiration")),
        ({"headers": {"CC": Field("A", [])}}, True),
        ({"headers": {"BCC": Field("A", [])}}, True),
        ({"headers": {"task": Field("S", b"CCC")}}, True),  # it may: a look will tell
        ({"headers": {"task": Field("S", b"cc")}}, False),
        ({"message_id": "CC"}, False),
        ({}, False),
        ({name: value for name, value in ALL.items()
          if name not in ("headers", "reply_to", "user_id", "expiration")}, False),
        (ALL, True),
    ],
)  # fmt: skip
def test_a_message_needs_a_look_where_routing_or_queueing_depends_on_it(
    values: Values, expected: bool
) -> None:
    assert properties_of(**values).needs_a_look == expected


@pytest.mark.parametrize(("mode", "expected"), [(0, False), (1, False), (2, True), (3, False)])
def test_delivery_mode_2_is_persistent(mode: int, expected: bool) -> None:
    assert properties_of(delivery_mode=mode).is_persistent == expected


def test_headers_are_decoded_once() -> None:
    properties = properties_of(headers={"k": Field("V", None)})

    assert properties.headers is properties.headers


def test_a_property_prints_the_names_it_has() -> None:
    assert repr(properties_of(type="t", priority=1)) == "<Properties priority type>"
    assert repr(NO_PROPERTIES) == "<Properties none>"


@pytest.mark.parametrize("raw", [b"", b"\x80"])
def test_properties_without_flags_are_refused(raw: bytes) -> None:
    assert is_malformed(raw)


@pytest.mark.parametrize("flags", [0x0001, 0x0003, 0x8001, 0xFFFF])
def test_flags_that_go_on_are_refused(flags: int) -> None:
    assert is_malformed(struct.pack(">H", flags) + b"\x00" * 40)


def test_a_flag_that_means_nothing_is_carried_and_dropped_by_editing() -> None:
    properties = Properties(b"\x08\x02\x05")

    assert values_of(properties) == {"priority": 5}
    assert properties.raw == b"\x08\x02\x05"
    assert properties.edited().raw == b"\x08\x00\x05"


@given(any_values)
def test_properties_that_are_cut_anywhere_are_refused(values: Values) -> None:
    raw = properties_of(**values).raw

    assert all(is_malformed(raw[:cut]) for cut in range(len(raw)))


@given(any_values, st.binary(min_size=1, max_size=3))
def test_what_stands_behind_the_properties_is_refused(values: Values, behind: bytes) -> None:
    assert is_malformed(properties_of(**values).raw + behind)


def test_headers_that_are_no_table_are_refused() -> None:
    raw = properties_of(headers={"k": Field("t", True)}).raw

    assert is_malformed(raw.replace(b"kt", b"k!"))


@given(any_values, st.data())
def test_a_flipped_bit_is_read_or_refused_and_no_crash(values: Values, data: st.DataObject) -> None:
    raw = bytearray(properties_of(**values).raw)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    if not is_malformed(bytes(raw)):
        raw[1] &= ~2  # the flag that means nothing
        assert Properties(bytes(raw)).edited().raw == raw
        assert values_of(Properties(bytes(raw))).keys() <= NAMES.keys()


def test_properties_that_wait_in_a_queue_take_little_besides_their_bytes() -> None:
    texts = ("message_id", "correlation_id", "content_type", "app_id")
    raw = properties_of(**dict.fromkeys(texts, "x" * 20), delivery_mode=2, priority=5).raw
    count = 100
    tracemalloc.start()
    try:
        kept = [Properties(raw) for _ in range(count)]
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(kept) == count
    assert taken_bytes / count < 200  # bytes; with the places of six properties 640
