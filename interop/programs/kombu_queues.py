"""kombu: Producer, Consumer, SimpleQueue, serializers, compression, and a consumer's reject."""

from __future__ import annotations

# kombu's names are found at run time, when they are first used.
# pyright: reportPrivateImportUsage=false
import queue as standard_queue
import sys
import uuid
from typing import Any

from kombu import Connection, Consumer, Exchange, Message, Producer, Queue

PATIENCE_SECONDS = 10.0


def main(url: str) -> None:
    name = f"interop-kombu-{uuid.uuid4().hex}"
    with Connection(url, connect_timeout=int(PATIENCE_SECONDS)) as connection:
        connection.ensure_connection(max_retries=1)
        produce_and_consume(connection, name)
        reject_and_requeue(connection, name)
        use_a_simple_queue(connection, name)


def drain(connection: Connection, until: int, received: list[Any]) -> None:
    """Let the connection's consumers work until *received* has that many entries."""
    while len(received) < until:
        try:
            connection.drain_events(timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise AssertionError(f"only {len(received)} of {until} came: {received}") from error


def produce_and_consume(connection: Connection, name: str) -> None:
    exchange = Exchange(name, type="topic", durable=True)
    queues = [
        Queue(f"{name}-json", exchange, routing_key="task.json", durable=True),
        Queue(f"{name}-any", exchange, routing_key="task.#", max_priority=5),
    ]
    received: list[tuple[str, object]] = []

    def on_task(body: object, message: Message) -> None:
        received.append((message.delivery_info["routing_key"], body))
        message.ack()

    channel: Any = connection.channel()
    producer = Producer(channel, exchange, auto_declare=True)
    payload = {"text": "grüße", "numbers": [1, 2.5, None], "nested": {"yes": True}}
    with Consumer(connection, queues, callbacks=[on_task], accept=["json", "yaml", "pickle"]):
        producer.publish(payload, routing_key="task.json", declare=queues, retry=True)
        producer.publish(payload, routing_key="task.zip", compression="zlib")
        producer.publish(payload, routing_key="task.pickle", serializer="pickle")
        drain(connection, 4, received)
    assert sorted(key for key, _ in received) == sorted(
        ["task.json", "task.json", "task.zip", "task.pickle"]
    ), received
    assert all(body == payload for _, body in received), received

    for queue in queues:
        queue(channel).delete()
    exchange(channel).delete()


def reject_and_requeue(connection: Connection, name: str) -> None:
    queue = Queue(f"{name}-reject", durable=True)
    seen: list[tuple[str, bool]] = []

    def on_task(body: str, message: Message) -> None:
        seen.append((body, bool(message.delivery_info["redelivered"])))
        if message.delivery_info["redelivered"]:
            message.reject()
        else:
            message.requeue()

    channel: Any
    with connection.channel() as channel:
        Producer(channel).publish("once more", routing_key=queue.name, declare=[queue])
        with Consumer(channel, [queue], callbacks=[on_task], prefetch_count=1):
            drain(connection, 2, seen)
        left = queue(channel).get()
        queue(channel).delete()
    assert seen == [("once more", False), ("once more", True)], seen
    assert left is None, "rejected without requeue, and yet in the queue"


def use_a_simple_queue(connection: Connection, name: str) -> None:
    with connection.SimpleQueue(f"{name}-simple", queue_opts={"auto_delete": True}) as queue:
        for number in range(3):
            queue.put({"number": number})
        for number in range(3):
            message = queue.get(timeout=PATIENCE_SECONDS)
            assert message.payload == {"number": number}, message.payload
            message.ack()
        assert queue.qsize() == 0, queue.qsize()
        try:
            queue.get_nowait()
        except standard_queue.Empty:
            pass
        else:
            raise AssertionError("an empty queue gave a message")


if __name__ == "__main__":
    main(sys.argv[1])
