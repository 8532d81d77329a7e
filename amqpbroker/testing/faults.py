"""Faults: what goes wrong with brokers and networks, when a test says so.

    faults.next_confirms(nack=2, queue="jobs")         the next two publishes to it are nacked
    faults.some_deliveries(duplicate=0.1)              every tenth message comes twice, by the seed
    faults.connection(name="worker").drop()            its TCP connection is gone
    with faults.connection(name="worker").silent():    a network that swallows everything
        ...
    faults.power_cut()                                 and what a real broker may lose is lost

Each fault notes how often it struck (`report`); `assert_all_fired` fails where one did not.
Names may have ``*`` and ``?`` in them.  Chance comes from the seed, so a run can be repeated.

The methods may be called from any thread.  Times are those of the broker's clock, which a test
moves; only `ConnectionFaults.slow` and the wait of `reorder_deliveries` go by real time.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Final, Protocol, Self, TypeVar

from attrs import define

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.ports import EventWitness, Witness
from amqpbroker.engine.queue import Queue
from amqpbroker.server.server import Server
from amqpbroker.server.timekeeper import Timer
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.message import Message
from amqpbroker.testing.durations import Duration, milliseconds
from amqpbroker.testing.fault_rules import (
    Predicate,
    Publication,
    Rule,
    Rules,
    Target,
    name_fits,
)
from amqpbroker.testing.faulty_session import FaultySession
from amqpbroker.testing.restart import restart

T = TypeVar("T")

#: How many publishes without a confirm are remembered, for `Faults.power_cut`.
UNSAFE_MAX: Final = 100_000
#: How many of the things that were done to connections `Faults.report` knows, the latest.
DONE_MAX: Final = 1000
#: How many acked messages a power cut may bring back: the latest ones.
LATE_ACKS_MAX: Final = 100
DEFAULT_SEED: Final = 1


class CallInBroker(Protocol):
    """Makes a call where the broker is: `LocalBroker.look`, or at once."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


def at_once(function: Callable[[], T], /) -> T:
    """Make a call here and now, for who is in the broker's thread."""
    return function()


@define
class FaultReport:
    """A fault, in words, and how often it struck."""

    text: str
    fired: int


