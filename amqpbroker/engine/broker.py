"""The broker: vhosts, users, connections, and the work that a pass leaves to its end.

A pass is one synchronous stretch of work: everything that one piece of input holds.  Its verbs
only note which queues have something to give and to whom; `dispatch` then does the giving.  So
nothing re-enters anything, whatever the topology looks like, and what was published together is
delivered together.
"""

from collections.abc import Iterable

from amqpbroker.engine.access import User, Users
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.ports import NameSource, Outlet
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.replies import Replies
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX
from amqpbroker.spec.errors import not_allowed


class Broker:
    """Everything that one broker holds.

    `names` makes the server-generated names; nothing else comes from outside.
    """

    def __init__(
        self,
        names: NameSource,
        *,
        users: Users,
        vhost_names: Iterable[str] = ("/",),
        message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX,
    ) -> None:
        self.names = names
        self.users = users
        self.message_bytes_max = message_bytes_max
        self.vhosts = {name: VHost(self, name) for name in vhost_names}
        self.connections: dict[Connection, None] = {}
        self.replies = Replies(names)
        self.to_dispatch: dict[Queue, None] = {}  # ready messages and somebody who may want them
        self.held_bytes = 0  # what all queues' messages occupy; once for each queue they are in

    def __repr__(self) -> str:
        return f"<Broker vhosts={len(self.vhosts)} connections={len(self.connections)}>"

    def connect(
        self, user: User, vhost_name: str, outlet: Outlet, *, wants_cancel_notify: bool
    ) -> Connection:
        """Let a user in to a vhost; raises 530 for an unknown one (S-039)."""
        vhost = self.vhosts.get(vhost_name)
        if vhost is None:
            raise not_allowed(f"vhost {vhost_name} not found")
        connection = Connection(self, vhost, user, outlet, wants_cancel_notify=wants_cancel_notify)
        self.connections[connection] = None
        return connection

    def dispatch(self) -> None:
        """Give out what the pass has made ready."""
        while self.to_dispatch:
            queue = next(iter(self.to_dispatch))
            del self.to_dispatch[queue]
            queue.dispatch()

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue: its bindings, its consumers, its messages; how many were ready."""
        ready_count = queue.ready_count
        queue.vhost.remove_queue(queue)
        if queue.exclusive_owner is not None:
            queue.exclusive_owner.exclusive_queues.pop(queue, None)
        for consumer in list(queue.consumers):
            queue.consumers.remove(consumer)
            consumer.channel.forget_consumer(consumer)
        return ready_count
