"""connect_robust: topology and consumers come back after the TCP connection is lost."""

from __future__ import annotations

import asyncio
import sys
import uuid

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from yarl import URL

PATIENCE_SECONDS = 15.0
LOSS_COUNT = 3


class Relay:
    """A TCP relay in front of the broker whose connections can be cut, as by a failing network."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of loopback, and tell which."""
        self._server = await asyncio.start_server(self._on_client, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> int:
        """Reset every connection that passes through; tell how many sockets that were."""
        writers = list(self._writers)
        for writer in writers:
            writer.transport.abort()
        return len(writers)

    def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()

    async def _on_client(
        self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        from_broker, to_broker = await asyncio.open_connection(self.host, self.port)
        self._writers |= {to_client, to_broker}
        await asyncio.gather(self._copy(from_client, to_broker), self._copy(from_broker, to_client))
        self._writers -= {to_client, to_broker}

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def survive_losses(connection: AbstractRobustConnection, relay: Relay) -> None:
    name = f"interop-robust-{uuid.uuid4().hex}"
    reconnected = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: reconnected.set())
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def on_message(message: AbstractIncomingMessage) -> None:
        async with message.process():
            await received.put(message.body)

    channel = await connection.channel()
    await channel.set_qos(prefetch_count=10)
    exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, auto_delete=True)
    queue = await channel.declare_queue(name, exclusive=True)
    await queue.bind(exchange, "robust.#")
    await queue.consume(on_message)

    for loss in range(LOSS_COUNT + 1):
        body = f"after {loss} losses".encode()
        await exchange.publish(aio_pika.Message(body), "robust.example", timeout=PATIENCE_SECONDS)
        arrived = await asyncio.wait_for(received.get(), PATIENCE_SECONDS)
        assert arrived == body, f"expected {body}, received {arrived}"
        if loss == LOSS_COUNT:
            break
        reconnected.clear()
        assert relay.cut() > 0, "nothing to cut: the connection is not there"
        await asyncio.wait_for(reconnected.wait(), PATIENCE_SECONDS)
        await asyncio.wait_for(channel.ready(), PATIENCE_SECONDS)
    assert received.empty(), f"delivered too often: {received}"


async def main(url: str) -> None:
    broker = URL(url)
    relay = Relay(broker.host or "127.0.0.1", broker.port or 5672)
    port = await relay.start()
    through_relay = broker.with_host("127.0.0.1").with_port(port)
    connection = await aio_pika.connect_robust(
        through_relay.update_query(reconnect_interval="0.05", name="interop robust")
    )
    async with connection:
        await survive_losses(connection, relay)
    relay.stop()


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(sys.argv[1]), 3 * PATIENCE_SECONDS))
