"""What the broker reads in a message's properties before it routes it.

Most messages never come here: `Properties.needs_a_look` says which do (S-133, S-134, S-196 to
S-203, S-265).
"""

import re
from typing import Final

from amqpbroker.engine.access import User
from amqpbroker.engine.replies import REPLY_QUEUE
from amqpbroker.spec.constants import HARD_MESSAGE_BYTES_MAX
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.table import Table

#: The longest time to live that RabbitMQ accepts: ten years (S-353).
EXPIRATION_MS_MAX: Final = 315_360_000_000
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")


def check_size(body_bytes: int, body_bytes_max: int) -> None:
    """Refuse a body that is larger than this broker takes: 406 (S-198)."""
    if body_bytes <= body_bytes_max:
        return
    if body_bytes_max == HARD_MESSAGE_BYTES_MAX:
        limit = f"max size {body_bytes_max}"
    else:
        limit = f"configured max size {body_bytes_max}"
    raise precondition_failed(f"message size {body_bytes} is larger than {limit}")


def checked(message: Message, reply_name: str | None) -> Message:
    """The message with its reply-to filled in, and its expiration checked.

    `reply_name` is the channel's own name for direct replies, if it receives any.  Raises 406.
    """
    properties = message.properties
    if properties.text("reply_to") == REPLY_QUEUE:
        if reply_name is None:
            raise precondition_failed("fast reply consumer does not exist")
        properties = properties.edited(reply_to=reply_name)
        message = message.with_properties(properties)
    expiration = properties.text("expiration")
    if expiration is not None:
        _check_expiration(expiration)
    return message


def addressed(message: Message) -> Message:
    """The message with the keys of its CC and BCC headers read, and BCC taken out.

    Raises 406 for CC or BCC headers that are no arrays.
    """
    properties = message.properties
    if not properties.may_have_cc:
        return message
    headers, publish = properties.headers, message.publish
    addressed_publish = Publish(
        publish.exchange_name,
        publish.routing_key,
        mandatory=publish.mandatory,
        channel_number=publish.channel_number,
        cc_keys=_keys("CC", headers),
        bcc_keys=_keys("BCC", headers),
    )
    if "BCC" in headers:
        visible = {name: field for name, field in headers.items() if name != "BCC"}
        message = message.with_properties(properties.edited(headers=visible))
    return message._replace(publish=addressed_publish)


def check_user(message: Message, user: User) -> None:
    """Refuse a user-id that is not the publisher's: 406 (S-202), unless the user may do so."""
    user_id = message.properties.text("user_id")
    if user_id is not None and user_id != user.name and not user.may_impersonate:
        raise precondition_failed(
            f"user_id property set to '{user_id}' but authenticated user was '{user.name}'"
        )


def _keys(name: str, headers: Table) -> tuple[str, ...]:
    field = headers.get(name)
    if field is None:
        return ()
    if not isinstance(field.value, list):
        raise precondition_failed(
            f'invalid message: {{unacceptable_type_in_header,"{name}",{field.kind_name}}}'
        )
    return tuple(item.text for item in field.value if item.kind == "S")


def _check_expiration(expiration: str) -> None:
    """Refuse what is no number of milliseconds (S-203)."""
    match = _INTEGER.match(expiration)
    if match is None:
        reason = "no_integer"
    elif match.end() < len(expiration):
        reason = f'{{leftover_string,"{expiration[match.end() :]}"}}'
    elif int(expiration) < 0:
        reason = f"{{value_negative,{int(expiration)}}}"
    elif int(expiration) > EXPIRATION_MS_MAX:
        reason = f"{{value_too_large,{int(expiration)}}}"
    else:
        return
    raise precondition_failed(f"invalid expiration '{expiration}': {reason}")
