"""The broker: vhosts, users, connections, and the work that a pass leaves to its end.

A pass is one synchronous stretch of work: everything that one piece of input holds.  Its verbs
only note which queues have something to give and to whom; `dispatch` then does the giving.  So
nothing re-enters anything, whatever the topology looks like, and what was published together is
delivered together.

Time is what `advance` says; `Schedule.next_deadline_ms` is when it matters next.
"""

from collections import deque
from collections.abc import Callable, Iterable

from amqpbroker.engine import node_limits, usage_limits
from amqpbroker.engine.access import INTERNAL_USER, User, Users
from amqpbroker.engine.client_facts import NO_FACTS, ClientFacts
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.dead_letter import Dead, dead_letter, targets
from amqpbroker.engine.emulation import EMULATION_4_0, Emulation
from amqpbroker.engine.event_exchange import EventExchange
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.firehose import Firehose
from amqpbroker.engine.kept_letters import KeptLetters
from amqpbroker.engine.node_limits import DEFAULT_NODE_LIMITS, NodeLimits
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.permissions import NOTHING, PermissionTable, Rights
from amqpbroker.engine.ports import (
    Dice,
    EventWitness,
    Journal,
    NameSource,
    NoJournal,
    Outlet,
    TakingTurns,
    Witness,
)
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.remains import Remains
from amqpbroker.engine.replies import Replies
from amqpbroker.engine.schedule import Schedule
from amqpbroker.engine.usage_limits import Limits
from amqpbroker.engine.vhost import VHost
from amqpbroker.engine.witnesses import Watch
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX
from amqpbroker.spec.errors import not_allowed
from amqpbroker.spec.message import Message


