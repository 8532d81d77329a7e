"""Messages in any net of queues that dead-letter into each other: none is lost, none doubled.

A copy of a message arrives in a queue when it is published there, or when a copy died elsewhere
and its dead letter was routed there.  After each pass it is in exactly one place: it waits, or a
client holds it, or it was settled, purged or deleted with its queue, or it died, or it was refused
by a full queue that refuses (S-302).  Where it goes after a death, and what is written on it then,
is worked out here anew for every death, from lists of bindings (D1), (D2).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TypeAlias

import attrs
import pytest
from brokers import Client, consume, declare, make_broker, publish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from queue_stage import arguments_of, properties_for

from amqpbroker.engine import topology
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.dead_letter import Dead as Died
from amqpbroker.engine.dead_letter import DeadLetter
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import EMPTY_TABLE

NAMES = ("q0", "q1", "q2", "q3")
KEYS = (*NAMES, "k")

Chain: TypeAlias = tuple[tuple[str, str, int], ...]  # (queue, reason, count), the latest first
Place: TypeAlias = tuple[Queue, bytes, Chain]

ends = st.sampled_from([True, True, True, False])


@attrs.frozen
class Plan:
    """What a queue is declared with."""

    ttl_ms: int | None
    length_max: int | None
    overflow: str
    kind: str  # fifo, priority, quorum
    exchange_name: str  # for its dead letters; one that is not there stands for none
    routing_key: str | None

    def declare(self, client: Client, name: str) -> Queue:
        rules = {
            "message-ttl": self.ttl_ms,
            "max-length": self.length_max,
            "overflow": self.overflow,
            "queue-type": "quorum" if self.kind == "quorum" else None,
            "max-priority": 2 if self.kind == "priority" else None,
            "delivery-limit": 1 if self.kind == "quorum" else None,
            "dead-letter-exchange": self.exchange_name,
            "dead-letter-routing-key": self.routing_key,
        }
        channel = client.connection.channels[1]
        durable = self.kind == "quorum"
        return declare(channel, name, durable=durable, arguments=arguments_of(rules))


plans = st.builds(
    Plan,
    ttl_ms=st.sampled_from([None, None, 0, 2, 5]),
    length_max=st.sampled_from([None, None, None, 0, 1, 2]),
    overflow=st.sampled_from(["drop-head", "drop-head", "reject-publish", "reject-publish-dlx"]),
    kind=st.sampled_from(["fifo", "fifo", "priority", "quorum"]),
    exchange_name=st.sampled_from(["", "", "d", "f", "f", "gone"]),
    routing_key=st.sampled_from([None, *KEYS]),
)


def chain_of(message: Message) -> Chain:
    publish = message.publish
    if not isinstance(publish, DeadLetter):
        return ()
    return tuple((death.queue_name, death.reason, death.count) for death in publish.deaths)


def with_death(chain: Chain, queue_name: str, reason: str) -> Chain:
    """The chain with one more death (S-280)."""
    previous = [one for one in chain if one[:2] == (queue_name, reason)]
    others = [one for one in chain if one not in previous]
    return ((queue_name, reason, 1 + sum(one[2] for one in previous)), *others)


def since_rejection(chain: Chain) -> set[str]:
    """The queues that a message with this chain died in since it was last rejected (S-286)."""
    reasons = [reason for _, reason, _ in chain]
    last = reasons.index("rejected") if "rejected" in reasons else len(chain)
    return {name for name, _, _ in chain[:last]}


class WatchedDeaths(deque[Died]):
    """The broker's work list, which tells what is put on it and what is taken off."""

    def __init__(self, died: Callable[[Died], None], routed: Callable[[Died], None]) -> None:
        super().__init__()
        self.died = died
        self.routed = routed

    def append(self, item: Died, /) -> None:
        self.died(item)
        super().append(item)

    def popleft(self) -> Died:
        item = super().popleft()
        self.routed(item)
        return item


