"""How a message was published, as bytes, for the journal.

    octet   0
    short   the channel number that the content frames are stamped with
    names   exchange and routing key, as in basic.deliver

    octet   1: there is more, as JSON behind the names: the keys of CC and BCC, and of a dead
            letter the record of its deaths, which no header stands for (`dead_letter.py`)

A publish that was `mandatory` has been answered, so that is not kept.
"""

import json
from struct import Struct
from typing import Any, Final

from amqpbroker.engine.dead_letter import DeadLetter, Death
from amqpbroker.spec.message import Publish

_HEAD: Final = Struct(">BH")
_PLAIN: Final = 0
_WITH_MORE: Final = 1


def write_publish(publish: Publish) -> bytes:
    """The bytes that `read_publish` reads."""
    if not publish.cc_keys and not publish.bcc_keys and not isinstance(publish, DeadLetter):
        return _HEAD.pack(_PLAIN, publish.channel_number) + publish.raw_names
    more: dict[str, object] = {"cc": publish.cc_keys, "bcc": publish.bcc_keys}
    if isinstance(publish, DeadLetter):
        more["deaths"] = [_written(death) for death in publish.deaths]
        more["first"] = _written(publish.first)
    head = _HEAD.pack(_WITH_MORE, publish.channel_number)
    return head + publish.raw_names + json.dumps(more).encode()


def read_publish(raw: bytes) -> Publish:
    """The publish that `write_publish` wrote."""
    kind, channel_number = _HEAD.unpack_from(raw)
    exchange_name, position = _shortstr(raw, _HEAD.size)
    routing_key, position = _shortstr(raw, position)
    if kind == _PLAIN:
        return Publish(exchange_name, routing_key, channel_number=channel_number)
    more: dict[str, Any] = json.loads(raw[position:])
    cc_keys, bcc_keys = tuple(more["cc"]), tuple(more["bcc"])
    if "deaths" not in more:
        return Publish(
            exchange_name, routing_key, channel_number=channel_number,
            cc_keys=cc_keys, bcc_keys=bcc_keys,
        )  # fmt: skip
    return DeadLetter(
        exchange_name,
        routing_key,
        channel_number=channel_number,
        cc_keys=cc_keys,
        bcc_keys=bcc_keys,
        deaths=tuple(_death(death) for death in more["deaths"]),
        first=_death(more["first"]),
    )


def _shortstr(raw: bytes, position: int) -> tuple[str, int]:
    end = position + 1 + raw[position]
    return raw[position + 1 : end].decode("utf-8", "surrogateescape"), end


def _written(death: Death) -> list[object]:
    return [
        death.reason,
        death.queue_name,
        death.exchange_name,
        death.routing_keys,
        death.time_s,
        death.original_expiration,
        death.count,
    ]


def _death(fields: Any) -> Death:
    reason, queue_name, exchange_name, routing_keys, time_s, expiration, count = fields
    keys = tuple(routing_keys)
    return Death(reason, queue_name, exchange_name, keys, time_s, expiration, count)