class Broker:
    """Everything that one broker holds.

    `names` makes the server-generated names and `dice` the random choices, which without it are
    made in turn; `journal` keeps what outlives the process, and without it nothing does.  Nothing
    else comes from outside.
    """

    def __init__(
        self,
        names: NameSource,
        *,
        users: Users,
        vhost_names: Iterable[str] = ("/",),
        message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX,
        limits: NodeLimits = DEFAULT_NODE_LIMITS,
        dice: Dice | None = None,
        journal: Journal | None = None,
        node_name: str = "amqpbroker@localhost",
        emulation: Emulation = EMULATION_4_0,
    ) -> None:
        self.names = names
        self.emulation = emulation
        self.journal: Journal = NoJournal() if journal is None else journal
        self.dice = TakingTurns() if dice is None else dice
        self.users = users
        self.permissions = PermissionTable(self._permissions_changed)
        self.user_limits: dict[str, Limits] = {}  # {user name: limits}
        self.message_bytes_max = message_bytes_max
        self.limits = limits  # may be replaced
        self.node_name = node_name  # RabbitMQ's word for what this broker is called
        # Speed: who watches is asked for once a batch of messages, and is mostly nobody.
        self.witness: Witness | None = None  # told of messages
        self.event_witness: EventWitness | None = None  # told of all else that comes and goes
        self._watch: Watch[Witness] = Watch()
        self._event_watch: Watch[EventWitness] = Watch()
        self.firehose = Firehose(self)
        self.event_exchange: EventExchange | None = None
        self.acting_user_name = INTERNAL_USER  # who has brought about what happens now
        self._connection_count = 0
        self.vhosts = {name: VHost(self, name) for name in vhost_names}
        self.connections: dict[Connection, None] = {}
        self.channel_count = 0  # of all connections
        self.replies = Replies(names)
        self.now_ms = 0  # what `advance` said last: milliseconds since 1970
        self.schedule = Schedule()
        self.deaths: deque[Dead] = deque()  # to be routed
        self.kept_letters = KeptLetters(self)
        self.notices: deque[tuple[Exchange, Message]] = deque()  # what the broker itself publishes
        self.remains = Remains()  # to be freed
        self.unsafe: dict[Connection, None] = {}  # with confirms that wait for the journal
        self.to_dispatch: dict[Queue, None] = {}  # ready messages and somebody who may want them
        self.held_bytes = 0  # what all queues' messages occupy; once for each queue they are in

    def __repr__(self) -> str:
        return f"<Broker vhosts={len(self.vhosts)} connections={len(self.connections)}>"

    def add_vhost(self, name: str) -> VHost:
        """The vhost of that name, which is made if it is not there."""
        vhost = self.vhosts.get(name)
        if vhost is None:
            vhost = self.vhosts[name] = VHost(self, name)
            if self.event_witness is not None:
                self.event_witness.vhost_created(vhost)
        return vhost

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost: its connections (320, S-075), then everything in it.

        Raises `OperatorError` for one that is not there.
        """
        vhost = self._known_vhost(name)
        del self.vhosts[name]
        self.firehose.turn_off(vhost)
        self.close_connections(lambda one: one.vhost is vhost, f"vhost '{name}' is deleted")
        vhost.close()
        self.permissions.forget(vhost_name=name)
        if self.event_witness is not None:
            self.event_witness.vhost_deleted(vhost)

    def trace_on(self, vhost_name: str) -> None:
        """Let the firehose tell of a vhost.  Raises `OperatorError` for one that is not there."""
        self.firehose.turn_on(self._known_vhost(vhost_name))

    def trace_off(self, vhost_name: str) -> None:
        """Let the firehose be silent again.  Raises `OperatorError`."""
        self.firehose.turn_off(self._known_vhost(vhost_name))

    def _known_vhost(self, name: str) -> VHost:
        vhost = self.vhosts.get(name)
        if vhost is None:
            raise OperatorError(f"there is no vhost '{name}'")
        return vhost

    def close_connections(self, concerns: Callable[[Connection], bool], reason: str) -> None:
        """Close the connections that this *concerns*; their clients are told the reason (320)."""
        for connection in [one for one in self.connections if concerns(one)]:
            connection.force_close(reason)

    def connect(
        self,
        user: User,
        vhost_name: str,
        outlet: Outlet,
        *,
        wants_cancel_notify: bool,
        facts: ClientFacts = NO_FACTS,
    ) -> Connection:
        """Let a user in to a vhost.

        Raises 530 for a connection too many (S-041 to S-043), and for a vhost that is not there
        (S-039) or that the user may not enter (S-040).
        `facts` are for those who are told of the connection.
        """
        node_limits.check_connection(self)
        vhost = self.vhosts.get(vhost_name)
        if vhost is None:
            raise not_allowed(f"vhost {vhost_name} not found")
        usage_limits.check_connection(vhost, user)
        if self.permissions.rights(user.name, vhost_name) is None:
            raise not_allowed(f"access to vhost '{vhost_name}' refused for user '{user.name}'")
        connection = Connection(
            self, vhost, user, outlet, wants_cancel_notify=wants_cancel_notify, facts=facts
        )
        self.connections[connection] = None
        if self.event_witness is not None:
            self.event_witness.connection_created(connection)
        return connection

    def rights(self, user: User, vhost: VHost) -> Rights:
        """What a user may do in a vhost, as of now."""
        rights = self.permissions.rights(user.name, vhost.name)
        return Rights(user.name, vhost.name, NOTHING, {}) if rights is None else rights

    def _permissions_changed(self, user_name: str, vhost_name: str) -> None:
        for connection in self.connections:
            if (connection.user.name, connection.vhost.name) == (user_name, vhost_name):
                connection.rights = self.rights(connection.user, connection.vhost)

    # Watching

    def watch(self, witness: Witness) -> None:
        """Tell *witness* what happens to messages, from now on."""
        self.witness = self._watch.add(witness)

    def unwatch(self, witness: Witness) -> None:
        """Tell a witness that watches no more."""
        self.witness = self._watch.remove(witness)

    def watch_events(self, witness: EventWitness) -> None:
        """Tell *witness* what comes and goes, from now on."""
        self.event_witness = self._event_watch.add(witness)

    def unwatch_events(self, witness: EventWitness) -> None:
        """Tell a witness of events no more."""
        self.event_witness = self._event_watch.remove(witness)

    def turn_on_events(self, vhost: VHost) -> None:
        """Have the event exchange in *vhost* (S-350); nothing when it is on."""
        if self.event_exchange is None:
            exchange = vhost.add_event_exchange()
            self.event_exchange = EventExchange(self, exchange)
            self.watch_events(self.event_exchange)

    def next_serial(self) -> int:
        """A number for another connection."""
        self._connection_count += 1
        return self._connection_count

    # Time and work

    @property
    def has_more(self) -> bool:
        """Whether `dispatch` would do something."""
        return bool(self.to_dispatch or self.deaths or self.notices)

    def advance(self, now_ms: int) -> None:
        """It is *now_ms*, and what is due by now happens.  The clock never goes back."""
        assert now_ms >= self.now_ms, (now_ms, self.now_ms)
        self.now_ms = now_ms
        self.acting_user_name = INTERNAL_USER
        while (callback := self.schedule.take_due(now_ms)) is not None:
            callback()

    def dispatch(self, deaths_max: int | None = None) -> None:
        """Give out what the pass has made ready, and route what has died, and what is told.

        No more than *deaths_max* dead letters and notices are routed; the others wait.
        """
        routed_count = 0
        while self.to_dispatch or self.deaths or self.notices:
            while (self.deaths or self.notices) and routed_count != deaths_max:
                routed_count += 1
                if self.notices:
                    exchange, notice = self.notices.popleft()
                    exchange.vhost.pass_on(exchange, notice)
                else:
                    self._dead_letter(self.deaths.popleft())
            if self.to_dispatch:
                next(iter(self.to_dispatch)).dispatch()
            elif self.deaths or self.notices:
                return

    def _dead_letter(self, dead: Dead) -> None:
        """Publish a message that died in a queue to its dead-letter exchange (S-275)."""
        message, queue, reason, position, rules = dead
        letter = dead_letter(message, queue, reason, self.now_ms, rules)
        exchange = queue.vhost.exchanges.get(letter.publish.exchange_name)
        if self.witness is not None:
            self.witness.dead_lettered(queue, message, reason, letter)
        found = (
            ()
            if exchange is None
            else queue.vhost.find_route(exchange, letter.routing_keys, letter.properties, letter)
        )
        to_accept = targets(letter, found)
        if self.witness is not None:
            self.witness.routed(None, (letter,), to_accept)
        is_taken = bool(to_accept)
        for target in to_accept:
            is_taken &= target.accept(letter)
        if not is_taken and rules.keeps_dead_letters:
            self.kept_letters.keep(dead)
        elif position is not None:
            queue.forget_dead(position, message)

    def tell_safe(self) -> None:
        """More of what was told to the journal is safe: tell the confirms that waited for it."""
        for connection in list(self.unsafe):
            del self.unsafe[connection]
            connection.tell_safe()

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue: its bindings, its consumers, its messages; how many were ready."""
        ready_count = queue.ready_count
        queue.vhost.remove_queue(queue)
        if queue.exclusive_owner is not None:
            queue.exclusive_owner.exclusive_queues.pop(queue, None)
        for consumer in list(queue.consumers):
            queue.consumers.remove(consumer)
            consumer.channel.forget_consumer(consumer)
        if self.event_witness is not None:
            self.event_witness.queue_deleted(queue)
        return ready_count
