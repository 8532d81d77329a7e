"""A channel's books against lists: what it was given and has not settled, and what it is told.

The ledger and the confirms each have a model, since no channel has both a transaction and
confirms.

Cited: engine/ledger.py (L1) to (L3), engine/channel.py (C1), engine/confirms.py (P1) and (P2).
"""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from recording import Confirmed, Delivered, Refused

from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.table import Field, longstr

outcomes = st.sampled_from(["ack", "ack", "requeue", "drop"])


class LedgerModel(RuleBasedStateMachine):
    """One consumer that takes everything, and every way to settle what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = make_broker()
        self.client = Client(self.broker)
        self.channel = self.client.open()
        self.publisher = Client(self.broker).open()
        self.queue = declare(self.channel, "jobs")
        consume(self.channel, "jobs", "c")
        self.message_count = 0
        self.expected_last_tag = 0
        self.expected_ready: list[int] = []
        self.expected_held: dict[int, int] = {}  # {delivery tag: message}
        self.expected_pending: list[tuple[dict[int, int], str]] = []  # of the transaction
        self.redelivered: set[int] = set()

    @initialize(is_transactional=st.booleans(), count=st.integers(0, 60))
    def begin(self, is_transactional: bool, count: int) -> None:
        self.is_transactional = is_transactional
        if is_transactional:
            self.channel.select_transactions()
        self.come(count)

    @rule(count=st.integers(1, 20))
    def come(self, count: int) -> None:
        numbers = range(self.message_count + 1, self.message_count + count + 1)
        self.message_count += count
        publish(self.publisher, "jobs", *(b"%d" % number for number in numbers))
        self.expected_ready += numbers
        self.deliver()

    @rule(share=st.integers(0, 9), many=st.booleans(), outcome=outcomes)
    def settle(self, share: int, many: bool, outcome: str) -> None:
        """Settle some tag that is there, old or new, alone or with all before it."""
        tags = list(self.expected_held)
        if tags:
            tag = tags[len(tags) * share // 10]
            self.settle_as(tag, [one for one in tags if one == tag or (many and one < tag)],
                           outcome, many=many)  # fmt: skip

    @rule(outcome=outcomes)
    def settle_everything(self, outcome: str) -> None:
        """Tag 0 means all there is, also when that is nothing."""
        self.settle_as(0, list(self.expected_held), outcome, many=True)

    @rule(share=st.integers(1, 4), is_backwards=st.booleans())
    def settle_many_one_by_one(self, share: int, is_backwards: bool) -> None:
        """What programs do most: after it, a `multiple` spans many tags that are gone."""
        tags = list(self.expected_held)[:: -1 if is_backwards else 1]
        for tag in tags[: len(tags) * share // 4]:
            self.settle_as(tag, [tag], "ack", many=False)

    @rule(tag=st.integers(0, 200), many=st.booleans(), outcome=outcomes)
    def settle_what_is_not_there(self, tag: int, many: bool, outcome: str) -> None:
        """(L3).  A session would close the channel; here it goes on."""
        if tag not in self.expected_held and not (many and tag == 0):
            with pytest.raises(ChannelException, match=f"unknown delivery tag {tag}"):
                self.say(tag, outcome, many=many)

    def settle_as(self, tag: int, tags: list[int], outcome: str, *, many: bool) -> None:
        self.say(tag, outcome, many=many)
        settled = {one: self.expected_held.pop(one) for one in tags}
        if self.is_transactional:
            self.expected_pending.append((settled, outcome))
        elif outcome == "requeue":
            self.give_back(settled)
        self.deliver()

    def say(self, tag: int, outcome: str, *, many: bool) -> None:
        if outcome == "ack":
            self.channel.ack(tag, multiple=many)
        else:
            self.channel.reject(tag, multiple=many, requeue=outcome == "requeue")

    def give_back(self, settled: dict[int, int]) -> None:
        self.redelivered |= set(settled.values())
        self.expected_ready = sorted([*self.expected_ready, *settled.values()])

    @rule()
    def recover(self) -> None:
        """What a transaction has settled stays settled."""
        self.channel.recover()
        held, self.expected_held = self.expected_held, {}
        self.give_back(held)
        self.deliver()

    @precondition(lambda self: self.is_transactional)
    @rule()
    def commit(self) -> None:
        self.channel.commit()
        pending, self.expected_pending = self.expected_pending, []
        for settled, outcome in pending:
            if outcome == "requeue":
                self.give_back(settled)
        self.deliver()

    @precondition(lambda self: self.is_transactional)
    @rule()
    def roll_back(self) -> None:
        """What was settled is held again, under its tag."""
        self.channel.rollback()
        for settled, _ in self.expected_pending:
            self.expected_held |= settled
        self.expected_held = dict(sorted(self.expected_held.items()))
        self.expected_pending = []
        self.deliver()

    def deliver(self) -> None:
        """(C1): whatever happened to other tags, the next delivery has the next one."""
        expected: list[Delivered] = []
        for number in self.expected_ready:
            self.expected_last_tag += 1
            self.expected_held[self.expected_last_tag] = number
            is_old = number in self.redelivered
            expected.append(Delivered(1, "c", self.expected_last_tag, is_old, b"%d" % number))
        self.expected_ready = []

        assert self.client.finish_pass() == expected

    @invariant()
    def every_unsettled_tag_is_there_once_in_order(self) -> None:
        """(L1), (L2)."""
        ledger = self.channel._ledger
        assert list(ledger._unacked) == list(self.expected_held)
        assert len(ledger) == len(self.expected_held)
        assert all(tag >= ledger._oldest for tag in self.expected_held)

    def teardown(self) -> None:
        """Whatever was not settled for good goes back, and nothing else is there."""
        self.client.connection.close()
        left = set(self.expected_held.values())
        for settled, _ in self.expected_pending:
            left |= set(settled.values())

        answers = iter(lambda: self.queue.get(no_ack=True), None)
        assert [int(message.body) for _, message, _ in answers] == sorted(left)
        assert self.broker.held_bytes == 0


class ConfirmsModel(RuleBasedStateMachine):
    """A channel in confirm mode that publishes to a queue with room for three."""

    ROOM = 3

    def __init__(self) -> None:
        super().__init__()
        self.client = Client(make_broker())
        self.channel = self.client.open()
        arguments = {"x-max-length": Field("I", self.ROOM), "x-overflow": longstr("reject-publish")}
        self.small = declare(self.channel, "small", arguments=arguments)
        declare(self.channel, "large")
        self.channel.select_confirms()
        self.expected_ready_count = 0
        self.expected_fates: list[bool] = []  # of the publishes that are not told: is it acked?
        self.told_tag = 0

    @rule(count=st.integers(1, 6), to=st.sampled_from(["small", "small", "large", "nowhere"]))
    def publish(self, count: int, to: str) -> None:
        publish(self.channel, to, *[b"."] * count)
        for _ in range(count):
            has_room = to != "small" or self.expected_ready_count < self.ROOM
            self.expected_ready_count += has_room and to == "small"
            self.expected_fates.append(has_room)

    @rule()
    def make_room(self) -> None:
        assert self.small.purge() == self.expected_ready_count
        self.expected_ready_count = 0

    @rule()
    def finish_the_pass(self) -> None:
        """Each tag once (P1), in order, and `multiple` for acked ones only (P2)."""
        fates: list[bool] = []
        for told in self.client.finish_pass():
            assert isinstance(told, Confirmed | Refused)
            count = told.publish_tag - self.told_tag - len(fates)
            assert count == 1 or (told.multiple and count > 1)
            assert isinstance(told, Confirmed) or count == 1
            fates += [isinstance(told, Confirmed)] * count
        expected, self.expected_fates = self.expected_fates, []
        self.told_tag += len(fates)

        assert fates == expected

    def teardown(self) -> None:
        self.finish_the_pass()


TestLedgerModel = LedgerModel.TestCase
TestLedgerModel.settings = settings(settings(), stateful_step_count=80)
TestConfirmsModel = ConfirmsModel.TestCase
