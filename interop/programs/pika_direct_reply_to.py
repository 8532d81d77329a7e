"""RPC without a reply queue: the caller consumes from amq.rabbitmq.reply-to."""

from __future__ import annotations

import sys
import threading
import uuid

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

REPLY_TO = "amq.rabbitmq.reply-to"
PATIENCE_SECONDS = 10.0


def serve(url: str, queue: str, is_ready: threading.Event) -> None:
    """Double each number asked for; end when asked for nothing."""

    def on_request(
        channel: BlockingChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        channel.basic_ack(method.delivery_tag)
        if not body:
            channel.stop_consuming()
            return
        reply_to = properties.reply_to
        assert reply_to is not None
        assert reply_to.startswith(REPLY_TO + "."), f"the broker did not fill in {reply_to}"
        channel.basic_publish(
            "",
            reply_to,
            str(2 * int(body)).encode(),
            pika.BasicProperties(correlation_id=properties.correlation_id),
            mandatory=True,
        )

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue, exclusive=True)
        channel.basic_consume(queue, on_request)
        is_ready.set()
        channel.start_consuming()


def main(url: str) -> None:
    queue = f"interop-rpc-{uuid.uuid4().hex}"
    is_ready = threading.Event()
    server = threading.Thread(target=serve, args=(url, queue, is_ready), daemon=True)
    server.start()
    assert is_ready.wait(PATIENCE_SECONDS), "the RPC server did not start"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        call(connection.channel(), queue)
        refuse_without_consumer(connection.channel(), queue)
        connection.channel().basic_publish("", queue, b"")
        server.join(PATIENCE_SECONDS)
        assert not server.is_alive(), "the RPC server did not end"


def call(channel: BlockingChannel, queue: str) -> None:
    replies = channel.consume(REPLY_TO, auto_ack=True, inactivity_timeout=PATIENCE_SECONDS)
    # The generator begins to consume at its first step, so send from a callback that runs in it.
    connection = channel.connection
    for number in (21, 4, 2**40):
        properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=f"call {number}")
        connection.call_later(
            0,
            lambda n=number, p=properties: channel.basic_publish("", queue, str(n).encode(), p),
        )
        method, answered, body = next(replies)
        assert method is not None, f"no answer to {number} in {PATIENCE_SECONDS} s"
        assert answered is not None
        assert body == str(2 * number).encode(), body
        assert answered.correlation_id == f"call {number}", answered
        assert method.exchange == "", method
    channel.cancel()


def refuse_without_consumer(channel: BlockingChannel, queue: str) -> None:
    try:
        channel.basic_publish("", queue, b"1", pika.BasicProperties(reply_to=REPLY_TO))
        channel.queue_declare("", exclusive=True)
    except ChannelClosedByBroker as error:
        text = "PRECONDITION_FAILED - fast reply consumer does not exist"
        assert (error.reply_code, error.reply_text) == (406, text), error
    else:
        raise AssertionError("a request that nobody can be answered for was accepted")


if __name__ == "__main__":
    main(sys.argv[1])
