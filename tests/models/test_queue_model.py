"""A queue and its consumers against a list of messages and a list of consumers.

The model delivers one message at a time, looks through all of its lists each time, and knows
nothing of batches, wake-ups or bytes.  Whatever clients do, every channel must be told exactly
what the model says, in the same order.

Cited: engine/queue.py (Q1) to (Q4), consumer.py (C1) and (C2), channel.py (C1) and (C3),
ledger.py (L1) to (L3).
"""

from __future__ import annotations

import attrs
import pytest
from brokers import Client, consume, declare, make_broker, publish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from recording import Delivered

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.table import Field

QUEUE = "jobs"
CONTENT_OVERHEAD_BYTES = 8 + 14 + 8  # a header frame without properties, and a body frame

#: How the pass goes on behind a verb: messages that come, and whether it ends then.
ends = st.tuples(st.sampled_from([0, 0, 1, 2, 5]), st.sampled_from([True, True, True, False]))


@attrs.define(eq=False)
class Ready:
    """A message that waits in the queue, or that a client holds."""

    number: int  # in the order of publishing
    body: bytes
    redelivered: bool = False

    @property
    def held_bytes(self) -> int:
        return len(self.body) + CONTENT_OVERHEAD_BYTES + MESSAGE_OVERHEAD_BYTES


@attrs.define(eq=False)
class Desk:
    """A channel as the model has it."""

    channel: Channel
    client: Client
    limit: int = 0
    limited_count: int = 0  # deliveries, and what was got before there was a limit
    last_tag: int = 0
    unacked: dict[int, tuple[Ready, Worker | None, int]] = attrs.Factory(
        dict[int, "tuple[Ready, Worker | None, int]"]
    )  # {delivery tag: (message, consumer, incarnation of the queue)}
    expected: list[Delivered] = attrs.Factory(list[Delivered])


@attrs.define(eq=False)
class Worker:
    """A consumer as the model has it."""

    desk: Desk
    tag: str
    no_ack: bool
    priority: int
    limit: int

    def may_receive(self) -> bool:
        if self.desk.client.connection.is_congested:
            return False
        held = [worker for _, worker, _ in self.desk.unacked.values()]
        return self.no_ack or not (
            (self.limit and held.count(self) >= self.limit)
            or (self.desk.limit and self.desk.limited_count >= self.desk.limit)
        )


