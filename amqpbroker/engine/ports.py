"""What the engine asks of the world: a way out, a journal, names, and dice; what it tells watchers.

The engine's verbs answer questions at once; everything that happens later, to whomever, leaves
through an `Outlet`, and what must outlive the process is told to a `Journal`.  Who wants to know
what happens is a `Witness` or an `EventWitness`.
Implementations are synchronous and never call back into the engine.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message

if TYPE_CHECKING:
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.consumer import Consumer
    from amqpbroker.engine.dead_letter import Reason
    from amqpbroker.engine.exchange import Exchange
    from amqpbroker.engine.queue import Queue
    from amqpbroker.engine.routing.router import Binding
    from amqpbroker.engine.vhost import VHost


class Deliver(Protocol):
    """Sends messages to one consumer.  Made once a consumer, so that it may remember."""

    def __call__(self, first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
        """Deliver *messages* with consecutive tags from *first_tag*."""
        ...


class Outlet(Protocol):
    """What a connection's client is told without having asked."""

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        """The way to a consumer."""
        ...

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        """Give a message back to its publisher: basic.return."""
        ...

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """The broker has taken over what was published: basic.ack."""
        ...

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """The broker could not take over what was published: basic.nack."""
        ...

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        """The consumer's queue is gone: basic.cancel."""
        ...

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        """The channel has ended, and nobody there has asked for it."""
        ...

    def close_connection(self, error: ConnectionException) -> None:
        """The broker has ended the connection, and this is why: connection.close (S-075).

        It is the last that the client is told.
        """
        ...


class Witness(Protocol):
    """What happens to messages, told while it happens (`Broker.watch`).

    (W1) What is published is known by its `Message.content`, the very object, until it is in a
         queue, is held back by an exchange, or is nowhere.
    (W2) A copy in a queue is known by the queue and its position there, until it is gone; no
         position is used twice.  Its content may be read anew meanwhile.
    (W3) A copy that died is known by its `Message.content` again, from `died` to `dead_lettered`.
    (W4) Messages that had the same fate at once are told at once, in their order.

    A class that names this one as its base inherits verbs that do nothing.  To be told costs time
    for every message: who only wants to know of queues, exchanges and people is an `EventWitness`.
    """

    def published(
        self, channel: "Channel", first_tag: int | None, messages: Sequence[Message]
    ) -> None:
        """*messages* were published alike, and will be routed.

        In confirm mode their publish tags are consecutive from *first_tag*.
        """

    def routed(
        self, channel: "Channel | None", messages: Sequence[Message], queues: "Sequence[Queue]"
    ) -> None:
        """*messages* go to *queues*: none, and they are unroutable, or an exchange has them.

        *channel* has published them; without it they were dead letters, or released.  In a
        transaction the queues get them when it is committed.
        """

    def withdrawn(self, channel: "Channel", messages: Sequence[Message]) -> None:
        """The transaction in which *messages* were published was not committed."""

    def returned(self, channel: "Channel", messages: Sequence[Message]) -> None:
        """*messages* were mandatory and unroutable."""

    def delayed(self, exchange: "Exchange", message: Message) -> None:
        """The exchange holds *message* back until its time has come."""

    def released(self, exchange: "Exchange", held: Message, message: Message) -> None:
        """The time of *held* has come: the exchange will route it as *message*."""

    def enqueued(
        self, queue: "Queue", positions: Sequence[int], messages: Sequence[Message]
    ) -> None:
        """*messages* are ready in the queue."""

    def refused(self, queue: "Queue", message: Message) -> None:
        """The queue is full, and did not take *message*."""

    def duplicated(self, queue: "Queue", message: Message) -> None:
        """The queue deduplicates, and dropped *message*: it has one like it."""

    def delivered(
        self,
        consumer: "Consumer",
        first_tag: int,
        positions: Sequence[int],
        messages: Sequence[Message],
        redelivered: bool,
    ) -> None:
        """*messages* went to a consumer, with consecutive delivery tags from *first_tag*.

        If the consumer is `no_ack`, they are gone from the queue.
        """

    def got(
        self,
        channel: "Channel",
        queue: "Queue",
        delivery_tag: int,
        position: int,
        message: Message,
        *,
        redelivered: bool,
        no_ack: bool,
    ) -> None:
        """A basic.get was answered; if it was `no_ack`, the message is gone from the queue."""

    def replied(
        self, publisher: "Channel", channel: "Channel", consumer_tag: str, message: Message
    ) -> None:
        """What *publisher* has published went to *channel* as a direct reply, not to a queue."""

    def acked(
        self, channel: "Channel", queue: "Queue", held: Sequence[tuple[int, Message]]
    ) -> None:
        """A client is done with messages, each with its position: they are gone."""

    def rejected(
        self, channel: "Channel", queue: "Queue", held: Sequence[tuple[int, Message]]
    ) -> None:
        """A client does not want these messages, nor is anybody else to get them: they die."""

    def requeued(
        self, channel: "Channel", queue: "Queue", held: Sequence[tuple[int, Message]]
    ) -> None:
        """Delivered messages go back to their queue; by the client's will, or since it is gone."""

    def died(self, queue: "Queue", position: int, message: Message, reason: "Reason") -> None:
        """A message left its queue, ready or unacked, and nobody was given it for good."""

    def dead_lettered(
        self, queue: "Queue", message: Message, reason: "Reason", letter: Message
    ) -> None:
        """*message*, which died in *queue*, is published as *letter*, and will be routed.

        It goes nowhere if its dead-letter exchange is not there.
        """

    def purged(self, queue: "Queue", positions: Sequence[int], messages: Sequence[Message]) -> None:
        """*messages* were ready, and a client had them dropped."""

    def discarded(self, queue: "Queue") -> None:
        """The queue is deleted, and with it all messages that it had, ready or unacked."""

    def confirmed(self, channel: "Channel", publish_tag: int, multiple: bool) -> None:
        """The publisher is told that the broker has taken over: basic.ack."""

    def nacked(self, channel: "Channel", publish_tag: int, multiple: bool) -> None:
        """The publisher is told that a queue did not take its message: basic.nack."""


