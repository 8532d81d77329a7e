"""The exchange and queues of the shop.  Declaring them again changes nothing."""

import pika
from pika.adapters.blocking_connection import BlockingChannel

SHOP = "shop"
PAYMENTS = "payments"
DEAD = "payments.dead"
#: {queue: how long a declined payment waits in it, in milliseconds}, in the order of the attempts
RETRIES = {
    "payments.retry.1m": 60_000,
    "payments.retry.4m": 240_000,
    "payments.retry.16m": 960_000,
}


def declare(channel: BlockingChannel) -> None:
    """Declare all of it."""
    channel.exchange_declare(SHOP, "topic", durable=True)
    channel.queue_declare(DEAD, durable=True)
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": DEAD}
    channel.queue_declare(PAYMENTS, durable=True, arguments=dead)
    channel.queue_bind(PAYMENTS, SHOP, "orders.new")
    for queue, wait_ms in RETRIES.items():
        again = {
            "x-message-ttl": wait_ms,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": PAYMENTS,
        }
        channel.queue_declare(queue, durable=True, arguments=again)


def declare_at(url: str) -> None:
    """Declare all of it at a broker."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    declare(connection.channel())
    connection.close()
