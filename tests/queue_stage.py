"""A queue with rules, and what must come of it according to lists.

`QueueStage` is a state machine of everything that clients do with one queue, whatever its
arguments; the tests of `models/` draw the arguments that they are about.  The model keeps the
ready messages in one list and looks through it for the one that is next; it delivers one message
at a time, and knows nothing of batches, wake-ups, appointments or positions.

What dies goes to the queue "graveyard", in which nothing waits for longer than a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import attrs
from brokers import GUEST, Client, consume, declare, make_broker, publish
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from recording import Confirmed, Delivered, RecordingOutlet, Refused, Told

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.dead_letter import DeadLetter
from amqpbroker.engine.ports import Deliver
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX
from amqpbroker.spec.message import Message, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES, Properties
from amqpbroker.spec.table import Field, Table, longstr

QUEUE = "jobs"
GRAVEYARD = "graveyard"
WORKERS_MAX = 5

#: How the pass goes on behind a verb: whether it ends then.
ends = st.sampled_from([True, True, False])
#: Consumers to begin with: (desk, no_ack, priority, prefetch count).
staffs = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([False, False, True]),
        st.sampled_from([0, 0, 1, 2]),
        st.integers(0, 3),
    ),
    max_size=4,
)


@attrs.define(eq=False)
class Copy:
    """A message that waits in the queue, or that a client holds."""

    number: int  # in the order of publishing
    body: bytes
    priority: int
    expires_ms: int | None
    held_bytes: int
    is_returned: bool = False
    failure_count: int = 0


@attrs.define(eq=False)
class Worker:
    """A consumer as the model has it."""

    desk: Desk
    tag: str
    no_ack: bool
    priority: int
    limit: int

    def held_count(self) -> int:
        return [worker for _, worker, _ in self.desk.unacked.values()].count(self)

    def may_receive(self) -> bool:
        if self.desk.client.connection.is_congested:
            return False
        return self.no_ack or not self.limit or self.held_count() < self.limit


@attrs.define(eq=False)
class Desk:
    """A channel as the model has it."""

    channel: Channel
    client: Client
    last_tag: int = 0
    unacked: dict[int, tuple[Copy, Worker | None, int]] = attrs.Factory(
        dict[int, "tuple[Copy, Worker | None, int]"]
    )  # {delivery tag: (message, consumer, incarnation of the queue)}
    expected: list[tuple[Delivered, int]] = attrs.Factory(list[tuple[Delivered, int]])


class CountingOutlet(RecordingOutlet):
    """Also notes how often what is delivered was delivered in vain, by its header."""

    def __init__(self) -> None:
        super().__init__()
        self.failure_counts: dict[tuple[int, int], int] = {}  # {(channel, tag): count}

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        record = super().deliverer(channel_number, consumer_tag)

        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            record(first_tag, messages, redelivered)
            for tag, message in enumerate(messages, first_tag):
                self.failure_counts[channel_number, tag] = shown_failures(message)

        return deliver


class CountingClient(Client):
    """A client whose outlet is a `CountingOutlet`."""

    def __init__(self, broker: Broker) -> None:
        self.counting = self.outlet = CountingOutlet()
        self.connection = broker.connect(GUEST, "/", self.outlet, wants_cancel_notify=True)


def shown_failures(message: Message) -> int:
    field = message.properties.headers.get("x-delivery-count")
    return 0 if field is None else int(str(field.value))


def arguments_of(rules: Mapping[str, int | str | bool | None]) -> Table:
    """A queue's arguments from plain values; what is None is left out."""
    return {
        f"x-{name}": longstr(value)
        if isinstance(value, str)
        else Field("t" if isinstance(value, bool) else "I", value)
        for name, value in rules.items()
        if value is not None
    }


def properties_for(priority: int | None, time_ms: int | None) -> Properties:
    expiration = None if time_ms is None else str(time_ms)
    return NO_PROPERTIES.edited(priority=priority, expiration=expiration)


