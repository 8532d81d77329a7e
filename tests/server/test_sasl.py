"""Login responses, as they should be and as they should not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.server.sasl import MECHANISMS, Credentials, MalformedResponse
from amqpbroker.spec.table import Field, Table, encode_table, longstr


def amqplain(table: Table) -> bytes:
    """A table without its length."""
    return encode_table(table)[4:]


def test_the_mechanisms_are_offered_in_a_fixed_order() -> None:
    assert list(MECHANISMS) == ["PLAIN", "AMQPLAIN", "ANONYMOUS"]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"\0guest\0guest", Credentials("guest", "guest")),
        (b"\0\0", Credentials("", "")),
        ("\0jürgen\0größe".encode(), Credentials("jürgen", "größe")),
        (b"\0guest\0", Credentials("guest", "")),
        (b"\0a b\0c:d", Credentials("a b", "c:d")),
    ],
)
def test_plain_is_nul_user_nul_password(response: bytes, expected: Credentials) -> None:
    assert MECHANISMS["PLAIN"](response) == expected


@pytest.mark.parametrize(
    "response",
    [b"", b"\0", b"guest", b"\0guest", b"guest\0guest", b"me\0guest\0guest", b"\0guest\0guest\0"],
)
def test_plain_of_another_form_is_malformed(response: bytes) -> None:
    with pytest.raises(MalformedResponse):
        MECHANISMS["PLAIN"](response)


def test_names_that_are_no_text_are_kept_apart() -> None:
    assert MECHANISMS["PLAIN"](b"\0\xff\0x") != MECHANISMS["PLAIN"](b"\0\xfe\0x")


def test_amqplain_is_a_table_without_its_length() -> None:
    response = amqplain({"LOGIN": longstr("guest"), "PASSWORD": longstr("secret")})

    assert MECHANISMS["AMQPLAIN"](response) == Credentials("guest", "secret")


def test_amqplain_may_say_more() -> None:
    response = amqplain(
        {
            "LOCALE": longstr("en_US"),
            "PASSWORD": longstr("secret"),
            "LOGIN": longstr("guest"),
        }
    )

    assert MECHANISMS["AMQPLAIN"](response) == Credentials("guest", "secret")


@pytest.mark.parametrize(
    "response",
    [
        b"",
        amqplain({"LOGIN": longstr("guest")}),
        amqplain({"PASSWORD": longstr("guest")}),
        amqplain({"login": longstr("guest"), "password": longstr("guest")}),
        amqplain({"LOGIN": Field("I", 1), "PASSWORD": longstr("guest")}),
        amqplain({"LOGIN": longstr("guest"), "PASSWORD": Field("V", None)}),
        amqplain({"LOGIN": longstr("guest"), "PASSWORD": longstr("guest")})[:-1],
        amqplain({"LOGIN": longstr("guest"), "PASSWORD": longstr("guest")}) + b"\0",
        b"\0guest\0guest",
        b"\xff" * 40,
        b"\x05LOGINA\xff\xff\xff\xff",
    ],
)
def test_amqplain_of_another_form_is_malformed(response: bytes) -> None:
    with pytest.raises(MalformedResponse):
        MECHANISMS["AMQPLAIN"](response)


def test_a_deeply_nested_amqplain_is_malformed_and_no_crash() -> None:
    with pytest.raises(MalformedResponse):
        MECHANISMS["AMQPLAIN"](b"\x05LOGIN" + b"A\0\0\x10\0" * 800)


@pytest.mark.parametrize("response", [b"", b"anybody", b"\0me\0mine", b"\xff\xfe"])
def test_anonymous_is_guest_whatever_it_says(response: bytes) -> None:
    assert MECHANISMS["ANONYMOUS"](response) == Credentials("guest", "guest")


@given(response=st.binary(max_size=80), mechanism=st.sampled_from(sorted(MECHANISMS)))
def test_any_bytes_are_credentials_or_malformed(response: bytes, mechanism: str) -> None:
    try:
        answer = MECHANISMS[mechanism](response)
    except MalformedResponse:
        answer = None

    assert answer is None or isinstance(answer, Credentials)
