from __future__ import annotations

import pytest

from amqpbroker.engine.equivalence import are_equal, check_arguments, check_property
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.table import Field, Table, longstr

SUBJECT = "queue 'jobs' in vhost '/'"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Field("I", 1), Field("l", 1)),
        (Field("b", 1), Field("T", 1)),
        (longstr("a"), Field("x", b"a")),
        (None, None),
        (Field("V", None), Field("V", None)),
    ],
)
def test_values_count_not_kinds(one: Field | None, other: Field | None) -> None:
    assert are_equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Field("I", 1), Field("I", 2)),
        (Field("I", 1), Field("d", 1.0)),
        (Field("I", 1), Field("t", True)),
        (Field("I", 1), longstr("1")),
        (Field("V", None), None),
        (None, Field("I", 0)),
    ],
)
def test_other_values_differ(one: Field | None, other: Field | None) -> None:
    assert not are_equal(one, other)


@pytest.mark.parametrize(
    ("received", "current", "expected"),
    [
        ({"a": Field("I", 1)}, {"a": Field("I", 2)}, "received '1' but current is '2'"),
        (
            {"a": longstr("é")},
            {},
            "received the value 'é' of type 'longstr' but current is none",
        ),
        (
            {},
            {"a": Field("t", True)},
            "received none but current is the value 'true' of type 'bool'",
        ),
        (
            {"a": Field("V", None)},
            {},
            "received the value none of type 'void' but current is none",
        ),
    ],
)
def test_a_difference_is_told_in_rabbitmqs_words(
    received: Table, current: Table, expected: str
) -> None:
    with pytest.raises(ChannelException) as caught:
        check_arguments(SUBJECT, ["a"], received, current)

    prefix = f"PRECONDITION_FAILED - inequivalent arg 'a' for {SUBJECT}: "
    assert caught.value.reply_text == prefix + expected


def test_arguments_that_nobody_asked_about_may_differ() -> None:
    check_arguments(SUBJECT, ["a"], {"b": Field("I", 1)}, {"b": Field("I", 2)})

    with pytest.raises(ChannelException, match="inequivalent arg 'b'"):
        check_arguments(SUBJECT, ["a", "b"], {"b": Field("I", 1)}, {"b": Field("I", 2)})


@pytest.mark.parametrize(
    ("received", "current", "expected"),
    [(True, False, "'true' but current is 'false'"), ("topic", "direct", "'topic' but current is")],
)
def test_a_property_that_differs_is_refused(
    received: object, current: object, expected: str
) -> None:
    check_property(SUBJECT, "p", current, current)

    with pytest.raises(ChannelException, match=f"inequivalent arg 'p' for .* received {expected}"):
        check_property(SUBJECT, "p", received, current)