class EventWitness(Protocol):
    """What comes and goes: queues, exchanges, bindings, clients (`Broker.watch_events`).

    Each is told when it is there, and when it is no more.  To be told costs messages nothing.  A
    class that names this one as its base inherits verbs that do nothing.
    """

    def vhost_created(self, vhost: "VHost") -> None:
        """A vhost is there, with its predeclared exchanges."""

    def vhost_deleted(self, vhost: "VHost") -> None:
        """A vhost is gone, after all that it had."""

    def exchange_created(self, exchange: "Exchange") -> None:
        """An exchange was declared."""

    def exchange_deleted(self, exchange: "Exchange") -> None:
        """An exchange is gone, deleted or with its last binding; its bindings went before."""

    def queue_created(self, queue: "Queue") -> None:
        """A queue was declared."""

    def queue_deleted(self, queue: "Queue") -> None:
        """A queue is gone: deleted, expired, or with its last consumer or its connection."""

    def binding_created(self, vhost: "VHost", binding: "Binding") -> None:
        """Messages pass from an exchange to a destination."""

    def binding_deleted(self, vhost: "VHost", binding: "Binding") -> None:
        """They pass no more."""

    def connection_created(self, connection: "Connection") -> None:
        """A user is in a vhost."""

    def connection_closed(self, connection: "Connection") -> None:
        """The connection and all that belonged to it are gone."""

    def channel_created(self, channel: "Channel") -> None:
        """A channel is open."""

    def channel_closed(self, channel: "Channel") -> None:
        """A channel is closed, and its consumers with it."""

    def consumer_created(self, consumer: "Consumer") -> None:
        """A consumer has started."""

    def consumer_deleted(self, consumer: "Consumer") -> None:
        """A consumer is over: cancelled, or its channel or queue is gone."""

    def authentication_succeeded(
        self, user_name: str, mechanism_name: str, peer_address: str
    ) -> None:
        """Somebody at *peer_address* has shown to be that user."""

    def authentication_failed(self, user_name: str, mechanism_name: str, peer_address: str) -> None:
        """Somebody at *peer_address* has not shown to be that user."""

    def alarm_set(self, resource_name: str) -> None:
        """Memory is short, and publishers wait."""

    def alarm_cleared(self, resource_name: str) -> None:
        """It is no more."""

    def administered(self, event_name: str, told: Mapping[str, object]) -> None:
        """An operator has changed something else: *told* is what.

        Both are in the words of RabbitMQ's events: ``user.created``, ``policy.set``.
        """


class NameSource(Protocol):
    """Makes names that nobody can guess and that never repeat."""

    def __call__(self) -> str:
        """22 characters of URL-safe base64 (S-094)."""
        ...


