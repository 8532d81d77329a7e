"""SelectConnection: a publisher and a consumer made of callbacks, on one I/O loop."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable

import pika
from pika.adapters.select_connection import IOLoop
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic, BasicProperties

MESSAGE_COUNT = 500
PREFETCH_COUNT = 20
PATIENCE_SECONDS = 20.0


class Peer:
    """Connects, opens a channel, and calls what a subclass does with it; closes when told."""

    def __init__(self, url: str, loop: IOLoop, on_closed: Callable[[], None]) -> None:
        self.told_to_close = False
        self.closed_for: BaseException | None = None
        self._on_closed = on_closed
        self.connection = pika.SelectConnection(
            pika.URLParameters(url),
            on_open_callback=self._on_connection_open,
            on_open_error_callback=self._on_connection_lost,
            on_close_callback=self._on_connection_lost,
            custom_ioloop=loop,
        )

    def on_channel(self, channel: Channel) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.told_to_close = True
        self.connection.close()

    def _on_connection_open(self, connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=self._on_channel_open)

    def _on_channel_open(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        self.on_channel(channel)

    def _on_channel_closed(self, _channel: Channel, reason: BaseException) -> None:
        if not self.told_to_close:
            self.closed_for = reason
            self.connection.close()

    def _on_connection_lost(self, _connection: object, reason: BaseException) -> None:
        if not self.told_to_close and self.closed_for is None:
            self.closed_for = reason
        self._on_closed()


class Consumer(Peer):
    """Declares the exchange and the queue, and takes messages with a bounded prefetch."""

    def __init__(
        self,
        url: str,
        loop: IOLoop,
        on_closed: Callable[[], None],
        name: str,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(url, loop, on_closed)
        self.name = name
        self.on_ready = on_ready
        self.bodies: list[bytes] = []
        self.was_cancelled = False

    def on_channel(self, channel: Channel) -> None:
        channel.add_on_cancel_callback(self.on_cancelled)
        channel.exchange_declare(
            self.name,
            "topic",
            durable=True,
            callback=lambda _: channel.queue_declare(
                self.name, durable=True, callback=lambda _: self.bind(channel)
            ),
        )

    def bind(self, channel: Channel) -> None:
        channel.queue_bind(
            self.name,
            self.name,
            "example.*",
            callback=lambda _: channel.basic_qos(
                prefetch_count=PREFETCH_COUNT, callback=lambda _: self.consume(channel)
            ),
        )

    def consume(self, channel: Channel) -> None:
        channel.basic_consume(self.name, self.on_message, callback=lambda _: self.on_ready())

    def on_message(
        self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        assert method.routing_key == "example.text", method
        assert properties.app_id == "interop", properties
        self.bodies.append(body)
        channel.basic_ack(method.delivery_tag)
        if len(self.bodies) == MESSAGE_COUNT:
            # Once the queue is gone the broker tells its consumer: the end of this example.
            channel.exchange_delete(self.name, callback=lambda _: channel.queue_delete(self.name))

    def on_cancelled(self, _frame: Method[Basic.Cancel]) -> None:
        self.was_cancelled = True
        self.close()


class Publisher(Peer):
    """Publishes everything at once and keeps account of the confirms."""

    def __init__(self, url: str, loop: IOLoop, on_closed: Callable[[], None], name: str) -> None:
        super().__init__(url, loop, on_closed)
        self.name = name
        self.unconfirmed: set[int] = set()
        self.returned: list[bytes] = []
        self.nacked_count = 0

    def on_channel(self, channel: Channel) -> None:
        channel.add_on_return_callback(self.on_return)
        channel.confirm_delivery(self.on_confirm, callback=lambda _: self.publish(channel))

    def publish(self, channel: Channel) -> None:
        properties = pika.BasicProperties(app_id="interop", content_type="text/plain")
        self.unconfirmed = set(range(1, MESSAGE_COUNT + 2))
        channel.basic_publish(self.name, "nobody.listens", b"lost", properties, mandatory=True)
        for number in range(MESSAGE_COUNT):
            channel.basic_publish(self.name, "example.text", f"{number}".encode(), properties)

    def on_return(
        self, _channel: Channel, method: Basic.Return, _properties: BasicProperties, body: bytes
    ) -> None:
        assert 1 in self.unconfirmed, "a message must be returned before it is confirmed"
        assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE"), method
        self.returned.append(body)

    def on_confirm(self, frame: Method[Basic.Ack | Basic.Nack]) -> None:
        confirm = frame.method
        tag = confirm.delivery_tag
        settled = {t for t in self.unconfirmed if t <= tag} if confirm.multiple else {tag}
        assert settled, f"confirmed a second time: {confirm}"
        assert settled <= self.unconfirmed, f"confirmed a second time: {confirm}"
        self.unconfirmed -= settled
        self.nacked_count += len(settled) if isinstance(confirm, Basic.Nack) else 0
        if not self.unconfirmed:
            self.close()


class Example:
    """Runs both peers on one loop until both connections are closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"interop-select-{uuid.uuid4().hex}"
        self.loop = IOLoop()
        self.open_count = 1
        self.timed_out = False
        self.publisher: Publisher | None = None
        self.consumer = Consumer(url, self.loop, self.on_closed, self.name, self.start_publisher)

    def run(self) -> None:
        timer = self.loop.call_later(PATIENCE_SECONDS, self.on_timeout)
        self.loop.start()
        if not self.timed_out:
            self.loop.remove_timeout(timer)
        self.loop.close()

    def start_publisher(self) -> None:
        self.open_count += 1
        self.publisher = Publisher(self.url, self.loop, self.on_closed, self.name)

    def on_closed(self) -> None:
        self.open_count -= 1
        if self.open_count == 0:
            self.loop.stop()

    def on_timeout(self) -> None:
        self.timed_out = True
        self.loop.stop()


def main(url: str) -> None:
    example = Example(url)
    example.run()
    consumer, publisher = example.consumer, example.publisher
    assert consumer.closed_for is None, f"the consumer lost its connection: {consumer.closed_for}"
    assert publisher is not None, "the consumer never became ready"
    assert publisher.closed_for is None, (
        f"the publisher lost its connection: {publisher.closed_for}"
    )
    assert not example.timed_out, (
        f"after {PATIENCE_SECONDS} s: {len(consumer.bodies)} messages consumed, "
        f"{len(publisher.unconfirmed)} not confirmed"
    )
    assert publisher.returned == [b"lost"], publisher.returned
    assert publisher.nacked_count == 0, f"{publisher.nacked_count} messages were nacked"
    expected = [f"{number}".encode() for number in range(MESSAGE_COUNT)]
    assert consumer.bodies == expected, f"in another order: {consumer.bodies[:10]} ..."
    assert consumer.was_cancelled, "the queue was deleted, and its consumer was not told"


if __name__ == "__main__":
    main(sys.argv[1])