class Faults(Witness, EventWitness):
    """The faults of one broker.  Made before its first client comes."""

    def __init__(
        self, server: Server, call: CallInBroker = at_once, seed: int = DEFAULT_SEED
    ) -> None:
        self._server = server
        self._call = call
        self.seed = seed
        self.dice = Random(seed)
        self.confirms = Rules(self.dice)
        self.deliveries = Rules(self.dice)
        self.acks = Rules(self.dice)
        self.logins = Rules(self.dice)
        self.blocked_reason: str | None = None  # why everybody is blocked, if so
        self._done: deque[FaultReport] = deque(
            maxlen=DONE_MAX
        )  # what was done to connections, and restarts
        self._publications: dict[Channel, dict[int, Publication]] = {}  # {...: {publish tag: ...}}
        self._unsafe: dict[int, bytes] = {}  # {id of a content: the content}, not confirmed
        self._late_acks: list[tuple[Queue, Message]] = []
        server.make_session = partial(FaultySession, self)
        server.broker.watch(self)
        server.broker.watch_events(self)

    def __repr__(self) -> str:
        rules = "; ".join(map(str, self._rules())) or "none"
        return f"<Faults seed={self.seed}: {rules}>"

    # What is asked for

    def connection(self, name: str | None = None, *, user: str | None = None) -> "ConnectionFaults":
        """The connections of that name (client property ``connection_name``), or of all names."""
        return ConnectionFaults(self, name, user)

    def refuse_connections(self, times: int | None = None, *, name: str | None = None) -> None:
        """Drop whoever wants to come in, the next *times* or from now on.

        With a name: who calls itself so, when it has logged in.
        """
        self._call(
            lambda: self.logins.add(Rule("refuse", "logins", Target(connection=name), times))
        )

    def next_confirms(
        self,
        *,
        nack: int = 0,
        drop: int = 0,
        delay: int = 0,
        by: Duration = "1s",
        skip: int = 0,
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """Nack, drop or delay (*by* a time) so many of the confirms to come.

        The first *skip* that fit are let through: ``nack=1, skip=2`` is the third.
        """
        target = Target(queue, exchange, connection, where)
        counts = {"nack": nack, "drop": drop, "delay": delay}
        return self._add(self.confirms, "confirms", target, counts, skip, milliseconds(by))

    def some_confirms(
        self,
        *,
        nack: float = 0.0,
        drop: float = 0.0,
        delay: float = 0.0,
        by: Duration = "1s",
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """As `next_confirms`, each with a probability, until `clear`."""
        target = Target(queue, exchange, connection, where)
        chances = {"nack": nack, "drop": drop, "delay": delay}
        return self._add_chances(self.confirms, "confirms", target, chances, milliseconds(by))

    def next_deliveries(
        self,
        *,
        duplicate: int = 0,
        drop: int = 0,
        delay: int = 0,
        by: Duration = "1s",
        skip: int = 0,
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """Let so many of the deliveries to come arrive twice, never, or later (*by* a time).

        A duplicate is enqueued behind what waits, as if its publisher had sent it again.  What is
        dropped stays unacked, until its channel or connection ends.
        """
        target = Target(queue, exchange, connection, where)
        counts = {"duplicate": duplicate, "drop": drop, "delay": delay}
        return self._add(self.deliveries, "deliveries", target, counts, skip, milliseconds(by))

    def some_deliveries(
        self,
        *,
        duplicate: float = 0.0,
        drop: float = 0.0,
        delay: float = 0.0,
        by: Duration = "1s",
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """As `next_deliveries`, each with a probability, until `clear`."""
        target = Target(queue, exchange, connection, where)
        chances = {"duplicate": duplicate, "drop": drop, "delay": delay}
        return self._add_chances(self.deliveries, "deliveries", target, chances, milliseconds(by))

    def reorder_deliveries(
        self, window: int, *, queue: str | None = None, connection: str | None = None
    ) -> Self:
        """Hold deliveries until there are *window* for a consumer, and mix them; until `clear`."""
        rule = Rule("reorder", "deliveries", Target(queue, None, connection), window=window)
        self._call(lambda: self.deliveries.add(rule))
        return self

    def next_acks(
        self,
        *,
        redeliver: int,
        skip: int = 0,
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """Lose so many acks to come: their messages are delivered again, marked redelivered."""
        target = Target(queue, exchange, connection, where)
        return self._add(self.acks, "acks", target, {"redeliver": redeliver}, skip, 0)

    def some_acks(
        self,
        *,
        redeliver: float,
        queue: str | None = None,
        exchange: str | None = None,
        connection: str | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """As `next_acks`, each with a probability, until `clear`."""
        target = Target(queue, exchange, connection, where)
        return self._add_chances(self.acks, "acks", target, {"redeliver": redeliver}, 0)

    def cancel_consumers(self, *, queue: str, vhost: str = "/") -> int:
        """End all consumers of a queue, as when its node goes down: basic.cancel; how many.

        Raises `LookupError` when the queue is not there.
        """
        return self._call(lambda: self._cancel(queue, vhost))

    @contextmanager
    def blocked(self, reason: str = "low on memory") -> Generator[None]:
        """Have all publishers told connection.blocked, and not read from, for a while."""
        everybody = self.connection()
        everybody.block(reason)
        self.blocked_reason = reason  # for those who come meanwhile
        try:
            yield
        finally:
            self.blocked_reason = None
            everybody.unblock()

    def restart(self) -> None:
        """Restart the broker: clients are closed with 320; what is durable and persistent stays."""
        self._call(lambda: self._restart("restart", lambda _, message: True))

    def power_cut(self) -> None:
        """Lose what a real broker may lose when the power fails, and start again.

        Connections are gone without a word; so are transient messages, and queues and exchanges
        that are not durable.  Of the persistent messages, those whose publisher was not told a
        confirm may be gone, and of those acked last some may be back: the seed chooses.  What was
        confirmed is there.
        """
        self._call(self._cut_power)

    # What has happened

    def report(self) -> list[FaultReport]:
        """All faults, and how often each struck."""
        return self._call(
            lambda: [*(FaultReport(str(rule), rule.fired) for rule in self._rules()), *self._done]
        )

    def assert_all_fired(self) -> None:
        """Raise `AssertionError` when a fault never struck, or not as often as it should have."""
        idle = self.idle()
        if idle:
            raise AssertionError("faults that did not strike: " + "; ".join(idle))

    def idle(self) -> list[str]:
        """The faults that never struck, or not as often as they should have, in words."""
        return self._call(lambda: [str(one) for one in self._rules() if one.left or not one.fired])

    def clear(self) -> None:
        """End all faults: rules are forgotten, connections are themselves again."""

        def clear() -> None:
            for rules in (self.confirms, self.deliveries, self.acks, self.logins):
                rules.clear()
            self._done.clear()
            self.dice.seed(self.seed)
            for session in self._sessions():
                session.be_silent(False)
                session.be_slow(None, 0)
                session.unblock()

        self._call(clear)

    # What sessions and outlets ask; in the broker's thread

    def refuses(self, session: FaultySession) -> bool:
        """Whether a client is to be dropped, now that it speaks or has logged in."""
        if not self.logins or session.is_open:
            return False
        return self.logins.strike(None, (), session.connection_name) is not None

    def later(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Do something when the broker's clock has gone on."""
        broker = self._server.broker
        broker.schedule.call_at(broker.now_ms + delay_ms, action)

    def soon(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Do something in a moment of real time."""
        return self._server.timekeeper.call_in(seconds, action)

    def again(self, queue: Queue, message: Message) -> None:
        """Have a message enqueued once more, when nobody is in the middle of something."""

        def enqueue() -> None:
            if not queue.is_deleted:
                queue.accept(message)

        self._server.reactor.call_soon_threadsafe(enqueue)

    def to_confirm(
        self, channel: Channel, publish_tag: int, *, multiple: bool
    ) -> Iterator[tuple[int, Publication | None]]:
        """The publish tags that a confirm is about, and what was published with them."""
        known = self._publications.get(channel, {})
        tags = [tag for tag in known if tag <= publish_tag] if multiple else [publish_tag]
        for tag in tags or [publish_tag]:
            yield tag, known.pop(tag, None)

    def were_confirmed(self, channel: Channel | None, publish_tag: int, *, multiple: bool) -> None:
        """A confirm is told as it should be."""
        if channel is not None:
            for _, publication in self.to_confirm(channel, publish_tag, multiple=multiple):
                self.are_safe(None if publication is None else publication.message)

    def are_safe(self, message: Message | None) -> None:
        """Its publisher knows that the broker has it: no power cut may lose it."""
        if message is not None:
            self._unsafe.pop(id(message.content), None)

    # What the engine tells

    def published(
        self, channel: Channel, first_tag: int | None, messages: Sequence[Message]
    ) -> None:
        """Remember what may be lost, and whose confirm is to come."""
        for index, message in enumerate(messages):
            self._unsafe[id(message.content)] = message.content
            if first_tag is not None:
                known = self._publications.setdefault(channel, {})
                known[first_tag + index] = Publication(message, ())
        while len(self._unsafe) > UNSAFE_MAX:
            del self._unsafe[next(iter(self._unsafe))]

    def routed(
        self, channel: Channel | None, messages: Sequence[Message], queues: Sequence[Queue]
    ) -> None:
        """Remember where they went, if a confirm may depend on it."""
        known = None if channel is None else self._publications.get(channel)
        if not known or not self.confirms:
            return
        names = tuple(queue.name for queue in queues)
        contents = {id(message.content) for message in messages}
        for tag in reversed(known):
            message = known[tag].message
            if id(message.content) in contents:
                known[tag] = Publication(message, names)
                contents.discard(id(message.content))
                if not contents:
                    return

    def acked(self, channel: Channel, queue: Queue, held: Sequence[tuple[int, Message]]) -> None:
        """Remember the latest, which a power cut may undo."""
        if queue.durable:
            self._late_acks += [(queue, one) for _, one in held if one.properties.is_persistent]
            del self._late_acks[:-LATE_ACKS_MAX]

    def channel_closed(self, channel: Channel) -> None:
        """Nobody is told its confirms any more."""
        self._publications.pop(channel, None)

    # Parts; in the broker's thread

    def _rules(self) -> list[Rule]:
        return [*self.confirms, *self.deliveries, *self.acks, *self.logins]

    def _add(
        self,
        rules: Rules,
        subject: str,
        target: Target,
        counts: dict[str, int],
        skip: int,
        delay_ms: int,
    ) -> Self:
        made = [
            Rule(verb, subject, target, count, skip=skip, delay_ms=delay_ms)
            for verb, count in counts.items()
            if count
        ]
        assert made, f"say what is to happen to {subject}: {', '.join(counts)}"
        self._call(lambda: [rules.add(rule) for rule in made])
        return self

    def _add_chances(
        self,
        rules: Rules,
        subject: str,
        target: Target,
        chances: dict[str, float],
        delay_ms: int,
    ) -> Self:
        made = [
            Rule(verb, subject, target, None, chance, delay_ms=delay_ms)
            for verb, chance in chances.items()
            if chance
        ]
        assert made, f"say what is to happen to {subject}: {', '.join(chances)}"
        self._call(lambda: [rules.add(rule) for rule in made])
        return self

    def _sessions(self) -> list[FaultySession]:
        return [one for one in self._server.sessions if isinstance(one, FaultySession)]

    def done_to_connections(
        self, name: str | None, user: str | None, what: str, action: Callable[[FaultySession], None]
    ) -> int:
        """Do something to all connections that are meant; how many.  Raises `LookupError`."""

        def act() -> int:
            there = [one for one in self._sessions() if one.is_open]
            meant = [
                session
                for session in there
                if name_fits(name, session.connection_name) and name_fits(user, session.user_name)
            ]
            if not meant and not (name is None and user is None):
                names = ", ".join(repr(session.connection_name) for session in there) or "none"
                raise LookupError(f"no connection is called '{name or user}'; there are {names}")
            for session in meant:
                action(session)
            self._done.append(FaultReport(f"{what} connection {name or '*'}", len(meant)))
            return len(meant)

        return self._call(act)

    def _cancel(self, queue_name: str, vhost_name: str) -> int:
        vhost = self._server.broker.vhosts.get(vhost_name)
        queue = None if vhost is None else vhost.queues.get(queue_name)
        if queue is None:
            raise LookupError(f"no queue '{queue_name}' in vhost '{vhost_name}'")
        consumers = list(queue.consumers)
        for consumer in consumers:
            queue.consumers.remove(consumer)
            consumer.channel.forget_consumer(consumer)
        self._done.append(FaultReport(f"cancel consumers of queue '{queue_name}'", len(consumers)))
        return len(consumers)

    def _cut_power(self) -> None:
        late_acks = [one for one in self._late_acks if self.dice.random() < 0.5]

        def survives(_: Queue, message: Message) -> bool:
            return id(message.content) not in self._unsafe or self.dice.random() < 0.5

        for session in self._sessions():
            session.drop()
        self._restart("power cut", survives)
        for queue, message in late_acks:
            if not queue.is_deleted:
                queue.accept(message)

    def _restart(self, what: str, survives: Callable[[Queue, Message], bool]) -> None:
        restart(self._server, survives)
        self._unsafe.clear()
        self._late_acks.clear()
        self._done.append(FaultReport(what, 1))


class ConnectionFaults:
    """Connections that are meant by a name; each verb tells how many there were.

    Raises `LookupError` where a name was given and nobody has it.
    """

    def __init__(self, faults: Faults, name: str | None, user: str | None) -> None:
        self._faults = faults
        self._name = name
        self._user = user

    def drop(self) -> int:
        """End their TCP connections without a word."""
        return self._do("drop", FaultySession.drop)

    def close(self, code: int = 320, text: str = "closed by a fault") -> int:
        """Close them with a code and a text, as for an error; raises `ValueError` for no code."""
        ReplyCode(code)
        return self._do("close", lambda session: session.force_close(code, text))

    def close_channels(
        self, code: int = 406, text: str = "closed by a fault", *, number: int | None = None
    ) -> int:
        """Close a channel of theirs, or all, with a code and a text."""
        ReplyCode(code)

        def close(session: FaultySession) -> None:
            for one in [number] if number is not None else list(session.channels):
                session.force_close_channel(one, code, text)

        return self._do("close channels of", close)

    def blackhole(self) -> int:
        """From now on read nothing and send nothing; their sockets stay open."""
        return self._do("blackhole", lambda session: session.be_silent(True))

    def heal(self) -> int:
        """End what `blackhole` and `slow` have begun."""

        def heal(session: FaultySession) -> None:
            session.be_silent(False)
            session.be_slow(None, 0)

        return self._do("heal", heal)

    @contextmanager
    def silent(self) -> Generator[None]:
        """`blackhole` for the time of a block."""
        self.blackhole()
        try:
            yield
        finally:
            try:
                self.heal()
            except LookupError:  # they are gone meanwhile
                pass

    def slow(self, *, bytes_per_second: float | None = None, latency: Duration = 0) -> int:
        """Read no faster than that, and let what is sent arrive later; in real time."""
        seconds = milliseconds(latency) / 1000
        return self._do("slow", lambda session: session.be_slow(bytes_per_second, seconds))

    def block(self, reason: str = "low on memory") -> int:
        """Tell them connection.blocked, and read nothing more from them."""
        return self._do("block", lambda session: session.block(reason))

    def unblock(self) -> int:
        """Tell them connection.unblocked, and go on."""
        return self._do("unblock", FaultySession.unblock)

    def _do(self, what: str, action: Callable[[FaultySession], None]) -> int:
        return self._faults.done_to_connections(self._name, self._user, what, action)
