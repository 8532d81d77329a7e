"""Publish with confirms and returns, then consume, get, nack and requeue, all in one thread."""

from __future__ import annotations

import sys
import uuid

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

PERSISTENT = 2
PATIENCE_SECONDS = 10.0
LARGE_BODY = bytes(range(256)) * 4096


def main(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        queue = f"interop-blocking-{uuid.uuid4().hex}"
        declared = channel.queue_declare(queue, durable=True)
        assert declared.method.queue == queue, declared
        assert declared.method.message_count == 0, declared

        channel.confirm_delivery()
        publish_and_count(channel, queue)
        learn_of_unroutable(channel, queue)
        get_and_requeue(channel, queue)
        consume_all(channel, queue)
        carry_a_large_body(channel, queue)
        purge_and_delete(channel, queue)


def publish_and_count(channel: BlockingChannel, queue: str) -> None:
    for number in range(5):
        channel.basic_publish(
            "",
            queue,
            f"job {number}".encode(),
            pika.BasicProperties(
                content_type="text/plain",
                delivery_mode=PERSISTENT,
                message_id=f"id-{number}",
                headers={"number": number, "nested": {"list": [1, "two", None, True]}},
            ),
            mandatory=True,
        )
    count = channel.queue_declare(queue, passive=True).method.message_count
    assert count == 5, f"five confirmed messages should be ready, not {count}"


def learn_of_unroutable(channel: BlockingChannel, queue: str) -> None:
    try:
        channel.basic_publish("", f"{queue}-absent", b"lost", mandatory=True)
    except UnroutableError as error:
        (returned,) = error.messages
        assert returned.method.reply_code == 312, returned.method
        assert returned.method.reply_text == "NO_ROUTE", returned.method
        assert returned.method.routing_key == f"{queue}-absent", returned.method
        assert returned.body == b"lost", returned.body
    else:
        raise AssertionError("a mandatory message without a queue was not returned")
    # Without the flag it is dropped, and confirmed all the same.
    channel.basic_publish("", f"{queue}-absent", b"lost")


def get_and_requeue(channel: BlockingChannel, queue: str) -> None:
    method, properties, body = channel.basic_get(queue)
    assert method is not None, "the queue holds five messages, and get found none"
    assert properties is not None
    assert (method.redelivered, method.message_count, body) == (False, 4, b"job 0"), method
    assert properties.headers == {"number": 0, "nested": {"list": [1, "two", None, True]}}
    assert properties.content_type == "text/plain", properties
    channel.basic_nack(method.delivery_tag, requeue=True)

    method, _, body = channel.basic_get(queue)
    assert method is not None
    assert (method.redelivered, body) == (True, b"job 0"), "requeued: first again, and marked"
    channel.basic_reject(method.delivery_tag, requeue=False)


def consume_all(channel: BlockingChannel, queue: str) -> None:
    bodies: list[bytes] = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=PATIENCE_SECONDS):
        assert method is not None, f"only {bodies} came in {PATIENCE_SECONDS} s"
        assert properties is not None
        assert body is not None
        assert properties.message_id == f"id-{len(bodies) + 1}", properties
        bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(bodies) == 4:
            break
    requeued = channel.cancel()
    assert bodies == [b"job 1", b"job 2", b"job 3", b"job 4"], bodies
    assert requeued == 0, f"{requeued} messages were delivered twice"
    method, _, _ = channel.basic_get(queue)
    assert method is None, "everything was acked, and yet there is a message"


def carry_a_large_body(channel: BlockingChannel, queue: str) -> None:
    channel.basic_publish("", queue, LARGE_BODY)
    channel.basic_publish("", queue, b"")
    for expected in (LARGE_BODY, b""):
        method, _, body = channel.basic_get(queue, auto_ack=True)
        assert method is not None, f"a body of {len(expected)} bytes did not arrive"
        assert body == expected, f"a body of {len(expected)} bytes arrived changed"


def purge_and_delete(channel: BlockingChannel, queue: str) -> None:
    for _ in range(3):
        channel.basic_publish("", queue, b"waste")
    assert channel.queue_purge(queue).method.message_count == 3
    channel.basic_publish("", queue, b"one more")
    assert channel.queue_delete(queue).method.message_count == 1


if __name__ == "__main__":
    main(sys.argv[1])
