"""What is read in a message's properties before it is routed."""

from __future__ import annotations

import pytest
from brokers import GUEST, message_of

from amqpbroker.engine import content
from amqpbroker.engine.access import User
from amqpbroker.spec.constants import HARD_MESSAGE_BYTES_MAX
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr


def message_with(**values: object) -> Message:
    return message_of(Publish("x", "key"), b"body", properties_of(**values))  # type: ignore[arg-type]


def refusal(message: Message) -> str:
    with pytest.raises(ChannelException) as caught:
        content.addressed(content.checked(message, None))
    assert caught.value.reply_code == 406
    return caught.value.reply_text.removeprefix("PRECONDITION_FAILED - ")


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        (11, 10, "message size 11 is larger than configured max size 10"),
        (
            HARD_MESSAGE_BYTES_MAX + 1,
            HARD_MESSAGE_BYTES_MAX,
            "message size 536870913 is larger than max size 536870912",
        ),
    ],
)
def test_a_body_that_is_too_large_is_refused(size: int, limit: int, expected: str) -> None:
    content.check_size(limit, limit)

    with pytest.raises(ChannelException, match=expected):
        content.check_size(size, limit)


@pytest.mark.parametrize("expiration", ["0", "1000", "+5", "315360000000"])
def test_an_expiration_is_a_number_of_milliseconds(expiration: str) -> None:
    message = message_with(expiration=expiration)

    assert content.checked(message, None) is message


@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        ("", "no_integer"),
        ("soon", "no_integer"),
        ("1s", '{leftover_string,"s"}'),
        ("-1", "{value_negative,-1}"),
        ("315360000001", "{value_too_large,315360000001}"),
    ],
)
def test_another_expiration_is_refused(expiration: str, expected: str) -> None:
    message = message_with(expiration=expiration)

    assert refusal(message) == f"invalid expiration '{expiration}': {expected}"


def test_a_direct_reply_carries_the_channels_own_name() -> None:
    message = message_with(reply_to="amq.rabbitmq.reply-to", correlation_id="1")

    named = content.checked(message, "amq.rabbitmq.reply-to.secret")

    assert named.properties.text("reply_to") == "amq.rabbitmq.reply-to.secret"
    assert named.properties.text("correlation_id") == "1"
    assert named.body == b"body"


def test_who_receives_no_replies_cannot_ask_for_them() -> None:
    message = message_with(reply_to="amq.rabbitmq.reply-to")

    assert refusal(message) == "fast reply consumer does not exist"


def test_cc_and_bcc_add_keys_and_bcc_is_not_seen() -> None:
    headers = {
        "CC": Field("A", [longstr("b"), Field("I", 1)]),
        "BCC": Field("A", [longstr("c")]),
        "kept": longstr("CC"),
    }

    message = content.addressed(message_with(headers=headers))

    assert message.routing_keys == ("key", "b", "c")
    assert list(message.properties.headers) == ["CC", "kept"]


def test_a_message_without_cc_has_one_key() -> None:
    message = message_with(headers={"name": longstr("value")})

    assert content.addressed(message) is message
    assert message.routing_keys == ("key",)


def test_headers_that_merely_hold_the_letters_change_nothing() -> None:
    message = content.addressed(message_with(headers={"name": longstr("CC")}))

    assert message.routing_keys == ("key",)
    assert list(message.properties.headers) == ["name"]


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_cc_must_be_an_array(name: str) -> None:
    message = message_with(headers={name: longstr("b")})

    expected = f'invalid message: {{unacceptable_type_in_header,"{name}",longstr}}'
    assert refusal(message) == expected


def test_a_user_id_must_be_the_publishers() -> None:
    content.check_user(message_with(), GUEST)
    content.check_user(message_with(user_id="guest"), GUEST)

    with pytest.raises(ChannelException, match="set to 'root' but authenticated user was 'guest'"):
        content.check_user(message_with(user_id="root"), GUEST)

    content.check_user(message_with(user_id="root"), User("guest", tags=("impersonator",)))
