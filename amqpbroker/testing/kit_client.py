"""The client that the test kit is: it asks the engine as others do, without a socket."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final

from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.permissions import UNLIMITED
from amqpbroker.engine.ports import Deliver
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message

#: Nobody can log in as this user: it is in no table of users.
KIT_USER: Final = User("test kit")
#: How many names an error lists.
_LISTED_MAX: Final = 20


class SilentOutlet:
    """`engine.ports.Outlet` of a client that is not told anything."""

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        """Never asked: the kit does not consume."""
        raise AssertionError(consumer_tag)

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        """Nothing."""

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """Nothing."""

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """Nothing."""

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        """Nothing."""

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        """Nothing."""

    def close_connection(self, error: ConnectionException) -> None:
        """Nothing: no connection of the kit lasts longer than a call."""


@contextmanager
def kit_channel(broker: Broker, vhost_name: str) -> Generator[Channel]:
    """A channel for one call in the broker's thread; nobody sees its connection.

    Raises `LookupError` for a vhost that is not there.
    """
    connection = Connection(
        broker, find_vhost(broker, vhost_name), KIT_USER, SilentOutlet(), wants_cancel_notify=False
    )
    connection.rights = UNLIMITED
    channel = Channel(connection, 1)
    try:
        yield channel
    finally:
        channel.close()


def find_vhost(broker: Broker, name: str) -> VHost:
    """The vhost of that name; raises `LookupError`, which tells the names that there are."""
    vhost = broker.vhosts.get(name)
    if vhost is None:
        raise LookupError(f"no vhost '{name}'; there are {_listed(broker.vhosts)}")
    return vhost


def find_queue(broker: Broker, vhost_name: str, name: str) -> Queue:
    """The queue of that name; raises `LookupError`, which tells the names that there are."""
    queues = find_vhost(broker, vhost_name).queues
    queue = queues.get(name)
    if queue is None:
        there_are = f"; there are {_listed(queues)}" if queues else ", nor any other"
        raise LookupError(f"no queue '{name}' in vhost '{vhost_name}'{there_are}")
    return queue


def _listed(names: Iterable[str]) -> str:
    listed = [f"'{name}'" for name in names]
    more = [f"{len(listed) - _LISTED_MAX} more"] if len(listed) > _LISTED_MAX else []
    return ", ".join([*listed[:_LISTED_MAX], *more])