class QueueStage(RuleBasedStateMachine):
    """Begin with `open`, from an `@initialize` rule."""

    #: (priority or none, time to live in ms or none, bytes of the body besides its number)
    letters: st.SearchStrategy[tuple[int | None, int | None, int]] = st.tuples(
        st.none(), st.none(), st.just(0)
    )

    def __init__(self) -> None:
        super().__init__()
        self.broker = make_broker()
        self.clients = [CountingClient(self.broker), CountingClient(self.broker)]
        self.numbers = count(1)
        self.desks = [Desk(client.open(1), client) for client in self.clients]
        self.desks.append(Desk(self.clients[0].open(2), self.clients[0]))
        self.publisher = self.clients[0].open(9)
        self.publisher.select_confirms()
        self.published_count = 0
        self.unconfirmed: dict[int, bool] = {}  # {publish tag: whether it was taken in}
        self.graveyard = declare(self.publisher, GRAVEYARD)
        self.incarnation = 0
        self.now_ms = 0
        self.reset()
        self.dead: list[tuple[bytes, str]] = []

    def reset(self) -> None:
        self.ready: list[Copy] = []
        self.workers: list[Worker] = []  # in the order of their turns
        self.active: Worker | None = None  # of a queue with a single active consumer
        self.high_in_a_row = 0  # of a quorum queue
        self.unused_from_ms: int | None = None

    def open(
        self,
        rules: Mapping[str, int | str | bool | None],
        staff: Sequence[tuple[int, bool, int, int]] = (),
    ) -> None:
        """Declare the queue with *rules*, and start consumers."""
        self.terms = dict(rules)  # {argument without x-: value}
        self.is_quorum = rules.get("queue-type") == "quorum"
        overflow = rules.get("overflow") or "drop-head"
        self.rejects = overflow != "drop-head" and not (  # S-177
            self.is_quorum and overflow == "reject-publish-dlx"
        )
        self.is_fifo = not self.is_quorum and rules.get("max-priority") is None
        self.declare()
        for terms in staff:
            self.start(*terms)

    def declare(self) -> None:
        arguments = {
            **arguments_of(self.terms),
            "x-dead-letter-exchange": longstr(""),
            "x-dead-letter-routing-key": longstr(GRAVEYARD),
        }
        self.queue = declare(self.publisher, QUEUE, durable=self.is_quorum, arguments=arguments)
        self.incarnation += 1
        self.touch()

    def rule_number(self, name: str) -> int | None:
        value = self.terms.get(name)
        assert not isinstance(value, str)
        return value

    # What clients do

    @rule(data=st.data(), message_count=st.sampled_from([1, 3, 6, 10]), end=ends)
    def publish(self, data: st.DataObject, message_count: int, end: bool) -> None:
        for _ in range(message_count):
            self.publish_one(*data.draw(self.letters))
        self.after_verb(end)

    def publish_one(self, priority: int | None, own_ms: int | None, size: int) -> None:
        number = next(self.numbers)
        body, properties = b"%d" % number + b"." * size, properties_for(priority, own_ms)
        publish(self.publisher, QUEUE, body, properties=properties)
        content = encode_content(9, properties.raw, body, DEFAULT_FRAME_MAX)
        times = [ms for ms in (own_ms, self.rule_number("message-ttl")) if ms is not None]
        copy = Copy(
            number, body, priority or 0, self.now_ms + min(times) if times else None,
            len(content) + MESSAGE_OVERHEAD_BYTES,
        )  # fmt: skip
        self.published_count += 1
        self.unconfirmed[self.published_count] = self.take_in(copy)

    def take_in(self, copy: Copy) -> bool:
        if self.rejects and self.has_limit():
            self.serve()
            if self.is_too_much([*self.ready, copy]):
                if self.terms.get("overflow") == "reject-publish-dlx":
                    self.die(copy, "maxlen")
                return False
        self.ready.append(copy)
        if not self.is_fifo:
            self.serve()
        return True

    @precondition(lambda self: len(self.workers) < WORKERS_MAX)
    @rule(
        at=st.integers(0, 2),
        no_ack=st.sampled_from([False, False, False, True]),
        priority=st.sampled_from([0, 0, 0, 1, 2]),
        limit=st.sampled_from([0, 1, 1, 2, 3]),
        end=ends,
    )
    def consume(self, at: int, no_ack: bool, priority: int, limit: int, end: bool) -> None:
        self.start(at, no_ack, priority, limit)
        self.after_verb(end)

    def start(self, at: int, no_ack: bool, priority: int, limit: int) -> None:
        desk = self.desks[at]
        desk.channel.consumer_prefetch_count = limit
        arguments = {"x-priority": Field("I", priority)} if priority else {}
        tag = consume(desk.channel, QUEUE, no_ack=no_ack, arguments=arguments)
        worker = Worker(desk, tag, no_ack, priority, limit)
        self.workers.append(worker)
        self.active = self.active or worker

    @precondition(lambda self: self.workers)
    @rule(index=st.integers(0, WORKERS_MAX), end=ends)
    def cancel(self, index: int, end: bool) -> None:
        worker = self.workers[index % len(self.workers)]
        worker.desk.channel.cancel(worker.tag)
        self.dismiss(worker)
        self.touch()
        self.after_verb(end)

    def dismiss(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if self.active is worker:
            self.active = max(self.workers, key=lambda one: one.priority, default=None)

    @rule(at=st.integers(0, 2), no_ack=st.booleans())
    def get(self, at: int, no_ack: bool) -> None:
        if self.is_quorum and self.terms.get("single-active-consumer"):
            return
        desk = self.desks[at]
        answer = desk.channel.get(QUEUE, no_ack=no_ack)
        self.touch()
        self.bury_expired(self.now_ms)
        if not self.ready:
            assert answer is None
            return
        copy = self.take_next()
        self.bury_expired(self.now_ms)
        desk.last_tag += 1
        assert answer is not None
        tag, message, redelivered, left_count = answer
        assert (tag, message.body, redelivered, left_count, shown_failures(message)) == (
            desk.last_tag, copy.body, copy.is_returned, len(self.ready), copy.failure_count,
        )  # fmt: skip
        if not no_ack:
            desk.unacked[tag] = (copy, None, self.incarnation)

    @precondition(lambda self: any(desk.unacked for desk in self.desks))
    @rule(
        at=st.integers(0, 2),
        offset=st.integers(0, 5),
        outcome=st.sampled_from(["ack", "requeue", "requeue", "drop"]),
        many=st.booleans(),
        end=ends,
    )
    def settle(self, at: int, offset: int, outcome: str, many: bool, end: bool) -> None:
        """Settle one of the oldest tags, or everything up to it."""
        busy = [desk for desk in self.desks if desk.unacked]
        desk = busy[at % len(busy)]
        tags = sorted(desk.unacked)
        tag = tags[offset % len(tags)]
        if outcome == "ack":
            desk.channel.ack(tag, multiple=many)
        else:
            desk.channel.reject(tag, multiple=many, requeue=outcome == "requeue")
        settled = [one for one in tags if one == tag or (many and one < tag)]
        copies = [desk.unacked.pop(one) for one in settled]
        mine = [copy for copy, _, incarnation in copies if incarnation == self.incarnation]
        if outcome == "requeue":
            self.give_back(mine)
        elif outcome == "drop":
            for copy in mine:
                self.die(copy, "rejected")
        self.after_verb(end)

    @precondition(lambda self: any(desk.unacked for desk in self.desks))
    @rule()
    def requeue_everything(self) -> None:
        """So that messages come back often."""
        for desk in self.desks:
            desk.channel.reject(0, multiple=True, requeue=True)
            self.give_back(self.taken_from(desk))
        self.finish_pass()

    def give_back(self, copies: Sequence[Copy]) -> None:
        """Each to its old place; those of a quorum queue are counted."""
        if not copies:
            return
        limit = self.rule_number("delivery-limit")
        limit = 20 if limit is None else limit
        for copy in copies:
            copy.is_returned = True
            if self.is_quorum:
                copy.failure_count += 1
            if self.is_quorum and 0 <= limit < copy.failure_count:
                self.die(copy, "delivery_limit")
            else:
                self.ready.append(copy)
        self.bury_surplus()
        self.bury_expired(self.now_ms)

    @rule(
        accident=st.sampled_from(
            ["drain", "drain", "drain", "congest", "recover", "recover", "purge", "close", "delete"]
        ),
        at=st.integers(0, 2),
        end=ends,
    )
    def happen(self, accident: str, at: int, end: bool) -> None:
        desk = self.desks[at]
        if accident == "drain":
            desk.client.connection.drained()
        elif accident == "congest":  # the client reads too slowly
            desk.client.connection.is_congested = True
        elif accident == "recover":
            desk.channel.recover()
            self.give_back(self.taken_from(desk))
        elif accident == "purge":
            assert self.queue.purge() == len(self.ready)
            while self.ready:
                self.take_next()
        elif accident == "close":
            self.close_channel(at)
        else:
            assert self.broker.delete_queue(self.queue) == len(self.ready)
            self.begin_again()
        self.after_verb(end)

    def taken_from(self, desk: Desk) -> list[Copy]:
        entries, desk.unacked = list(desk.unacked.values()), {}
        return [copy for copy, _, incarnation in entries if incarnation == self.incarnation]

    def close_channel(self, at: int) -> None:
        desk = self.desks[at]
        self.expect_told([client.outlet.take() for client in self.clients])
        desk.client.connection.close_channel(desk.channel.number)
        workers = [worker for worker in self.workers if worker.desk is desk]
        for worker in workers:
            self.dismiss(worker)
        self.give_back(self.taken_from(desk))
        if workers:
            self.touch()
        self.desks[at] = Desk(desk.client.open(desk.channel.number), desk.client)

    def begin_again(self) -> None:
        self.reset()
        self.declare()

    @rule(by_ms=st.sampled_from([0, 1, 1, 2, 5, 20]), end=ends)
    def advance(self, by_ms: int, end: bool) -> None:
        self.now_ms += by_ms
        self.broker.advance(self.now_ms)
        is_unused = self.unused_from_ms is not None and not self.workers
        if is_unused and (self.unused_from_ms or 0) <= self.now_ms:
            assert self.queue.is_deleted
            self.begin_again()
        self.after_verb(end)

    def touch(self) -> None:
        expires_ms = self.rule_number("expires")
        if expires_ms is not None:
            self.unused_from_ms = self.now_ms + expires_ms

    # What must come of it

    def after_verb(self, is_over: bool) -> None:
        if is_over:
            self.finish_pass()

    def finish_pass(self) -> None:
        told = [client.finish_pass() for client in self.clients]
        self.serve()
        self.expect_told(told)
        self.expect_confirms(told[0])
        assert self.found_dead() == self.dead
        self.dead = []
        self.check_after_pass()

    def serve(self) -> None:
        """Deliver, as long as something waits and somebody may have it; then enforce the rules."""
        self.bury_expired(self.now_ms - 1)
        while self.ready and (worker := self.next_worker()) is not None:
            self.deliver(worker, self.take_next())
            self.bury_expired(self.now_ms - 1)
        self.bury_expired(self.now_ms)
        self.bury_surplus()
        self.bury_expired(self.now_ms)

    def next_worker(self) -> Worker | None:
        if self.terms.get("single-active-consumer"):
            return self.active_worker()
        able = [worker for worker in self.workers if worker.may_receive()]
        if not able:
            return None
        worker = max(able, key=lambda one: one.priority)
        peers = [one for one in self.workers if one.priority == worker.priority]
        index = peers.index(worker) + 1
        others = [one for one in self.workers if one.priority != worker.priority]
        self.workers = others + peers[index:] + peers[:index]
        return worker

    def active_worker(self) -> Worker | None:
        """The active one; a quorum queue's makes way for a higher priority (S-272)."""
        if self.active is None:
            return None
        first = max(self.workers, key=lambda one: one.priority)
        if self.is_quorum and first.priority > self.active.priority:
            if self.active.held_count():
                return None
            self.active = first
        return self.active if self.active.may_receive() else None

    def next_copy(self) -> Copy:
        """The message that is next, of all that are ready."""
        if not self.is_quorum:
            priority_max = self.rule_number("max-priority")
            levels = 0 if priority_max is None else max(priority_max, 1)
            return min(self.ready, key=lambda one: (-min(one.priority, levels), one.number))
        returned = [one for one in self.ready if one.is_returned]
        if returned:
            return returned[0]
        high = [one for one in self.ready if one.priority > 4]
        low = [one for one in self.ready if one.priority <= 4]
        return (low if not high or (low and self.high_in_a_row >= 2) else high)[0]

    def take_next(self) -> Copy:
        copy = self.next_copy()
        if not copy.is_returned:
            self.high_in_a_row = self.high_in_a_row + 1 if copy.priority > 4 else 0
        self.ready.remove(copy)
        return copy

    def deliver(self, worker: Worker, copy: Copy) -> None:
        assert copy.expires_ms is None or copy.expires_ms >= self.now_ms  # never after its time
        desk = worker.desk
        desk.last_tag += 1
        told = Delivered(
            desk.channel.number, worker.tag, desk.last_tag, copy.is_returned, copy.body
        )
        desk.expected.append((told, copy.failure_count))
        if not worker.no_ack:
            desk.unacked[desk.last_tag] = (copy, worker, self.incarnation)

    def bury_expired(self, now_ms: int) -> None:
        """S-293: only what is next expires."""
        while self.ready:
            expires_ms = self.next_copy().expires_ms
            if expires_ms is None or expires_ms > now_ms:
                return
            self.die(self.take_next(), "expired")

    def bury_surplus(self) -> None:
        while not self.rejects and self.is_too_much(self.ready):
            self.die(self.take_next(), "maxlen")

    def has_limit(self) -> bool:
        return any(self.terms.get(one) is not None for one in ("max-length", "max-length-bytes"))

    def is_too_much(self, copies: Sequence[Copy]) -> bool:
        length_max, bytes_max = (
            self.rule_number("max-length"), self.rule_number("max-length-bytes"),
        )  # fmt: skip
        return (length_max is not None and len(copies) > length_max) or (
            bytes_max is not None and sum(len(one.body) for one in copies) > bytes_max
        )

    def die(self, copy: Copy, reason: str) -> None:
        self.dead.append((copy.body, reason))

    def found_dead(self) -> list[tuple[bytes, str]]:
        found: list[tuple[bytes, str]] = []
        while (answer := self.graveyard.get(no_ack=True)) is not None:
            letter = answer[1]
            assert isinstance(letter.publish, DeadLetter)
            found.append((letter.body, letter.publish.deaths[0].reason))
        return found

    def expect_told(self, told: Sequence[Sequence[Told]]) -> None:
        """Every channel was given what it should, in order."""
        for client, of_client in zip(self.clients, told, strict=True):
            given = [one for one in of_client if isinstance(one, Delivered)]
            for desk in self.desks:
                if desk.client is client:
                    number = desk.channel.number
                    mine = [one for one in given if one.channel_number == number]
                    counts = client.counting.failure_counts
                    assert [
                        (one, counts[number, one.delivery_tag]) for one in mine
                    ] == desk.expected
                    desk.expected = []

    def expect_confirms(self, told: Sequence[Told]) -> None:
        """Each publish is answered once: whether the queue has taken it in."""
        answers: dict[int, bool] = {}
        for one in told:
            if isinstance(one, Confirmed | Refused):
                tags = [
                    tag
                    for tag in self.unconfirmed.keys() - answers.keys()
                    if tag == one.publish_tag or (one.multiple and tag < one.publish_tag)
                ]
                assert tags
                answers.update(dict.fromkeys(tags, isinstance(one, Confirmed)))
        assert answers == self.unconfirmed
        self.unconfirmed = {}

    def check_after_pass(self) -> None:
        """What a model says besides, when a pass has ended."""

    @invariant()
    def what_is_held_agrees(self) -> None:
        """(Q5)."""
        unacked = [
            copy
            for desk in self.desks
            for copy, _, incarnation in desk.unacked.values()
            if incarnation == self.incarnation
        ]

        assert self.queue.ready_count == len(self.ready)
        assert self.queue.unacked_count == len(unacked)
        assert self.queue.held_bytes == sum(copy.held_bytes for copy in self.ready + unacked)
        assert len(self.queue.consumers) == len(self.workers)

    def teardown(self) -> None:
        """When all have gone and the queue is empty, nothing is left."""
        if not self.incarnation:
            return
        self.finish_pass()
        for client in self.clients:
            client.connection.close()
        self.broker.dispatch()
        self.queue.purge()
        self.graveyard.purge()
        self.broker.dispatch()

        assert self.queue.held_bytes == self.broker.held_bytes == 0
        assert self.queue.unacked_count == len(self.queue.consumers) == 0
        assert not self.queue._expires_at
