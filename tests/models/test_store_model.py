"""A broker on a disk, held against sets: what was confirmed, what was settled, what is uncertain.

confirmed    the client was told that the broker has it
unconfirmed  it was published, and nothing was said about it
settling     the client has acked or rejected it, and nobody knows whether that is safe
settled      ... and it is safe

After a power cut the broker has what was confirmed and neither settling nor settled, may have what
is unconfirmed or settling, and has nothing of what was settled; all in the order of publishing.
What was rejected is with the dead letters, or where it was, never both.
"""

from __future__ import annotations

from broker_stage import Stage
from brokers import declare, publish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from recording import Confirmed, Told

from amqpbroker.engine.channel import Channel
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr

PERSISTENT = properties_of(delivery_mode=2)
DEAD = "dead"
QUEUES = {
    "plain": {},
    "other": {"x-dead-letter-exchange": longstr(""), "x-dead-letter-routing-key": longstr(DEAD)},
    "ranked": {"x-max-priority": Field("I", 3)},
}


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.number = 0
        self.queue_of: dict[int, str] = {}  # {number: where it was published}
        self.confirmed: set[int] = set()
        self.settling: set[int] = set()
        self.settled: set[int] = set()
        self.rejected: set[int] = set()
        self.numbers_of_tags: list[int] = []

    @initialize()
    def declare(self) -> None:
        self.open()
        for name, arguments in (*QUEUES.items(), (DEAD, {})):
            declare(self.channel, name, durable=True, arguments=arguments)
        self.stage.write()

    def open(self) -> None:
        self.channel = self.stage.open()
        self.channel.select_confirms()
        self.numbers_of_tags = []
        self.told_tag = 0

    def hear(self, told: list[Told]) -> None:
        for one in told:
            assert isinstance(one, Confirmed), one
            first = self.told_tag if one.multiple else one.publish_tag - 1
            self.confirmed.update(self.numbers_of_tags[first : one.publish_tag])
            self.told_tag = one.publish_tag

    @rule(name=st.sampled_from(sorted(QUEUES)), count=st.integers(1, 4))
    def publish(self, name: str, count: int) -> None:
        numbers = range(self.number, self.number + count)
        self.number += count
        self.queue_of |= dict.fromkeys(numbers, name)
        self.numbers_of_tags += numbers
        publish(self.channel, name, *(b"%d" % one for one in numbers), properties=PERSISTENT)

    @rule(name=st.sampled_from(sorted(QUEUES)), is_ack=st.booleans())
    def settle(self, name: str, is_ack: bool) -> None:
        answer = self.channel.get(name, no_ack=False)
        if answer is None:
            return
        tag, number = answer[0], int(answer[1].body)
        self.settling.add(number)
        if is_ack:
            self.channel.ack(tag, multiple=False)
        else:
            self.rejected.add(number)
            self.channel.reject(tag, multiple=False, requeue=False)

    @rule()
    def finish_round(self) -> None:
        self.hear(self.stage.finish_round())

    @rule()
    def write(self) -> None:
        self.hear(self.stage.finish_round())
        settling, self.settling = self.settling, set()
        self.hear(self.stage.write())
        self.settled |= settling

    @rule(is_idle=st.booleans())
    def tend(self, is_idle: bool) -> None:
        self.stage.journal.tend(is_idle=is_idle)

    @rule(seed=st.integers(0, 99), steps=st.integers(0, 3))
    def cut_the_power(self, seed: int, steps: int) -> None:
        self.stage.kill(seed * 4 + steps)
        self.open()
        found = {name: numbers_in(self.channel, name) for name in (*QUEUES, DEAD)}
        self.channel.recover()
        here = [number for name in QUEUES for number in found[name]]
        gone = self.settling | self.settled
        for name in QUEUES:
            assert found[name] == sorted(found[name]), name
            assert all(self.queue_of[number] == name for number in found[name])
        assert len(here) == len(set(here))
        assert self.confirmed - gone <= set(here)
        assert not self.settled & set(here)
        for number in found[DEAD]:
            assert number in self.rejected
            assert self.queue_of[number] == "other"
            assert number not in here
        lost_dead = {one for one in self.rejected & self.settled if self.queue_of[one] == "other"}
        assert lost_dead <= set(found[DEAD])
        self.confirmed = set(here)
        self.settling = set()
        self.rejected = set(found[DEAD])
        self.settled = set(found[DEAD])

    @invariant()
    def what_is_confirmed_was_published(self) -> None:
        assert self.confirmed <= self.queue_of.keys()


def numbers_in(channel: Channel, name: str) -> list[int]:
    found: list[int] = []
    while (answer := channel.get(name, no_ack=False)) is not None:
        found.append(int(answer[1].body))
    return found


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=60)