class Dice(Protocol):
    """Makes choices."""

    def __call__(self, count: int, /) -> int:
        """A number from 0 to *count* - 1, each as likely as the others; *count* is positive."""
        ...


class TakingTurns:
    """`Dice` without chance: 0, 1, 2 ... in turn, for who needs the same choices every time."""

    def __init__(self) -> None:
        self._roll_count = 0

    def __call__(self, count: int, /) -> int:
        self._roll_count += 1
        return (self._roll_count - 1) % count


#: What a record is kept by; with its kind it is unique.
RecordKey: TypeAlias = tuple[str, ...]
#: What JSON can say.
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
#: What is kept under a key.
Record: TypeAlias = Mapping[str, Json]


class Entries(NamedTuple):
    """Messages of a queue that entered together, or some of them, as the journal has them."""

    raw_publish: bytes  # what `Journal.enter` was given
    entered_ms: int
    contents: Sequence[bytes]


class Runs(NamedTuple):
    """Entries of one queue, by their ids: runs of consecutive ones, ascending."""

    firsts: Sequence[int]
    counts: Sequence[int]
    byte_count: int = 0  # about how many bytes they have, where that is known


class Journal(Protocol):
    """What outlives the process: records, and the messages of durable queues.

    It is told what happens, and asked nothing in return but when that is safe.  What is told
    between two ends of a round is one transaction: all of it survives, or nothing of it.

    (J1) A transaction is safe when its number is at most `safe_number`.  It survives then, and
         with it every one before.
    (J2) An id is given once, ascending, whatever becomes of it.
    (J3) Once an entry has left and that is safe, it never comes back.
    """

    keeps: bool  # False: nothing outlives the process, so nothing need be told
    is_clean: bool  # the last process came to its end in peace, and nothing has been told since
    open_number: int  # of the transaction to which what is told now belongs

    @property
    def told_number(self) -> int:
        """The number of the last transaction to which anything that was told belongs."""
        ...

    safe_number: int

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be safe that publishers had better wait."""
        ...

    demand_count: int  # how often something was told whose answer should wait until it is safe

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        """Keep *record*, in the place of the one with that key; nothing when they are equal."""
        ...

    def remove(self, kind: str, key: RecordKey) -> None:
        """Forget a record, if there is one; with a "queue" also its entries."""
        ...

    def demand(self) -> None:
        """Who asked for what was told waits until it is safe: `demand_count` grows."""
        ...

    def records(self, kind: str) -> Sequence[tuple[RecordKey, Record]]:
        """The records of one kind as they stand, in the order in which they were first put."""
        ...

    def reserve(self, count: int) -> int:
        """The first of *count* new consecutive ids, for queues and for entries."""
        ...

    def enter(
        self,
        queue_id: int,
        first_id: int,
        raw_publish: bytes,
        messages: Sequence[Message],
        now_ms: int,
    ) -> None:
        """Keep messages of one queue, with consecutive ids from *first_id*."""
        ...

    def leave(self, queue_id: int, ids: Sequence[int]) -> None:
        """Forget entries of one queue; those that were never entered do not matter."""
        ...

    def entries(self, queue_id: int) -> Runs:
        """The entries of a queue that have survived the last process."""
        ...

    def read(self, runs: Runs) -> list[Entries]:
        """Read entries back, in the order of *runs*; all must be safe and not have left."""
        ...


class NoJournal:
    """`Journal` of a broker that keeps nothing."""

    keeps = False
    is_clean = True
    open_number = 0
    told_number = 0
    safe_number = 0
    is_behind = False
    demand_count = 0

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        """Nothing."""

    def remove(self, kind: str, key: RecordKey) -> None:
        """Nothing."""

    def demand(self) -> None:
        """Nothing."""

    def records(self, kind: str) -> Sequence[tuple[RecordKey, Record]]:
        """None."""
        return ()

    def reserve(self, count: int) -> int:
        """Never asked: only what is kept has an id."""
        raise AssertionError(count)

    def enter(
        self,
        queue_id: int,
        first_id: int,
        raw_publish: bytes,
        messages: Sequence[Message],
        now_ms: int,
    ) -> None:
        """Never told."""
        raise AssertionError(queue_id)

    def leave(self, queue_id: int, ids: Sequence[int]) -> None:
        """Never told."""
        raise AssertionError(queue_id)

    def entries(self, queue_id: int) -> Runs:
        """Never asked."""
        raise AssertionError(queue_id)

    def read(self, runs: Runs) -> list[Entries]:
        """Never asked."""
        raise AssertionError(runs)
