"""The engine's way to a client: what it is told is put into the session's outbox."""

from collections.abc import Callable, Sequence

from amqpbroker.engine.ports import Deliver
from amqpbroker.server.outbox import Outbox
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message
from amqpbroker.spec.method import Method
from amqpbroker.wire.writer import DeliveryWriter, confirm_frame, fitted, method_frame


class SessionOutlet:
    """`engine.ports.Outlet` for one session.

    `added` is called after everything that it adds; `close` closes the session.
    """

    __slots__ = ("_added", "_close", "_closing_channel", "_frame_max", "_outbox")

    def __init__(
        self,
        outbox: Outbox,
        frame_max: int,
        added: Callable[[], None],
        close: Callable[[ConnectionException], None],
        closing_channel: Callable[[int], None],
    ) -> None:
        self._outbox = outbox
        self._frame_max = frame_max
        self._added = added
        self._close = close
        self._closing_channel = closing_channel

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        """The way to a consumer."""
        outbox, added = self._outbox, self._added
        write = DeliveryWriter(channel_number, consumer_tag, self._frame_max).write

        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            outbox.byte_count += write(outbox.pieces, first_tag, messages, redelivered)
            added()

        return deliver

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        """Give a message back to its publisher."""
        publish = message.publish
        method = m.BasicReturn(reply_code, reply_text, publish.exchange_name, publish.routing_key)
        self.send_message(channel_number, method, message)

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """Ack a publish."""
        self._outbox.add(confirm_frame(channel_number, publish_tag, multiple))
        self._added()

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """Nack a publish."""
        self.send(channel_number, m.BasicNack(publish_tag, multiple, False))

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        """Tell that a consumer is over."""
        self.send(channel_number, m.BasicCancel(consumer_tag, True))

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        """Tell that a channel is over, and take nothing but the answer."""
        self._closing_channel(channel_number)
        close = m.ChannelClose(error.reply_code, error.reply_text, error.class_id, error.method_id)
        self.send(channel_number, close)

    def close_connection(self, error: ConnectionException) -> None:
        """Close the session."""
        self._close(error)

    def send(self, channel_number: int, method: Method) -> None:
        """Send a method."""
        self._outbox.add(method_frame(channel_number, method))
        self._added()

    def send_message(self, channel_number: int, method: Method, message: Message) -> None:
        """Send a method with its content."""
        self._outbox.add(method_frame(channel_number, method))
        self._outbox.add(fitted(message, channel_number, self._frame_max))
        self._added()
