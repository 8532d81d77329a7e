"""A client's connection as the broker sees it: a user in a vhost, with channels."""

from typing import TYPE_CHECKING

from amqpbroker.engine import node_limits, usage_limits
from amqpbroker.engine.access import INTERNAL_USER, User
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.client_facts import NO_FACTS, ClientFacts
from amqpbroker.engine.ports import Outlet
from amqpbroker.spec.errors import ChannelException, connection_forced

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.queue import Queue
    from amqpbroker.engine.vhost import VHost


class Connection:
    """An open connection and what belongs to it."""

    __slots__ = (
        "broker",
        "channels",
        "client_name",
        "debts",
        "exclusive_queues",
        "facts",
        "is_ahead",
        "is_congested",
        "outlet",
        "rights",
        "serial",
        "to_tell",
        "user",
        "vhost",
        "wants_cancel_notify",
    )

    def __init__(
        self,
        broker: "Broker",
        vhost: "VHost",
        user: User,
        outlet: Outlet,
        *,
        wants_cancel_notify: bool,
        facts: ClientFacts = NO_FACTS,
    ) -> None:
        self.broker = broker
        self.vhost = vhost
        self.user = user
        self.rights = broker.rights(user, vhost)  # replaced when they change
        self.outlet = outlet
        self.wants_cancel_notify = wants_cancel_notify
        self.client_name = ""  # what its client calls it, if it does
        self.facts = facts
        self.serial = broker.next_serial()
        self.channels: dict[int, Channel] = {}  # {channel number: Channel}
        self.exclusive_queues: dict[Queue, None] = {}
        self.to_tell: dict[Channel, None] = {}  # channels with untold confirms
        self.debts: dict[Queue, int] = {}  # {lagging queue: the delivered_count to wait for}
        self.is_ahead = False  # of the journal, which has more to write than is good
        self.is_congested = False  # its client reads too slowly to be given more

    @property
    def name(self) -> str:
        """What it is called where it is spoken of."""
        return self.facts.name

    def __repr__(self) -> str:
        return f"<Connection {self.user.name!r}@{self.vhost.name!r} channels={len(self.channels)}>"

    def open_channel(self, number: int) -> Channel:
        """A new channel, under a number that is free.

        Raises 530 for one too many (S-077, S-078).
        """
        assert number not in self.channels, number
        node_limits.check_channel(self.broker)
        usage_limits.check_channel(self)
        self.broker.channel_count += 1
        channel = self.channels[number] = Channel(self, number)
        if self.broker.event_witness is not None:
            self.broker.event_witness.channel_created(channel)
        return channel

    def close_channel(self, number: int) -> None:
        """End a channel, if it is open."""
        channel = self.channels.pop(number, None)
        if channel is not None:
            self.broker.channel_count -= 1
            channel.close()
            if self.broker.event_witness is not None:
                self.broker.event_witness.channel_closed(channel)

    def tell_confirms(self) -> None:
        """Tell the client what was confirmed in this pass; what is not safe waits."""
        for channel in self.to_tell:
            channel.tell_confirms()
            if channel.has_untold_confirms:
                self.broker.unsafe[self] = None
        self.to_tell.clear()

    def tell_safe(self) -> None:
        """More is safe now: tell the confirms that waited for it."""
        for channel in self.channels.values():
            if channel.has_untold_confirms:
                self.to_tell[channel] = None
        self.tell_confirms()

    def owe(self, queue: "Queue", message_count: int) -> None:
        """Note that *queue* lags, and was given more: it should deliver more than that first."""
        owed_count = message_count + message_count // 4
        self.debts[queue] = self.debts.get(queue, queue.delivered_count) + owed_count

    @property
    def is_indebted(self) -> bool:
        """Whether a queue that this connection has filled still lags because of it."""
        for queue, delivered_count in list(self.debts.items()):
            if queue.delivered_count >= delivered_count or not len(queue.consumers):
                del self.debts[queue]
        return bool(self.debts)

    def drained(self) -> None:
        """The client has caught up: its consumers may receive again."""
        self.is_congested = False
        for channel in self.channels.values():
            channel.consumers_may_receive()

    def close_channel_for(self, number: int, error: ChannelException) -> None:
        """End a channel that the client has not asked to end; it is told why."""
        self.tell_confirms()
        self.close_channel(number)
        self.outlet.close_channel(number, error)

    def force_close(self, reason: str) -> None:
        """End the connection because an operator wants it: the client is told 320 (S-075)."""
        self.tell_confirms()
        self.close()
        self.outlet.close_connection(connection_forced(reason).caused_by_no_method())

    def close(self) -> None:
        """End the connection: its channels, then its exclusive queues; nothing when it has."""
        self.broker.acting_user_name = INTERNAL_USER
        for number in list(self.channels):
            self.close_channel(number)
        for queue in list(self.exclusive_queues):
            self.broker.delete_queue(queue)
        if self in self.broker.connections:
            del self.broker.connections[self]
            if self.broker.event_witness is not None:
                self.broker.event_witness.connection_closed(self)
