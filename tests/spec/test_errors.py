from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.spec import errors
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import (
    AMQPException,
    ChannelException,
    ConnectionException,
    legible,
    shortened,
)
from amqpbroker.spec.method import encode_shortstr

EXPLAINED: list[tuple[Callable[[str], AMQPException], type[AMQPException], str]] = [
    (errors.access_refused, ChannelException, "403 ACCESS_REFUSED"),
    (errors.not_found, ChannelException, "404 NOT_FOUND"),
    (errors.resource_locked, ChannelException, "405 RESOURCE_LOCKED"),
    (errors.precondition_failed, ChannelException, "406 PRECONDITION_FAILED"),
    (errors.connection_forced, ConnectionException, "320 CONNECTION_FORCED"),
    (errors.login_refused, ConnectionException, "403 ACCESS_REFUSED"),
    (errors.frame_error, ConnectionException, "501 FRAME_ERROR"),
    (errors.command_invalid, ConnectionException, "503 COMMAND_INVALID"),
    (errors.channel_error, ConnectionException, "504 CHANNEL_ERROR"),
    (errors.unexpected_frame, ConnectionException, "505 UNEXPECTED_FRAME"),
    (errors.not_allowed, ConnectionException, "530 NOT_ALLOWED"),
    (errors.not_implemented, ConnectionException, "540 NOT_IMPLEMENTED"),
]
"""(maker, what it closes, code and name)"""


@pytest.mark.parametrize(("make", "closes", "expected"), EXPLAINED)
def test_an_error_closes_channel_or_connection_with_code_and_text(
    make: Callable[[str], AMQPException], closes: type[AMQPException], expected: str
) -> None:
    error = make("no queue 'q' in vhost '/'")
    code, name = expected.split()

    assert type(error) is closes
    assert error.reply_code == int(code)
    assert error.reply_text == str(error) == f"{name} - no queue 'q' in vhost '/'"


def test_an_internal_error_explains_nothing() -> None:
    error = errors.internal_error()

    assert (error.reply_code, error.reply_text) == (541, "INTERNAL_ERROR")


def test_the_offending_method_is_the_first_that_was_named() -> None:
    error = errors.not_found("x")
    assert (error.class_id, error.method_id) == (0, 0)

    error.caused_by(60, 40)
    error.caused_by(50, 10)

    assert (error.class_id, error.method_id) == (60, 40)


def test_an_error_may_be_tied_to_no_method() -> None:
    error = errors.not_allowed("x").caused_by_no_method()
    error.caused_by(60, 40)

    assert (error.class_id, error.method_id) == (0, 0)


def test_a_text_that_is_too_long_ends_in_dots() -> None:
    """RabbitMQ keeps 252 characters (S-005)."""
    text = errors.not_found("q" * 255).reply_text

    assert text == "NOT_FOUND - " + "q" * 240 + "..."
    assert shortened("q" * 255) == "q" * 255


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("é" * 127, "é" * 127),
        ("é" * 128, "é" * 126 + "..."),
        ("é" * 300, "é" * 126 + "..."),
        ("日" * 85, "日" * 85),
        ("日" * 86, "日" * 84 + "..."),
        ("a" + "é" * 127, "a" + "é" * 127),
        ("a" + "é" * 128, "a" + "é" * 125 + "..."),
    ],
)
def test_a_text_is_cut_between_characters(text: str, expected: str) -> None:
    assert shortened(text) == expected


@given(st.text(min_size=100, max_size=400) | st.text("aé日\udcff", min_size=80, max_size=300))
def test_whatever_the_text_it_fits_a_short_string(text: str) -> None:
    error = AMQPException(ReplyCode.NOT_FOUND, text)

    assert len(encode_shortstr(error.reply_text)) <= 256


@given(st.text("aé日\udcff\udc80", max_size=300))
def test_a_reply_text_is_utf_8_whatever_is_quoted(text: str) -> None:
    error = AMQPException(ReplyCode.NOT_FOUND, text)

    assert error.reply_text.encode().decode() == error.reply_text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jobs", "jobs"),
        ("é日", "é日"),
        ("x\udced\udca0\udc80", "xí\xa0\x80"),  # as RabbitMQ 4.0.5 shows it
        ("é\udcff", "Ã©ÿ"),
    ],
)
def test_a_name_that_is_not_utf_8_is_shown_as_latin_1(name: str, expected: str) -> None:
    assert legible(name) == expected


def test_bytes_that_are_quoted_are_not_for_the_log() -> None:
    cut = errors.frame_error("cannot decode <<1,2,3" + ",4" * 200)
    whole = errors.unexpected_frame('type 3, all octets = <<"a >> b">>: unknown_frame')
    name = errors.not_found("no queue '<<a>>' in vhost '/'")

    assert cut.log_text == "FRAME_ERROR - cannot decode <<...>>"
    assert whole.log_text == "UNEXPECTED_FRAME - type 3, all octets = <<...>>: unknown_frame"
    assert name.log_text == name.reply_text
