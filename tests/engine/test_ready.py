"""Orders of ready messages: first in first out (R1), (R2), and by priority (S-296, S-297)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from brokers import message_of
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.engine.quorum import QuorumOrder
from amqpbroker.engine.ready import FifoOrder, PriorityOrder, ReadyOrder
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of


def message(number: int, priority: int | None = None) -> Message:
    properties = NO_PROPERTIES if priority is None else properties_of(priority=priority)
    return message_of(Publish("", "q"), b"%d" % number, properties)


def take_all(order: ReadyOrder) -> list[bytes]:
    bodies: list[bytes] = []
    while order.count:
        if order.returned_count:
            bodies.append(order.take_returned()[1].body)
        else:
            bodies += [one.body for one in order.take(order.fresh_count)[1]]
    return bodies


@pytest.mark.parametrize("order", [FifoOrder(), PriorityOrder(1)], ids=["fifo", "priority"])
def test_an_order_begins_empty(order: ReadyOrder) -> None:
    assert order.count == order.fresh_count == order.returned_count == 0
    assert order.head_position is None


def test_higher_priorities_come_first_and_within_each_the_first() -> None:
    order = PriorityOrder(3)
    order.append([message(1), message(2, 3), message(3, 1), message(4, 3)])

    assert order.count == 4
    assert order.fresh_count == 2  # of the highest level
    assert take_all(order) == [b"2", b"4", b"3", b"1"]


def test_none_is_the_lowest_priority_and_too_high_is_the_highest() -> None:
    order = PriorityOrder(2)
    order.append([message(1), message(2, 0), message(3, 255), message(4, 2), message(5, 1)])

    assert take_all(order) == [b"3", b"4", b"5", b"1", b"2"]


def test_what_comes_back_goes_to_its_old_place_on_its_level() -> None:
    order = PriorityOrder(1)
    order.append([message(1), message(2), message(3, 1)])
    (high_position,), high = order.take(1)
    (low_position,), low = order.take(1)
    order.put_back(low_position, low[0])

    assert order.head_position == low_position
    order.put_back(high_position, high[0])
    assert order.head_position == high_position
    assert take_all(order) == [b"3", b"1", b"2"]


def test_positions_are_told_when_a_message_comes_and_when_it_goes() -> None:
    order = PriorityOrder(2)
    positions = [order.append_one(message(number, number % 3)) for number in range(6)]

    taken: list[int] = []
    while order.count:
        taken += order.take(order.fresh_count)[0]
    assert sorted(positions) == sorted(taken)
    assert len(set(positions)) == 6


@pytest.mark.parametrize("order", [FifoOrder(), PriorityOrder(1)], ids=["fifo", "priority"])
def test_clearing_forgets_both_kinds_and_uses_no_position_twice(
    order: ReadyOrder,
) -> None:
    order.append([message(1), message(2)])
    (position,), (first,) = order.take(1)
    order.put_back(position, first)
    order.clear()

    assert order.count == 0
    assert order.head_position is None
    assert order.append_one(message(3)) > position


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 9)),
        st.tuples(st.just("take"), st.integers(1, 3)),
        st.tuples(st.just("put back"), st.integers(0, 5)),
        st.tuples(st.just("take returned"), st.just(0)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("make", [FifoOrder, lambda: PriorityOrder(3), QuorumOrder])
@given(operations=OPERATIONS)
def test_the_entries_are_what_would_be_taken_and_looking_changes_nothing(
    make: Callable[[], ReadyOrder], operations: list[tuple[str, int]]
) -> None:
    order = make()
    taken: list[tuple[int, Message]] = []
    for number, (verb, value) in enumerate(operations):
        if verb == "append":
            order.append_one(message(number, value))
        elif verb == "put back" and taken:
            order.put_back(*taken.pop(value % len(taken)))
        elif verb == "take returned" and order.returned_count:
            taken.append(order.take_returned())
        elif verb == "take" and not order.returned_count and order.fresh_count:
            taken += zip(*order.take(min(value, order.fresh_count)), strict=True)
    seen = list(order.entries())

    assert list(order.entries()) == seen
    assert seen == [
        order.take_returned() if order.returned_count else next(zip(*order.take(1), strict=True))
        for _ in range(order.count)
    ]
