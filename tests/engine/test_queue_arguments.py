"""A queue's arguments: what each refuses, and what the accepted ones mean (S-163 to S-187)."""

from __future__ import annotations

import pytest

from amqpbroker.engine.queue_arguments import (
    TIME_MS_MAX,
    QueueRules,
    check_arguments,
    compared_arguments,
    rules_of,
)
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.table import Field, Table, longstr

QUEUE = "queue 'q' in vhost '/'"
TEXT, FLAG, NONE = longstr("5"), Field("t", True), Field("V", None)
QUORUM, STREAM = longstr("quorum"), longstr("stream")


def number(value: int) -> Field:
    return Field("l", value)


@pytest.mark.parametrize(
    ("name", "field", "error"),
    [
        ("x-queue-type", longstr("odd"), "\"unsupported queue type 'odd'\""),
        ("x-queue-type", FLAG, "{unacceptable_type,bool}"),
        ("x-expires", TEXT, '"expected integer, got longstr"'),
        ("x-expires", number(0), "{value_zero,0}"),
        ("x-expires", number(-1), "{value_negative,-1}"),
        ("x-expires", number(TIME_MS_MAX + 1), f"{{value_too_large,{TIME_MS_MAX + 1}}}"),
        ("x-message-ttl", FLAG, '"expected integer, got bool"'),
        ("x-message-ttl", number(-1), "{value_negative,-1}"),
        ("x-message-ttl", number(TIME_MS_MAX + 1), f"{{value_too_large,{TIME_MS_MAX + 1}}}"),
        ("x-dead-letter-routing-key", TEXT, "routing_key_but_no_dlx_defined"),
        ("x-dead-letter-routing-key", FLAG, "{unacceptable_type,bool}"),
        ("x-max-length", number(-1), "{value_negative,-1}"),
        ("x-max-length-bytes", TEXT, '"expected integer, got longstr"'),
        ("x-max-priority", number(256), "{max_value_exceeded,256}"),
        ("x-max-priority", number(-1), "{value_negative,-1}"),
        ("x-overflow", longstr("burst"), "invalid_overflow"),
        ("x-overflow", number(1), "{unacceptable_type,long}"),
        ("x-queue-mode", longstr("odd"), "\"unsupported queue mode 'odd'\""),
        ("x-queue-version", number(3), "\"unsupported queue version '3'\""),
        ("x-queue-version", TEXT, '"expected integer, got longstr"'),
        ("x-single-active-consumer", number(1), "{unacceptable_type,long}"),
        ("x-queue-leader-locator", longstr("odd"), "invalid_queue_locator_arg"),
    ],
)
def test_a_wrong_value_is_refused_in_rabbitmqs_words(name: str, field: Field, error: str) -> None:
    with pytest.raises(ChannelException) as caught:
        check_arguments(QUEUE, {name: field})

    text = f"PRECONDITION_FAILED - invalid arg '{name}' for {QUEUE}: {error}"
    assert caught.value.reply_text == text


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("x-expires", [number(1), number(TIME_MS_MAX)]),
        ("x-message-ttl", [number(0), number(TIME_MS_MAX), Field("b", 5)]),
        ("x-max-length", [number(0), number(1 << 40)]),
        ("x-max-priority", [number(0), number(255)]),
        ("x-overflow", [longstr("drop-head"), longstr("reject-publish-dlx")]),
        ("x-queue-version", [number(1), number(2)]),
        ("x-queue-mode", [longstr("lazy")]),
        ("x-single-active-consumer", [FLAG, Field("t", False)]),
        ("x-queue-master-locator", [NONE, number(-1)]),
        ("x-dead-letter-exchange", [longstr("")]),
        ("x-what-nobody-knows", [NONE, TEXT]),
    ],
)
def test_the_edges_of_what_is_right_are_accepted(name: str, fields: list[Field]) -> None:
    for field in fields:
        assert check_arguments(QUEUE, {name: field}) == "classic"


def test_the_dead_letter_exchange_is_checked_before_all_else() -> None:
    arguments = {"x-queue-type": FLAG, "x-dead-letter-exchange": number(1)}

    with pytest.raises(ChannelException, match="invalid type 'long' for arg 'x-dead-letter-ex"):
        check_arguments(QUEUE, arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"x-max-priority": number(1), "x-queue-type": QUORUM}, "x-max-priority"),
        ({"x-expires": number(1), "x-queue-type": STREAM}, "x-expires"),
        ({"x-delivery-limit": number(1)}, "x-delivery-limit"),
        ({"x-max-age": TEXT, "x-initial-cluster-size": number(1)}, "x-initial-cluster-size"),
        ({"x-quorum-initial-group-size": number(0)}, "x-quorum-initial-group-size"),
    ],
)
def test_an_argument_of_another_type_is_refused_the_first_by_name(
    arguments: Table, named: str
) -> None:
    with pytest.raises(ChannelException, match=f"invalid arg '{named}' for .* of queue type rab"):
        check_arguments(QUEUE, arguments)


def test_a_type_has_arguments_of_its_own() -> None:
    quorum = {"x-queue-type": QUORUM, "x-delivery-limit": number(-1)}
    stream = {"x-queue-type": STREAM, "x-max-age": TEXT, "x-max-length-bytes": number(1)}

    assert check_arguments(QUEUE, quorum) == "quorum"
    assert check_arguments(QUEUE, stream) == "stream"
    with pytest.raises(ChannelException, match=r"x-quorum-initial-group-size.*{value_zero,0}"):
        check_arguments(QUEUE, {**quorum, "x-quorum-initial-group-size": number(0)})
    with pytest.raises(ChannelException, match=r"x-dead-letter-strategy.*invalid_dlx_strategy"):
        check_arguments(QUEUE, {**quorum, "x-dead-letter-strategy": TEXT})


def test_only_what_a_type_has_is_compared() -> None:
    assert "x-max-priority" in compared_arguments("classic")
    assert "x-max-priority" not in compared_arguments("quorum")
    assert compared_arguments("stream")[-1] == "x-queue-type"


def test_a_queue_without_arguments_has_no_rules() -> None:
    rules = rules_of({})

    assert rules == QueueRules()
    assert (rules.has_length_limit, rules.rejects, rules.is_quorum) == (False, False, False)


def test_rules_are_what_the_arguments_say() -> None:
    rules = rules_of(
        {
            "x-message-ttl": number(0),
            "x-expires": number(7),
            "x-max-length": number(3),
            "x-overflow": longstr("reject-publish"),
            "x-dead-letter-exchange": longstr(""),
            "x-dead-letter-routing-key": longstr("key"),
            "x-single-active-consumer": Field("t", False),
            "x-max-priority": number(0),
        }
    )

    assert rules == QueueRules(
        message_ttl_ms=0,
        expires_ms=7,
        length_max=3,
        overflow="reject-publish",
        dead_letter_exchange="",
        dead_letter_routing_key="key",
        priority_max=0,
    )


@pytest.mark.parametrize(
    ("queue_type", "overflow", "length_max", "rejects"),
    [
        ("classic", "drop-head", 1, False),
        ("classic", "reject-publish", 1, True),
        ("classic", "reject-publish-dlx", 1, True),
        ("classic", "reject-publish", None, False),
        ("quorum", "reject-publish", 1, True),
        ("quorum", "reject-publish-dlx", 1, False),
    ],
)
def test_who_refuses_instead_of_dropping(
    queue_type: str, overflow: str, length_max: int | None, rejects: bool
) -> None:
    """S-177."""
    rules = QueueRules(queue_type=queue_type, overflow=overflow, length_max=length_max)

    assert rules.rejects == rejects
