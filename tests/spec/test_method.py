from __future__ import annotations

from typing import Any

import pytest
import witness
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands
from strategies import any_methods, methods_of

from amqpbroker.spec import methods
from amqpbroker.spec.method import (
    METHODS,
    MalformedMethod,
    MalformedText,
    Method,
    UnknownMethod,
    decode_method,
    encode_method,
    encode_shortstr,
)
from amqpbroker.spec.table import Field

ON_THE_WIRE: list[tuple[Method, str]] = [
    (methods.ConnectionTune(2047, 131072, 60), "000a 001e 07ff 00020000 003c"),
    (methods.QueueDeclare(0, "q", False, True, False, True, False, {"k": Field("V", None)}),
     "0032 000a 0000 0171 0a 00000003 016b56"),
    (methods.BasicPublish(1, "é", "a.b", True, False), "003c 0028 0001 02c3a9 03612e62 01"),
    (methods.BasicDeliver("t", 2**63, True, "", "k"),
     "003c 003c 0174 8000000000000000 01 00 016b"),
    (methods.BasicNack(5, False, True), "003c 0078 0000000000000005 02"),
    (methods.ConnectionSecureOk(b"\x00\xff"), "000a 0015 00000002 00ff"),
    (methods.TxSelect(), "005a 000a"),
]  # fmt: skip

CUT_OFF = methods.BasicPublish(0, "\udcff", "key", True, True)


def fails(payload: bytes) -> str:
    """What decoding *payload* raises: the name of the exception."""
    try:
        decode_method(payload)
    except (UnknownMethod, MalformedMethod) as error:
        return type(error).__name__
    return "nothing"


@pytest.mark.parametrize(("method", "raw"), ON_THE_WIRE)
def test_a_method_on_the_wire(method: Method, raw: str) -> None:
    assert encode_method(method) == bytes.fromhex(raw)
    assert decode_method(bytes.fromhex(raw)) == method


@given(any_methods)
def test_a_method_comes_back_as_it_was(method: Method) -> None:
    payload = encode_method(method)
    back = decode_method(payload)

    assert repr(back) == repr(method)
    assert back == method
    assert encode_method(back) == payload


def test_the_independent_codec_has_no_method_that_we_have_not() -> None:
    ours = {class_id << 16 | method_id: one.name for (class_id, method_id), one in METHODS.items()}
    missing = {name for index, name in ours.items() if index not in commands.INDEX_MAPPING}

    assert commands.INDEX_MAPPING.keys() <= ours.keys()
    assert missing == {"access.request", "access.request-ok", "basic.credit", "basic.credit-ok"}


@pytest.mark.parametrize("method_class", witness.SHARED_METHODS, ids=lambda one: one.name)
def test_names_are_those_of_the_specification(method_class: type[Method]) -> None:
    assert method_class.name.replace("-", "") == witness.command_of(method_class).name.lower()


@pytest.mark.parametrize("method_class", witness.SHARED_METHODS, ids=lambda one: one.name)
@settings(max_examples=25)
@given(data=st.data())
def test_an_independent_codec_and_ours_read_each_other(
    method_class: type[Method], data: st.DataObject
) -> None:
    method = data.draw(methods_of(method_class, witness.arguments))
    payload = encode_method(method)
    expected = witness.plain_arguments(method)

    theirs = witness.read(method_class, payload[4:])
    ours = decode_method(method_class.raw_index + witness.write(method_class, expected))

    assert theirs == expected
    assert witness.plain_arguments(ours) == expected


@pytest.mark.parametrize("method_class", METHODS.values(), ids=lambda one: one.name)
def test_defaults_make_a_method_where_the_specification_has_them(
    method_class: type[Method],
) -> None:
    needed = [field for field, _ in method_class.fields if field not in vars(method_class)]
    values: dict[str, Any] = dict.fromkeys(needed, 1)
    for field, kind in method_class.fields:
        if field in needed and kind in ("ShortStr", "LongStr"):
            values[field] = "text" if kind == "ShortStr" else b"bytes"
    method = method_class(**values)

    assert decode_method(encode_method(method)) == method


@given(any_methods)
def test_a_method_that_is_cut_anywhere_is_refused(method: Method) -> None:
    payload = encode_method(method)
    outcomes = {fails(payload[:cut]) for cut in range(4, len(payload))}

    assert outcomes <= {"MalformedMethod", "MalformedText"}


@given(any_methods, st.binary(min_size=1, max_size=3))
def test_what_stands_behind_the_arguments_is_refused(method: Method, behind: bytes) -> None:
    with pytest.raises(MalformedMethod) as refusal:
        decode_method(encode_method(method) + behind)

    assert refusal.value.method is type(method)


@given(any_methods, st.data())
def test_a_flipped_bit_is_read_or_refused_and_no_crash(method: Method, data: st.DataObject) -> None:
    payload = bytearray(encode_method(method))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    assert fails(bytes(payload)) in {
        "nothing", "UnknownMethod", "MalformedMethod", "MalformedText",
    }  # fmt: skip


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x0a\x00", b"\x00\x0a\x00\x0c", bytes(4)])
def test_a_method_that_amqp_does_not_have_is_refused(payload: bytes) -> None:
    assert fails(payload) == "UnknownMethod"


def test_a_malformed_table_makes_a_malformed_method() -> None:
    payload = encode_method(methods.QueueBind(queue="q", arguments={"k": Field("t", True)}))

    assert fails(payload.replace(b"kt", b"k!")) == "MalformedMethod"


@pytest.mark.parametrize(
    "method_class",
    [one for one in METHODS.values() if "ShortStr" in dict(one.fields).values()],
    ids=lambda one: one.name,
)
@settings(max_examples=10)
@given(data=st.data())
def test_only_basic_publish_may_have_names_that_are_not_utf8(
    method_class: type[Method], data: st.DataObject
) -> None:
    method = data.draw(methods_of(method_class))
    for field, kind in method_class.fields:
        if kind == "ShortStr":
            setattr(method, field, "\udcff")
    payload = encode_method(method)

    if method_class is methods.BasicPublish:
        assert encode_method(decode_method(payload)) == payload
    else:
        with pytest.raises(MalformedText) as refusal:
            decode_method(payload)
        assert refusal.value.method is method_class


@pytest.mark.parametrize("cut", range(6, len(encode_method(CUT_OFF))))
def test_a_publish_with_bad_names_is_refused_wherever_it_is_cut(cut: int) -> None:
    assert fails(encode_method(CUT_OFF)[:cut]) == "MalformedMethod"


def test_a_publish_with_bad_names_keeps_its_flags() -> None:
    back = decode_method(encode_method(CUT_OFF))

    assert back == CUT_OFF
    assert fails(encode_method(CUT_OFF) + b"\x00") == "MalformedMethod"


def test_methods_are_compared_by_class_and_value() -> None:
    publish = methods.BasicPublish(0, "x", "k")

    assert publish == methods.BasicPublish(exchange="x", routing_key="k")
    assert publish != methods.BasicPublish(0, "x", "K")
    assert methods.TxSelect() != methods.TxCommit()
    assert publish != "basic.publish"


def test_a_method_prints_its_name_and_arguments() -> None:
    assert repr(methods.BasicCancel("tag")) == "<basic.cancel consumer_tag='tag' no_wait=False>"


def test_a_short_string_holds_255_bytes_and_no_more() -> None:
    assert encode_shortstr("é" * 127 + "\udcff") == b"\xff" + "é".encode() * 127 + b"\xff"
    with pytest.raises(ValueError, match="256"):
        encode_shortstr("é" * 128)