class QueueModel(RuleBasedStateMachine):
    workers = Bundle("workers")

    def __init__(self) -> None:
        super().__init__()
        self.broker = make_broker()
        self.clients = [Client(self.broker), Client(self.broker)]
        self.numbers = iter(range(1, 1 << 30))
        self.desks = [
            Desk(client.open(number), client)
            for client, number in ((self.clients[0], 1), (self.clients[0], 2), (self.clients[1], 1))
        ]
        self.incarnation = 0
        self.ready: list[Ready] = []
        self.turns: list[Worker] = []  # who is next comes first
        self.declare()

    def declare(self) -> None:
        self.incarnation += 1
        self.queue = declare(self.desks[0].channel, QUEUE)

    # What clients do

    @rule(
        sizes=st.lists(st.sampled_from([4, 4, 4, 90_000]), min_size=1, max_size=12),
        end=ends,
    )
    def publish(self, sizes: list[int], end: tuple[int, bool]) -> None:
        self.publish_sizes(sizes)
        self.after_verb(*end)

    def publish_sizes(self, sizes: list[int]) -> None:
        numbers = [next(self.numbers) for _ in sizes]
        bodies = [b"%d" % number + b"." * size for number, size in zip(numbers, sizes, strict=True)]
        publish(self.desks[0].channel, QUEUE, *bodies)
        self.ready += map(Ready, numbers, bodies)

    @initialize(
        target=workers,
        staff=st.lists(
            st.tuples(
                st.integers(0, 2), st.booleans(), st.sampled_from([0, 0, 1]), st.integers(0, 4)
            ),
            max_size=5,
        ),
        limits=st.tuples(*[st.sampled_from([0, 0, 0, 1, 2, 5])] * 3),
    )
    def hire(
        self, staff: list[tuple[int, bool, int, int]], limits: tuple[int, int, int]
    ) -> MultipleResults[Worker]:
        for at, limit in enumerate(limits):
            self.limit_channel_to(at, limit)
        return multiple(*[self.start(*terms) for terms in staff])

    @precondition(lambda self: len(self.turns) < 6)
    @rule(
        target=workers,
        at=st.integers(0, 2),
        no_ack=st.sampled_from([False, False, True]),
        priority=st.sampled_from([0, 0, 0, 1]),
        limit=st.integers(0, 4),
        end=ends,
    )
    def consume(
        self, at: int, no_ack: bool, priority: int, limit: int, end: tuple[int, bool]
    ) -> Worker:
        worker = self.start(at, no_ack, priority, limit)
        self.after_verb(*end)
        return worker

    def start(self, at: int, no_ack: bool, priority: int, limit: int) -> Worker:
        desk = self.desks[at]
        desk.channel.consumer_prefetch_count = limit
        arguments = {"x-priority": Field("I", priority)} if priority else {}
        tag = consume(desk.channel, QUEUE, no_ack=no_ack, arguments=arguments)
        worker = Worker(desk, tag, no_ack, priority, limit)
        self.turns.append(worker)
        return worker

    @rule(worker=consumes(workers), end=ends)
    def cancel(self, worker: Worker, end: tuple[int, bool]) -> None:
        worker.desk.channel.cancel(worker.tag)
        if worker in self.turns:
            self.turns.remove(worker)
        self.after_verb(*end)

    @rule(at=st.integers(0, 2), limit=st.integers(0, 5), end=ends)
    def limit_channel(self, at: int, limit: int, end: tuple[int, bool]) -> None:
        self.limit_channel_to(at, limit)
        self.after_verb(*end)

    def limit_channel_to(self, at: int, limit: int) -> None:
        desk = self.desks[at]
        if not desk.limit:
            desk.limited_count = len(desk.unacked)
        desk.channel.set_prefetch(limit, is_global=True)
        desk.limit = limit

    @rule(at=st.integers(0, 2), no_ack=st.booleans())
    def get(self, at: int, no_ack: bool) -> None:
        desk = self.desks[at]
        answer = desk.channel.get(QUEUE, no_ack=no_ack)
        if not self.ready:
            assert answer is None
            return
        expected = self.ready.pop(0)
        desk.last_tag += 1
        assert answer is not None
        tag, message, redelivered, left_count = answer
        assert (tag, message.body, redelivered, left_count) == (
            desk.last_tag, expected.body, expected.redelivered, len(self.ready),
        )  # fmt: skip
        if not no_ack:
            desk.unacked[tag] = (expected, None, self.incarnation)

    @rule(
        at=st.integers(0, 2),
        offset=st.integers(0, 5),
        outcome=st.sampled_from(["ack", "requeue", "drop"]),
        many=st.booleans(),
        end=ends,
    )
    def settle(self, at: int, offset: int, outcome: str, many: bool, end: tuple[int, bool]) -> None:
        """Settle one of the oldest tags, or everything up to it."""
        tags = sorted(self.desks[at].unacked)
        if tags:
            tag = tags[offset % len(tags)]
            settled = tags[: offset % len(tags) + 1] if many else [tag]
            self.settle_as(self.desks[at], tag, settled, outcome, many)
            self.after_verb(*end)

    @rule(order=st.permutations(range(3)), end=ends)
    def ack_the_oldest(self, order: list[int], end: tuple[int, bool]) -> None:
        """What clients do most of all."""
        for desk in (self.desks[at] for at in order):
            for tag in list(desk.unacked)[:2]:
                self.settle_as(desk, tag, [tag], "ack", False)
        self.after_verb(*end)

    @rule(at=st.integers(0, 2), outcome=st.sampled_from(["ack", "requeue", "drop"]))
    def settle_everything(self, at: int, outcome: str) -> None:
        """Tag 0 means all there is, also when that is nothing."""
        self.settle_as(self.desks[at], 0, sorted(self.desks[at].unacked), outcome, True)
        self.dispatch()

    @rule(at=st.integers(0, 2), tag=st.integers(0, 9), outcome=st.sampled_from(["ack", "drop"]))
    def settle_what_is_not_there(self, at: int, tag: int, outcome: str) -> None:
        """(L3): nothing is settled.  A session would close the channel; here it goes on."""
        desk, many = self.desks[at], bool(tag)
        if tag not in desk.unacked:
            with pytest.raises(ChannelException, match=f"unknown delivery tag {tag}"):
                self.tell(desk, tag, outcome, many=many)

    def settle_as(self, desk: Desk, tag: int, settled: list[int], outcome: str, many: bool) -> None:
        self.tell(desk, tag, outcome, many=many)
        entries = [desk.unacked.pop(one) for one in settled]
        desk.limited_count -= sum(worker is not None for _, worker, _ in entries)
        if outcome == "requeue":
            self.give_back(entries)

    def tell(self, desk: Desk, tag: int, outcome: str, *, many: bool) -> None:
        if outcome == "ack":
            desk.channel.ack(tag, multiple=many)
        else:
            desk.channel.reject(tag, multiple=many, requeue=outcome == "requeue")

    def give_back(self, entries: list[tuple[Ready, Worker | None, int]]) -> None:
        """(Q1): each to its old place."""
        for message, _, incarnation in entries:
            if incarnation == self.incarnation:
                message.redelivered = True
                self.ready.append(message)
        self.ready.sort(key=lambda message: message.number)

    @rule(
        accident=st.sampled_from(
            ["drain", "drain", "congest", "recover", "purge", "close a channel", "delete the queue"]
        ),
        at=st.integers(0, 2),
        end=ends,
    )
    def happen(self, accident: str, at: int, end: tuple[int, bool]) -> None:
        """Do one of what is rare, so that there is time for messages to gather."""
        desk = self.desks[at]
        if accident == "drain":
            desk.client.connection.drained()
        elif accident == "congest":  # the client reads too slowly
            desk.client.connection.is_congested = True
        elif accident == "recover":
            desk.channel.recover()
            entries, desk.unacked = list(desk.unacked.values()), {}
            desk.limited_count -= sum(worker is not None for _, worker, _ in entries)
            self.give_back(entries)
        elif accident == "purge":
            assert self.queue.purge() == len(self.ready)
            self.ready.clear()
        elif accident == "close a channel":
            self.close_channel(at)
        else:
            assert self.broker.delete_queue(self.queue) == len(self.ready)
            self.ready.clear()
            self.turns.clear()
            self.declare()
        self.after_verb(*end)

    def close_channel(self, at: int) -> None:
        desk, client = self.desks[at], self.desks[at].client
        self.expect_told()
        client.connection.close_channel(desk.channel.number)
        self.turns = [worker for worker in self.turns if worker.desk is not desk]
        self.give_back(list(desk.unacked.values()))
        self.desks[at] = Desk(client.open(desk.channel.number), client)

    # What must come of it

    def after_verb(self, message_count: int, is_over: bool) -> None:
        if message_count:
            self.publish_sizes([4] * message_count)
        if is_over:
            self.dispatch()

    def dispatch(self) -> None:
        """The end of a pass (Q2), in turns among the highest priority that may receive (C2)."""
        self.broker.dispatch()
        while self.ready:
            able = [worker for worker in self.turns if worker.may_receive()]
            if not able:
                break
            worker = max(able, key=lambda one: one.priority)
            peers = [one for one in self.turns if one.priority == worker.priority]
            index = peers.index(worker) + 1
            others = [one for one in self.turns if one.priority != worker.priority]
            self.turns = others + peers[index:] + peers[:index]
            self.deliver(worker, self.ready.pop(0))
        self.expect_told()

    def deliver(self, worker: Worker, message: Ready) -> None:
        desk = worker.desk
        desk.last_tag += 1
        desk.expected.append(
            Delivered(
                desk.channel.number, worker.tag, desk.last_tag, message.redelivered, message.body
            )
        )
        if not worker.no_ack:
            desk.unacked[desk.last_tag] = (message, worker, self.incarnation)
            desk.limited_count += 1

    def expect_told(self) -> None:
        """Every channel was told what it should, in order."""
        for client in self.clients:
            told = [one for one in client.outlet.take() if isinstance(one, Delivered)]
            for desk in self.desks:
                if desk.client is not client:
                    continue
                mine = [one for one in told if one.channel_number == desk.channel.number]
                assert mine == desk.expected
                desk.expected = []

    @invariant()
    def counts_agree(self) -> None:
        mine = [
            message
            for desk in self.desks
            for message, _, incarnation in desk.unacked.values()
            if incarnation == self.incarnation
        ]
        assert self.queue.ready_count == len(self.ready)
        assert self.queue.unacked_count == len(mine)
        assert len(self.queue.consumers) == len(self.turns)
        for desk in self.desks:
            assert list(desk.channel._ledger._unacked) == sorted(desk.unacked)  # (L1), (L2)

    @invariant()
    def bytes_are_those_of_what_is_held(self) -> None:
        """(Q4)."""
        held = list(self.ready) + [
            message
            for desk in self.desks
            for message, _, incarnation in desk.unacked.values()
            if incarnation == self.incarnation
        ]

        assert self.queue.held_bytes == sum(message.held_bytes for message in held)
        assert self.broker.held_bytes == self.queue.held_bytes

    def teardown(self) -> None:
        """(C3): when all have gone, nothing is left but the queue, and in it what was not acked."""
        for desk in self.desks:
            self.give_back(list(desk.unacked.values()))
        for client in self.clients:
            client.connection.close()

        assert not self.broker.connections
        assert len(self.queue.consumers) == 0
        assert self.queue.unacked_count == 0
        assert [body for _, body, _ in self.got_all()] == [one.body for one in self.ready]
        assert self.broker.held_bytes == 0

    def got_all(self) -> list[tuple[int, bytes, bool]]:
        answers = iter(lambda: self.queue.get(no_ack=True), None)
        return [(position, message.body, redelivered) for position, message, redelivered in answers]


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(
    settings(), max_examples=settings().max_examples * 2, stateful_step_count=100
)
