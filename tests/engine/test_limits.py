"""How many messages may wait, and how many bytes: the edges (S-300 to S-302)."""

from __future__ import annotations

import pytest
from brokers import message_of

from amqpbroker.engine.limits import LengthLimit
from amqpbroker.engine.queue_arguments import QueueRules
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import properties_of


def message(size: int) -> Message:
    properties = properties_of(content_type="no byte of this counts")
    return message_of(Publish("", "q"), bytes(size), properties)


@pytest.mark.parametrize(("ready_count", "has_room"), [(0, True), (2, True), (3, False)])
def test_a_message_fits_while_there_are_fewer_than_may_be(ready_count: int, has_room: bool) -> None:
    limit = LengthLimit(QueueRules(length_max=3))

    assert limit.has_room(ready_count, message(10)) == has_room


@pytest.mark.parametrize(("ready_count", "is_exceeded"), [(3, False), (4, True)])
def test_as_many_as_may_be_are_not_too_many(ready_count: int, is_exceeded: bool) -> None:
    limit = LengthLimit(QueueRules(length_max=3))

    assert limit.is_exceeded(ready_count) == is_exceeded


def test_bodies_are_counted_as_they_come_and_go() -> None:
    limit = LengthLimit(QueueRules(length_bytes_max=10))
    limit.added([message(4), message(6)])

    assert not limit.is_exceeded(2)
    assert limit.has_room(2, message(0))
    assert not limit.has_room(2, message(1))
    limit.added([message(1)])
    assert limit.is_exceeded(3)
    limit.removed([message(6)])
    assert limit.has_room(2, message(5))


@pytest.mark.parametrize(("size", "ready_count"), [(11, 0), (1, 2)])
def test_both_limits_hold_at_once(size: int, ready_count: int) -> None:
    limit = LengthLimit(QueueRules(length_max=2, length_bytes_max=10))

    assert not limit.has_room(ready_count, message(size))
    assert limit.has_room(1, message(10))


def test_without_a_limit_everything_fits() -> None:
    limit = LengthLimit(QueueRules())

    assert limit.has_room(1 << 40, message(1 << 10))
    assert not limit.is_exceeded(1 << 40)
