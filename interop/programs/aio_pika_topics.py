"""Publish and subscribe: a topic exchange, an exchange bound to it, and subscribers that leave."""

from __future__ import annotations

import asyncio
import sys
import uuid

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

PATIENCE_SECONDS = 15.0
PATTERNS = {
    "everything": ["#"],
    "errors": ["*.error"],
    "the kernel": ["kernel.#"],
    "three words": ["*.*.*"],
    "one or the other": ["kernel.info", "*.info", "#.info"],
    "ends in deep": ["#.deep"],
}
EXPECTED = {
    "kernel.error": ["everything", "errors", "the kernel"],
    "kernel.info": ["everything", "the kernel", "one or the other"],
    "web.info": ["everything", "one or the other"],
    "kernel": ["everything", "the kernel"],
    "deep": ["everything", "ends in deep"],
    "kernel.net.deep": ["everything", "the kernel", "three words", "ends in deep"],
    "": ["everything"],
    "..": ["everything", "three words"],
}


async def subscribe(
    channel: AbstractChannel, exchange: AbstractExchange
) -> dict[str, AbstractQueue]:
    queues = {title: await channel.declare_queue(exclusive=True) for title in PATTERNS}
    for title, patterns in PATTERNS.items():
        for pattern in patterns:
            await queues[title].bind(exchange, pattern)
    return queues


async def drain(queue: AbstractQueue) -> list[str]:
    """Take what is ready now; the publisher's confirms came before this."""
    keys: list[str] = []
    while (message := await queue.get(no_ack=True, fail=False)) is not None:
        assert message.routing_key == message.body.decode(), message
        keys.append(message.body.decode())
    return keys


async def route_by_pattern(channel: AbstractChannel, name: str) -> None:
    source = await channel.declare_exchange(f"{name}-in", "fanout", auto_delete=True)
    exchange = await channel.declare_exchange(name, "topic", auto_delete=True)
    queues = await subscribe(channel, exchange)
    await exchange.bind(source)
    for key in EXPECTED:
        await source.publish(aio_pika.Message(key.encode()), key)
    for title, queue in queues.items():
        expected = [key for key, titles in EXPECTED.items() if title in titles]
        keys = await drain(queue)
        assert keys == expected, f"{title!r} {PATTERNS[title]} got {keys}, not {expected}"

    await queues["one or the other"].unbind(exchange, "#.info")
    await queues["one or the other"].unbind(exchange, "*.info")
    await source.publish(aio_pika.Message(b"web.info"), "web.info")
    await source.publish(aio_pika.Message(b"kernel.info"), "kernel.info")
    assert await drain(queues["one or the other"]) == ["kernel.info"], "unbound, and still routed"


async def fan_out_to_iterators(url: str, channel: AbstractChannel, name: str) -> None:
    exchange = await channel.declare_exchange(f"{name}-all", "fanout", auto_delete=True)
    async with await aio_pika.connect(url) as subscriber:
        listening = await subscriber.channel()
        queues = [await listening.declare_queue(exclusive=True) for _ in range(3)]
        for queue in queues:
            await queue.bind(exchange)
        for number in range(10):
            await exchange.publish(aio_pika.Message(str(number).encode()), "")

        async def take_ten(queue: AbstractQueue) -> list[int]:
            numbers: list[int] = []
            async with queue.iterator(timeout=PATIENCE_SECONDS) as messages:
                async for message in messages:
                    async with message.process():
                        numbers.append(int(message.body))
                    if len(numbers) == 10:
                        break
            return numbers

        taken = await asyncio.gather(*(take_ten(queue) for queue in queues))
        assert taken == [list(range(10))] * 3, taken


async def main(url: str) -> None:
    name = f"interop-topics-{uuid.uuid4().hex}"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await route_by_pattern(channel, name)
        await fan_out_to_iterators(url, channel, name)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 3 * PATIENCE_SECONDS))
