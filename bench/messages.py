"""What the load consists of: messages encoded ahead, and how many bytes each will come back as.

A publisher sends one *cycle* of messages over and over.  Every kind of traffic tells its cycle:

    Fixed     one message, the same bytes each time: the best case of any broker's memory
    Mixed     thousands with ids, headers and sizes as applications have them; each is stamped
              with the number of the cycle before it is sent, so that no two are ever the same
    Topical   one small message under thousands of routing keys

Consumers know the cycle too: deliveries arrive in the order of publishing (one publisher, one
queue) or are all of one size, so counting bytes is counting messages (`meters.DeliveryMeter`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol

import attrs
from pamqp import body, commands, frame, header
from pamqp.common import FieldTable

from bench.client import CHANNEL, FRAME_MAX
from bench.topics import KEY_BYTES, topic_table

CONSUMER_TAG_BYTES = 3  # "c07"

_FRAME_OVERHEAD_BYTES = 8
_SEED = 4_091  # any number, but always the same
_APPS = ("billing", "checkout", "inventory", "mailer", "search-indexer")
_TYPES = ("order.created", "order.paid", "invoice.sent", "stock.changed")


@attrs.frozen
class Message:
    """One message, ready to send."""

    raw_publish: bytes  # method, header and body frames
    content_bytes: int  # its header and body frames, which a delivery repeats
    copies: int = 1  # how many queues it reaches, where the exchange decides
    stamp_at: int | None = None  # where in `raw_publish` eight bytes take the cycle's number


class Traffic(Protocol):
    """A kind of messages."""

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]: ...

    def content_sizes(self) -> Sequence[int]:
        """Return `Message.content_bytes` of each *delivery* of a cycle, or one for all."""
        ...


@attrs.frozen
class Fixed:
    """The same *body_bytes* again and again."""

    body_bytes: int
    is_persistent: bool = False

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        properties = commands.Basic.Properties(delivery_mode=2 if self.is_persistent else 1)
        content = encode_content(properties, b"x" * self.body_bytes)
        return [Message(encode_publish(exchange, routing_key) + content, len(content))]

    def content_sizes(self) -> Sequence[int]:
        return [message.content_bytes for message in self.cycle("", "")]


@attrs.frozen
class Mixed:
    """Message ids, headers and bodies of every size from nothing to 8 kB, half under 250 B."""

    message_count: int = 5_000

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        dice = random.Random(_SEED)
        method = encode_publish(exchange, routing_key)
        messages: list[Message] = []
        for index in range(self.message_count):
            content = encode_content(
                _mixed_properties(dice, index),
                dice.randbytes(min(8_192, int(dice.lognormvariate(5.5, 1.0)))),
            )
            raw = method + content
            messages.append(Message(raw, len(content), stamp_at=raw.index(b"%08d-" % index) + 9))
        return messages

    def content_sizes(self) -> Sequence[int]:
        return [message.content_bytes for message in self.cycle("", "")]


@attrs.frozen
class Graded:
    """Small messages whose priorities go round, from 0 up."""

    priority_count: int = 5
    body_bytes: int = 100

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        method, payload = encode_publish(exchange, routing_key), b"x" * self.body_bytes
        contents = [
            encode_content(commands.Basic.Properties(delivery_mode=1, priority=priority), payload)
            for priority in range(self.priority_count)
        ]
        return [Message(method + content, len(content)) for content in contents]

    def content_sizes(self) -> Sequence[int]:
        return [message.content_bytes for message in self.cycle("", "")]


@attrs.frozen
class Keyed:
    """Small messages with many routing keys, each as long as the name of a queue."""

    key_count: int = 1_000
    body_bytes: int = 100

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        content = encode_content(commands.Basic.Properties(delivery_mode=1), b"x" * self.body_bytes)
        keys = [f"{index:0{len(routing_key)}d}" for index in range(self.key_count)]
        return [Message(encode_publish(exchange, key) + content, len(content)) for key in keys]

    def content_sizes(self) -> Sequence[int]:
        return Fixed(self.body_bytes).content_sizes()


@attrs.frozen
class Delayed:
    """Small messages that are to wait for an hour."""

    body_bytes: int = 100

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        properties = commands.Basic.Properties(headers={"x-delay": 3_600_000}, delivery_mode=1)
        content = encode_content(properties, b"x" * self.body_bytes)
        return [Message(encode_publish(exchange, routing_key) + content, len(content))]

    def content_sizes(self) -> Sequence[int]:
        return [message.content_bytes for message in self.cycle("", "")]


@attrs.frozen
class Topical:
    """Small messages to a topic exchange with many bindings; *queue_count* share those."""

    queue_count: int
    binding_count: int
    key_count: int
    body_bytes: int = 100

    def cycle(self, exchange: str, routing_key: str) -> Sequence[Message]:
        del routing_key  # each message has its own
        table = topic_table(self.queue_count, self.binding_count, self.key_count)
        content = encode_content(commands.Basic.Properties(delivery_mode=1), b"x" * self.body_bytes)
        return [
            Message(encode_publish(exchange, key) + content, len(content), copies)
            for key, copies in zip(table.routing_keys, table.copies, strict=True)
        ]

    def content_sizes(self) -> Sequence[int]:
        return Fixed(self.body_bytes).content_sizes()


def encode_publish(exchange: str, routing_key: str) -> bytes:
    return frame.marshal(commands.Basic.Publish(0, exchange, routing_key), CHANNEL)


def encode_content(properties: commands.Basic.Properties, payload: bytes) -> bytes:
    """Encode the header frame and as many body frames as the frame size asks for."""
    piece = FRAME_MAX - _FRAME_OVERHEAD_BYTES
    frames = [frame.marshal(header.ContentHeader(0, len(payload), properties), CHANNEL)]
    for at in range(0, len(payload), piece):
        frames.append(frame.marshal(body.ContentBody(payload[at : at + piece]), CHANNEL))
    return b"".join(frames)


def deliver_frame_bytes(exchange: str, routing_key_bytes: int) -> int:
    """Size of the method frame before each delivery: every part of it has a known length."""
    tag = "c" * CONSUMER_TAG_BYTES
    method = commands.Basic.Deliver(tag, 1, False, exchange, "x" * routing_key_bytes)
    return len(frame.marshal(method, CHANNEL))


def delivery_sizes(traffic: Traffic, exchange: str, queue_name_bytes: int) -> list[int]:
    """Bytes of each delivery of a cycle, in order, frames included."""
    key_bytes = KEY_BYTES if isinstance(traffic, Topical) else queue_name_bytes
    method_bytes = deliver_frame_bytes(exchange, key_bytes)
    return [method_bytes + size for size in traffic.content_sizes()]


class Supply:
    """An endless row of messages, taken in blocks that are as large as there is room for."""

    def __init__(self, cycle: Sequence[Message], batch: int, least: int) -> None:
        """Take *batch* messages at most and *least* at least at a time."""
        self._least = least
        self._turn = 0  # blocks taken
        if len(cycle) == 1:  # all slices of one block are ready
            raw = cycle[0].raw_publish
            self._slices = [raw * count for count in range(batch + 1)]
            self._blocks: list[_Block] = []
        else:
            self._slices = []
            self._blocks = [_Block(cycle[at : at + batch]) for at in range(0, len(cycle), batch)]

    def take(self, room: int) -> tuple[bytes | bytearray, int]:
        """Return raw bytes and how many messages they are; none at all if *room* is too small."""
        if self._slices:
            count = min(room, len(self._slices) - 1)
            return (self._slices[count], count) if count >= self._least else (b"", 0)
        cycle_number, index = divmod(self._turn, len(self._blocks))
        block = self._blocks[index]
        if block.count > room:
            return b"", 0
        self._turn += 1
        block.stamp(cycle_number)
        return block.raw, block.count


class _Block:
    def __init__(self, messages: Sequence[Message]) -> None:
        self.count = len(messages)
        self.raw = bytearray().join(message.raw_publish for message in messages)
        self._stamps: list[int] = []
        at = 0
        for message in messages:
            if message.stamp_at is not None:
                self._stamps.append(at + message.stamp_at)
            at += len(message.raw_publish)

    def stamp(self, cycle_number: int) -> None:
        stamp = b"%08x" % cycle_number
        for at in self._stamps:
            self.raw[at : at + 8] = stamp


def copies_of(traffic: Traffic, published_count: int) -> int:
    """How many queues the first *published_count* messages reach in all, through a topic."""
    if not isinstance(traffic, Topical):
        return published_count
    copies = [message.copies for message in traffic.cycle("", "")]
    cycles, rest = divmod(published_count, len(copies))
    return cycles * sum(copies) + sum(copies[:rest])


def stamped_message(routing_key: str, body_bytes: int) -> tuple[bytearray, int]:
    """Return a message whose body begins with eight bytes for a time, and where they stand."""
    content = encode_content(commands.Basic.Properties(delivery_mode=1), b"\0" * body_bytes)
    raw = bytearray(encode_publish("", routing_key) + content)
    return raw, len(raw) - 1 - body_bytes


def _mixed_properties(dice: random.Random, index: int) -> commands.Basic.Properties:
    headers: FieldTable = {
        "traceparent": f"00-{dice.randbytes(16).hex()}-{dice.randbytes(8).hex()}-01",
        "tenant": f"tenant-{dice.randrange(500)}",
        "attempt": dice.randrange(1, 4),
    }
    if dice.random() < 0.3:
        headers["tags"] = [dice.choice(_TYPES) for _ in range(dice.randrange(1, 4))]
    return commands.Basic.Properties(
        content_type=dice.choice(("application/json", "application/octet-stream", "text/plain")),
        headers=headers,
        delivery_mode=1,
        correlation_id=dice.randbytes(16).hex() if dice.random() < 0.5 else None,
        reply_to=f"replies.{dice.randrange(50)}" if dice.random() < 0.2 else None,
        message_id=f"{index:08d}-00000000",
        message_type=dice.choice(_TYPES),
        app_id=dice.choice(_APPS),
    )
