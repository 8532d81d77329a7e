"""What clients have published, as far back as there is room for.

The record is a witness of the engine: it is told in the broker's thread, once a batch, and keeps
the messages themselves, which cost no copy.  Each vhost has its own, so that a test with a vhost
of its own starts with an empty one, and another test's traffic pushes nothing out.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.ports import EventWitness, Witness
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.message import Message
from amqpbroker.testing.kit_client import KIT_USER
from amqpbroker.testing.messages import SeenMessage

#: How many publishes of a vhost are remembered; the oldest are forgotten first.
PUBLISHES_MAX: Final = 10_000
#: How much their contents may take, in bytes.
PUBLISH_BYTES_MAX: Final = 64 * 1024 * 1024


class PublishedMessage(SeenMessage):
    """A message that a client has published."""

    def __init__(self, message: Message, channel: Channel) -> None:
        super().__init__(message)
        self._published_ms = channel.connection.broker.now_ms
        #: The vhost that it was published in.
        self.vhost_name = channel.vhost.name
        #: The user who has published it.
        self.user_name = channel.connection.user.name
        #: The queues that it was routed to.
        self.queue_names: tuple[str, ...] = ()
        #: Whether it went nowhere: no queue had it, nor does an exchange hold it back.
        self.is_unroutable = False
        #: Whether it was mandatory, and given back.
        self.was_returned = False

    @property
    def published_at(self) -> datetime:
        """When, by the broker's clock, in UTC."""
        return datetime.fromtimestamp(self._published_ms / 1000, UTC)


class _VHostRecord:
    """The publishes of one vhost."""

    def __init__(self) -> None:
        self.messages: deque[PublishedMessage] = deque()
        self.bytes = 0
        self.forgotten_count = 0

    def add(self, message: PublishedMessage) -> None:
        self.messages.append(message)
        self.bytes += len(message.raw.content)
        while len(self.messages) > PUBLISHES_MAX or self.bytes > PUBLISH_BYTES_MAX:
            self.bytes -= len(self.messages.popleft().raw.content)
            self.forgotten_count += 1


class PublishRecord(Witness, EventWitness):
    """All publishes of clients, by vhost.  Used in the broker's thread only."""

    def __init__(self) -> None:
        self._vhosts: dict[str, _VHostRecord] = {}
        self._latest: dict[int, PublishedMessage] = {}  # {id of its content: not routed yet}

    def messages(self, vhost_name: str | None) -> list[PublishedMessage]:
        """What was published in a vhost, or in any where there is no name, oldest first."""
        return [message for record in self._of(vhost_name) for message in record.messages]

    def forgotten_count(self, vhost_name: str | None) -> int:
        """How many older ones are forgotten."""
        return sum(record.forgotten_count for record in self._of(vhost_name))

    def forget(self, vhost_name: str | None = None) -> None:
        """Forget what was published in a vhost, or in all."""
        if vhost_name is None:
            self._vhosts.clear()
        else:
            self._vhosts.pop(vhost_name, None)

    def _of(self, vhost_name: str | None) -> Iterator[_VHostRecord]:
        for name, record in self._vhosts.items():
            if vhost_name is None or name == vhost_name:
                yield record

    # What the engine tells

    def published(
        self, channel: Channel, first_tag: int | None, messages: Sequence[Message]
    ) -> None:
        """Remember them."""
        if channel.connection.user is KIT_USER:
            return
        record = self._vhosts.get(channel.vhost.name)
        if record is None:
            record = self._vhosts[channel.vhost.name] = _VHostRecord()
        self._latest.clear()
        for message in messages:
            published = PublishedMessage(message, channel)
            self._latest[id(message.content)] = published
            record.add(published)

    def delayed(self, exchange: Exchange, message: Message) -> None:
        """It will be routed later."""
        self._latest.pop(id(message.content), None)

    def routed(
        self, channel: Channel | None, messages: Sequence[Message], queues: Sequence[Queue]
    ) -> None:
        """Note where they go."""
        if channel is None:
            return
        names = tuple(queue.name for queue in queues)
        for message in messages:
            published = self._latest.pop(id(message.content), None)
            if published is not None:
                published.queue_names = names
                published.is_unroutable = not names

    def returned(self, channel: Channel, messages: Sequence[Message]) -> None:
        """Note that they were given back."""
        contents = {id(message.content) for message in messages}
        for published in self._newest_first(channel):
            if id(published.raw.content) in contents:
                published.was_returned = True
                contents.discard(id(published.raw.content))
                if not contents:
                    return

    def withdrawn(self, channel: Channel, messages: Sequence[Message]) -> None:
        """Forget them: their transaction was rolled back."""
        record = self._vhosts.get(channel.vhost.name)
        contents = {id(message.content) for message in messages}
        if record is not None:
            record.messages = deque(
                message for message in record.messages if id(message.raw.content) not in contents
            )
            record.bytes = sum(len(message.raw.content) for message in record.messages)

    def vhost_deleted(self, vhost: VHost) -> None:
        """Forget all of it."""
        self.forget(vhost.name)

    def _newest_first(self, channel: Channel) -> Iterator[PublishedMessage]:
        record = self._vhosts.get(channel.vhost.name)
        return iter(()) if record is None else reversed(record.messages)
