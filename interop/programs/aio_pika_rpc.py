"""RPC with a reply queue of one's own, and again with aio-pika's RPC pattern."""

from __future__ import annotations

import asyncio
import sys
import uuid

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.patterns import RPC

PATIENCE_SECONDS = 15.0
CALL_COUNT = 50


class Caller:
    """Calls by message; matches answers to calls by correlation id."""

    def __init__(self, channel: AbstractChannel, server_queue: str) -> None:
        self.channel = channel
        self.server_queue = server_queue
        self.reply_queue = ""
        self.pending: dict[str, asyncio.Future[int]] = {}

    async def start(self) -> None:
        queue = await self.channel.declare_queue(exclusive=True)
        assert queue.name.startswith("amq.gen-"), queue.name
        self.reply_queue = queue.name
        await queue.consume(self.on_answer, no_ack=True)

    async def on_answer(self, message: AbstractIncomingMessage) -> None:
        assert message.correlation_id is not None
        self.pending.pop(message.correlation_id).set_result(int(message.body))

    async def call(self, number: int) -> int:
        call_id = uuid.uuid4().hex
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pending[call_id] = answer
        request = aio_pika.Message(
            str(number).encode(), correlation_id=call_id, reply_to=self.reply_queue
        )
        await self.channel.default_exchange.publish(request, self.server_queue)
        return await asyncio.wait_for(answer, PATIENCE_SECONDS)


async def call_by_hand(server: AbstractConnection, client: AbstractConnection) -> None:
    channel = await server.channel()
    queue = await channel.declare_queue(f"interop-rpc-{uuid.uuid4().hex}", auto_delete=True)

    async def on_request(message: AbstractIncomingMessage) -> None:
        async with message.process():
            assert message.reply_to is not None
            answer = aio_pika.Message(
                str(int(message.body) ** 2).encode(), correlation_id=message.correlation_id
            )
            await channel.default_exchange.publish(answer, message.reply_to)

    await queue.consume(on_request)
    caller = Caller(await client.channel(), queue.name)
    await caller.start()
    answers = await asyncio.gather(*(caller.call(number) for number in range(CALL_COUNT)))
    assert answers == [number**2 for number in range(CALL_COUNT)], answers
    assert caller.pending == {}, f"answered to nobody: {caller.pending}"


async def call_by_pattern(server: AbstractConnection, client: AbstractConnection) -> None:
    async def join(*, words: list[str]) -> str:
        if not words:
            raise ValueError("nothing to join")
        return " ".join(words)

    method = f"interop-join-{uuid.uuid4().hex}"
    server_rpc = await RPC.create(await server.channel())
    await server_rpc.register(method, join, auto_delete=True)
    client_rpc = await RPC.create(await client.channel())

    joined = await asyncio.wait_for(
        client_rpc.call(method, kwargs={"words": ["a", "b", "c"]}), PATIENCE_SECONDS
    )
    assert joined == "a b c", joined
    try:
        await asyncio.wait_for(client_rpc.call(method, kwargs={"words": []}), PATIENCE_SECONDS)
    except ValueError as error:
        assert str(error) == "nothing to join", error
    else:
        raise AssertionError("the remote method's exception did not come back")
    await client_rpc.close()
    await server_rpc.close()


async def main(url: str) -> None:
    async with await aio_pika.connect(url) as server, await aio_pika.connect(url) as client:
        await call_by_hand(server, client)
        await call_by_pattern(server, client)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 3 * PATIENCE_SECONDS))