class DeadLetterNet(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.broker = make_broker()
        self.broker.deaths = WatchedDeaths(self.note_death, self.expect_arrivals)
        self.client = Client(self.broker)
        self.channel = self.client.open()
        self.vhost = self.channel.vhost
        for name, type_ in (("d", "direct"), ("f", "fanout")):
            self.vhost.declare_exchange(name, type_)
        self.numbers = count(1)
        self.now_ms = 0
        self.plans: dict[str, Plan] = {}
        self.bindings: list[tuple[str, str, str]] = []  # (exchange, queue, key)
        self.came: Counter[Place] = Counter()
        self.went: Counter[Place] = Counter()
        self.rejected_count = 0
        self.pass_is_over = True

    @initialize(
        plans=st.tuples(plans, plans, plans, plans),
        bindings=st.lists(
            st.tuples(st.sampled_from("dff"), st.sampled_from(NAMES), st.sampled_from(KEYS)),
            max_size=8,
        ),
    )
    def build(self, plans: tuple[Plan, ...], bindings: list[tuple[str, str, str]]) -> None:
        self.plans = dict(zip(NAMES, plans, strict=True))
        for name, plan in self.plans.items():
            plan.declare(self.client, name)
        for exchange_name, name, key in bindings:
            topology.bind_queue(self.channel, name, exchange_name, key, EMPTY_TABLE)
        self.bindings = bindings

    # What clients do

    @rule(
        exchange_name=st.sampled_from(["", "", "d", "f"]),
        key=st.sampled_from(KEYS),
        message_count=st.integers(1, 4),
        time_ms=st.sampled_from([None, None, None, 0, 3]),
        priority=st.sampled_from([None, None, 1, 9]),
        end=ends,
    )
    def publish(
        self,
        exchange_name: str,
        key: str,
        message_count: int,
        time_ms: int | None,
        priority: int | None,
        end: bool,
    ) -> None:
        bodies = [b"%d" % next(self.numbers) for _ in range(message_count)]
        for queue in self.route(exchange_name, key):
            self.came.update((queue, body, ()) for body in bodies)
        properties = properties_for(priority, time_ms)
        publish(self.channel, key, *bodies, exchange=exchange_name, properties=properties)
        self.after_verb(end)

    @rule(name=st.sampled_from(NAMES), no_ack=st.sampled_from([False, False, True]))
    def get(self, name: str, no_ack: bool) -> None:
        answer = self.channel.get(name, no_ack=no_ack)
        if answer is not None and no_ack:
            message = answer[1]
            self.went[self.vhost.queues[name], message.body, chain_of(message)] += 1
        self.after_verb(True)

    @rule(name=st.sampled_from(NAMES), end=ends)
    def consume(self, name: str, end: bool) -> None:
        if name not in self.channel.consumers:
            self.channel.consumer_prefetch_count = 1
            consume(self.channel, name, name)
        self.after_verb(end)

    @rule(name=st.sampled_from(NAMES), end=ends)
    def cancel(self, name: str, end: bool) -> None:
        self.channel.cancel(name)
        self.after_verb(end)

    @rule(
        index=st.integers(0, 5),
        outcome=st.sampled_from(["ack", "reject", "reject", "reject", "requeue"]),
        many=st.booleans(),
        end=ends,
    )
    def settle(self, index: int, outcome: str, many: bool, end: bool) -> None:
        unacked = self.channel._ledger._unacked
        if not unacked:
            return
        tag = list(unacked)[index % len(unacked)]
        for one, (_, queue, _, message) in unacked.items():
            if one == tag or (many and one < tag):
                if outcome == "ack" or queue.is_deleted:
                    self.went[queue, message.body, chain_of(message)] += 1
                elif outcome == "reject":
                    self.rejected_count += 1
        if outcome == "ack":
            self.channel.ack(tag, multiple=many)
        else:
            self.channel.reject(tag, multiple=many, requeue=outcome == "requeue")
        assert self.rejected_count == 0
        self.after_verb(end)

    @rule(name=st.sampled_from(NAMES), is_deletion=st.booleans(), end=ends)
    def empty(self, name: str, is_deletion: bool, end: bool) -> None:
        queue = self.vhost.queues[name]
        self.went.update(self.places_of(queue, queue.order.messages()))
        if is_deletion:
            self.broker.delete_queue(queue)
            self.plans[name].declare(self.client, name)
            self.bindings = [one for one in self.bindings if one[1] != name]
        else:
            queue.purge()
        self.after_verb(end)

    @rule(by_ms=st.sampled_from([1, 2, 5, 20]), end=ends)
    def advance(self, by_ms: int, end: bool) -> None:
        self.now_ms += by_ms
        self.broker.advance(self.now_ms)
        self.after_verb(end)

    # What must come of it

    def after_verb(self, end: bool) -> None:
        self.pass_is_over = end
        if end:
            self.client.finish_pass()

    def route(self, exchange_name: str, key: str) -> list[Queue]:
        if not exchange_name:
            names = {key} & self.vhost.queues.keys()
        else:
            names = {
                name
                for source, name, bound_key in self.bindings
                if source == exchange_name and (source == "f" or bound_key == key)
            }
        return [self.vhost.queues[name] for name in names]

    def note_death(self, item: Died) -> None:
        """A copy has left its queue, or was not let in, for a reason that its queue has."""
        message, queue, reason, _, _ = item
        self.went[queue, message.body, chain_of(message)] += 1
        plan = self.plans[queue.name]
        assert not queue.is_deleted
        if reason == "rejected":
            self.rejected_count -= 1
        elif reason == "expired":
            assert plan.ttl_ms is not None or message.properties.text("expiration") is not None
        elif reason == "maxlen":
            assert plan.length_max is not None
        else:
            assert plan.kind == "quorum"

    def expect_arrivals(self, item: Died) -> None:
        message, queue, reason, _, _ = item
        plan = self.plans[queue.name]
        chain = with_death(chain_of(message), queue.name, reason)
        key = message.publish.routing_key if plan.routing_key is None else plan.routing_key
        for target in self.route(plan.exchange_name, key):
            if target.name not in since_rejection(chain):
                self.came[target, message.body, chain] += 1

    def places_of(self, queue: Queue, messages: Iterator[Message]) -> Counter[Place]:
        return Counter((queue, message.body, chain_of(message)) for message in messages)

    @invariant()
    def each_copy_is_in_one_place(self) -> None:
        if not self.pass_is_over:
            return
        present: Counter[Place] = Counter()
        for queue in self.vhost.queues.values():
            present += self.places_of(queue, queue.order.messages())
        for _, queue, _, message in self.channel._ledger._unacked.values():
            present[queue, message.body, chain_of(message)] += 1
        assert not self.broker.deaths
        for place in self.came | self.went | present:
            missing = self.came[place] - self.went[place] - present[place]
            plan = self.plans[place[0].name]
            may_refuse = plan.overflow == "reject-publish" and plan.length_max is not None
            assert missing == 0 or (may_refuse and missing > 0), place

    def teardown(self) -> None:
        self.client.connection.close()
        self.broker.dispatch()
        for queue in self.vhost.queues.values():
            queue.purge()
        assert self.broker.held_bytes == 0


TestDeadLetterNet = DeadLetterNet.TestCase
TestDeadLetterNet.settings = settings(
    settings(), max_examples=settings().max_examples * 2, stateful_step_count=40
)


# A pass ends, whatever the topology


def full_net(broker: Broker, queue_count: int, rule_name: str) -> tuple[Client, list[Died]]:
    """Queues that keep nothing, each of which dead-letters to all of them."""
    deaths: list[Died] = []
    broker.deaths = WatchedDeaths(deaths.append, lambda _: None)
    client = Client(broker)
    channel = client.open()
    channel.vhost.declare_exchange("f", "fanout")
    for number in range(queue_count):
        arguments = arguments_of({rule_name: 0, "dead-letter-exchange": "f"})
        declare(channel, f"q{number}", arguments=arguments)
        topology.bind_queue(channel, f"q{number}", "f", "", EMPTY_TABLE)
    return client, deaths


@pytest.mark.parametrize("rule_name", ["max-length", "message-ttl"])
@pytest.mark.parametrize(
    ("queue_count", "death_count"), [(1, 1), (2, 2), (3, 5), (4, 16), (5, 65), (6, 326)]
)
def test_a_message_that_nobody_keeps_visits_each_queue_once_on_each_way(
    rule_name: str, queue_count: int, death_count: int
) -> None:
    """The rule of cycles ends each way, but there are as many as orders of the queues (S-286)."""
    client, deaths = full_net(make_broker(), queue_count, rule_name)
    publish(client.connection.channels[1], "q0", b"hello")

    client.finish_pass()

    assert len(deaths) == death_count
    assert not client.connection.broker.to_dispatch
    assert client.connection.broker.held_bytes == 0


def chain_lengths(deaths: Sequence[Died]) -> list[int]:
    return [len(chain_of(message)) for message, *_ in deaths]


def test_a_long_ring_is_gone_round_once() -> None:
    broker = make_broker()
    deaths: list[Died] = []
    broker.deaths = WatchedDeaths(deaths.append, lambda _: None)
    client = Client(broker)
    channel = client.open()
    for number in range(50):
        rules = {
            "max-length": 0,
            "dead-letter-exchange": "",
            "dead-letter-routing-key": f"q{(number + 1) % 50}",
        }
        declare(channel, f"q{number}", arguments=arguments_of(rules))
    publish(channel, "q0", b"hello")

    client.finish_pass()

    assert chain_lengths(deaths) == list(range(50))


@pytest.mark.parametrize("overflow", ["drop-head", "reject-publish-dlx"])
def test_a_queue_that_refuses_and_sends_to_itself_drops_it(overflow: str) -> None:
    broker = make_broker()
    client = Client(broker)
    rules = {
        "max-length": 0,
        "overflow": overflow,
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "q",
    }
    declare(client.open(), "q", arguments=arguments_of(rules))
    publish(client.connection.channels[1], "q", b"hello")

    assert client.finish_pass() == []
    assert broker.held_bytes == 0


def test_a_rejection_goes_one_way_a_pass() -> None:
    """A message that is rejected comes back for ever, but each time a client must reject it."""
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    rules = {"dead-letter-exchange": "", "dead-letter-routing-key": "q"}
    queue = declare(channel, "q", arguments=arguments_of(rules))
    consume(channel, "q", "c")
    publish(channel, "q", b"hello")
    client.finish_pass()

    for tag in range(1, 20):
        channel.reject(tag, multiple=False, requeue=False)
        assert len(client.finish_pass()) == 1

    (unacked,) = channel._ledger._unacked.values()
    assert chain_of(unacked.message) == (("q", "rejected", 19),)
    assert queue.delivered_count == 20
