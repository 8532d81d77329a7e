"""Transactions: publishes and acks count at commit, and are as if never said at rollback."""

from __future__ import annotations

import sys
import uuid

import pika
from pika.adapters.blocking_connection import BlockingChannel


def ready_count(channel: BlockingChannel, queue: str) -> int:
    return channel.queue_declare(queue, passive=True).method.message_count


def main(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        witness = connection.channel()
        queue = witness.queue_declare(f"interop-tx-{uuid.uuid4().hex}", exclusive=True).method.queue
        channel = connection.channel()
        channel.tx_select()
        publish_in_a_transaction(channel, witness, queue)
        ack_in_a_transaction(channel, witness, queue)
        forget_what_was_not_committed(connection, witness, queue)


def publish_in_a_transaction(
    channel: BlockingChannel, witness: BlockingChannel, queue: str
) -> None:
    channel.basic_publish("", queue, b"one")
    channel.basic_publish("", queue, b"two")
    assert ready_count(channel, queue) == 0, "published before commit, and yet in the queue"
    channel.tx_commit()
    assert ready_count(witness, queue) == 2, "committed, and yet not in the queue"

    channel.basic_publish("", queue, b"never")
    channel.tx_rollback()
    channel.tx_commit()
    assert ready_count(witness, queue) == 2, "rolled back, and yet in the queue"


def ack_in_a_transaction(channel: BlockingChannel, witness: BlockingChannel, queue: str) -> None:
    method, _, body = channel.basic_get(queue)
    assert method is not None
    assert body == b"one", body
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", queue, b"answer to one")
    channel.tx_rollback()
    # Rolled back is only the ack: the message is still ours, and may be acked again.
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", queue, b"answer to one")
    channel.tx_commit()

    bodies: list[bytes | None] = []
    for _ in range(2):
        method, _, body = witness.basic_get(queue, auto_ack=True)
        assert method is not None, f"only {bodies} are in the queue"
        bodies.append(body)
    assert bodies == [b"two", b"answer to one"], bodies
    assert ready_count(witness, queue) == 0


def forget_what_was_not_committed(
    connection: pika.BlockingConnection, witness: BlockingChannel, queue: str
) -> None:
    witness.basic_publish("", queue, b"job")
    channel = connection.channel()
    channel.tx_select()
    method, _, _ = channel.basic_get(queue)
    assert method is not None
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", queue, b"result")
    channel.close()

    method, _, body = witness.basic_get(queue, auto_ack=True)
    assert method is not None, "the ack was never committed: the job must be back"
    assert (method.redelivered, body) == (True, b"job"), (method, body)
    assert ready_count(witness, queue) == 0, "the result was never committed"


if __name__ == "__main__":
    main(sys.argv[1])
