"""The payment worker: takes the money once for each order, and tries again when it is declined."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shop.topology import PAYMENTS, RETRIES

ATTEMPT = "x-attempt"


class Declined(Exception):
    """The bank says no, for now."""


class Bank(Protocol):
    """Takes money."""

    async def charge(self, order_id: int, cents: int) -> None:
        """Charge the customer of an order; raises `Declined`."""
        ...


class PaymentWorker:
    """Works off the queue `payments`."""

    def __init__(
        self, channel: aio_pika.abc.AbstractChannel, bank: Bank, paid: Callable[[int], None]
    ) -> None:
        self._channel = channel
        self._bank = bank
        self._paid = paid  # told once for each order
        self._done: set[str] = set()  # the message ids of orders that are paid

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Take one payment; a message that comes twice is paid for once."""
        order = json.loads(message.body)
        message_id = message.message_id or ""
        if message_id not in self._done:
            try:
                await self._bank.charge(order["id"], order["cents"])
            except Declined:
                await self._try_later(message)
                return
            self._done.add(message_id)
            self._paid(order["id"])
        await message.ack()

    async def _try_later(self, message: AbstractIncomingMessage) -> None:
        attempt = int(str(message.headers.get(ATTEMPT, 0)))
        if attempt == len(RETRIES):
            await message.reject(requeue=False)
            return
        again = aio_pika.Message(
            message.body,
            headers={ATTEMPT: attempt + 1},
            message_id=message.message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        # Acked only when the copy is confirmed: a crash in between pays twice at worst, never not.
        await self._channel.default_exchange.publish(again, list(RETRIES)[attempt])
        await message.ack()


@asynccontextmanager
async def payment_worker(
    url: str, bank: Bank, paid: Callable[[int], None]
) -> AsyncGenerator[PaymentWorker]:
    """A worker for the time of the block."""
    connection = await aio_pika.connect(url, client_properties={"connection_name": "payments"})
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        worker = PaymentWorker(channel, bank, paid)
        queue = await channel.get_queue(PAYMENTS)
        await queue.consume(worker.handle)
        yield worker
