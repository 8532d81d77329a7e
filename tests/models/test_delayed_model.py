"""Delayed messages against a list: none is lost, doubled, early or late.

Cited: engine/delayed.py (D1) to (D3).
"""

from __future__ import annotations

from brokers import Client, declare, make_broker, publish
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from amqpbroker.engine import topology
from amqpbroker.engine.delayed import DelayedMessages
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr

EXCHANGES = ("x", "y")
exchange_names = st.sampled_from(EXCHANGES)


class DelayedModel(RuleBasedStateMachine):
    """Two delayed exchanges that pass to one queue each; the second is bound to the first."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = make_broker()
        self.channel = Client(self.broker).open()
        for name in EXCHANGES:
            declare(self.channel, name)
            self._declare(name)
        self.now_ms = 0
        self.number = 0
        self.expected_held: list[tuple[int, int, str]] = []  # (due, number, exchange)
        self.expected: dict[str, list[int]] = {name: [] for name in EXCHANGES}

    def _declare(self, name: str) -> None:
        arguments = {"x-delayed-type": longstr("fanout")}
        self.channel.vhost.declare_exchange(name, "x-delayed-message", arguments=arguments)
        topology.bind_queue(self.channel, name, name, "", {})

    def _is_bound(self) -> bool:
        return len(self.channel.vhost.exchanges["x"].bindings) == 2

    def _arrive(self, number: int, name: str) -> None:
        self.expected[name].append(number)
        if name == "x" and self._is_bound():
            self.expected["y"].append(number)

    @rule(
        name=exchange_names,
        delays=st.lists(st.sampled_from([-1, 0, 1, 2, 5, 50, 2**32 - 1]), min_size=1, max_size=4),
    )
    def publish(self, name: str, delays: list[int]) -> None:
        for delay_ms in delays:
            self.number += 1
            properties = properties_of(headers={"x-delay": Field("l", delay_ms)})
            body = str(self.number).encode()
            publish(self.channel, "", body, exchange=name, properties=properties)
            if delay_ms > 0:
                self.expected_held.append((self.now_ms + delay_ms, self.number, name))
            else:
                self._arrive(self.number, name)

    @rule(passed_ms=st.sampled_from([0, 1, 3, 10, 100, 2**32]))
    def advance(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.broker.advance(self.now_ms)
        due = sorted(one for one in self.expected_held if one[0] <= self.now_ms)
        self.expected_held = [one for one in self.expected_held if one[0] > self.now_ms]
        # What is due at the same time in two exchanges is in the order of their messages in each.
        for _, number, name in due:
            self._arrive(number, name)

    @rule()
    def bind(self) -> None:
        topology.bind_exchange(self.channel, "y", "x", "", {})

    @rule()
    def unbind(self) -> None:
        topology.unbind_exchange(self.channel, "y", "x", "", {})

    @rule(name=exchange_names)
    def delete_and_declare(self, name: str) -> None:
        self.channel.vhost.delete_exchange(name)
        self._declare(name)
        self.expected_held = [one for one in self.expected_held if one[2] != name]

    @rule(name=exchange_names)
    def take_all(self, name: str) -> None:
        """Look into a queue: each message stands there once (D1), by its time (D2)."""
        found: list[int] = []
        while (answer := self.channel.get(name, no_ack=True)) is not None:
            found.append(int(answer[1].body))
        expected, self.expected[name] = self.expected[name], []
        if name == "x":
            assert found == expected
        assert sorted(found) == sorted(expected)

    @invariant()
    def what_is_held_is_counted(self) -> None:
        held_bytes = sum(queue.held_bytes for queue in self.channel.vhost.queues.values())
        for name in EXCHANGES:
            intake = self.channel.vhost.exchanges[name].intake
            assert isinstance(intake, DelayedMessages)
            assert len(intake) == sum(one[2] == name for one in self.expected_held)
            assert bool(intake.held_bytes) == bool(len(intake))
            held_bytes += intake.held_bytes
        assert self.broker.held_bytes == held_bytes

    @invariant()
    def the_first_is_waited_for(self) -> None:  # (D3)
        first_ms = min((one[0] for one in self.expected_held), default=None)
        assert self.broker.schedule.next_deadline_ms() == first_ms

    def teardown(self) -> None:
        """Nothing is left behind."""
        for name in EXCHANGES:
            self.take_all(name)
        self.broker.advance(self.now_ms + 2**32)
        for queue in self.channel.vhost.queues.values():
            queue.purge()
        assert self.broker.held_bytes == 0


TestDelayedMessages = DelayedModel.TestCase
