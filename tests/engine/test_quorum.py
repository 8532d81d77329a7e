"""A quorum queue's parts: its order, the count of failures, and what it cannot be."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, message_of, publish

from amqpbroker.engine.quorum import FailedDeliveries, QuorumOrder, check_properties
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr


def message(number: int, priority: int = 0) -> Message:
    return message_of(Publish("", "q"), b"%d" % number, properties_of(priority=priority))


def take_fresh(order: QuorumOrder) -> list[bytes]:
    bodies: list[bytes] = []
    while count := order.fresh_count:
        bodies += [one.body for one in order.take(count)[1]]
    return bodies


def test_two_of_high_priority_come_for_each_other_one() -> None:
    order = QuorumOrder()
    order.append([message(1), message(2), message(3, 4)])
    order.append([message(number, 5) for number in range(11, 16)])

    assert order.count == 8
    assert take_fresh(order) == [b"11", b"12", b"1", b"13", b"14", b"2", b"15", b"3"]


def test_after_any_number_of_high_priority_alone_it_is_the_others_turn() -> None:
    order = QuorumOrder()
    order.append([message(number, 9) for number in range(11, 16)])
    order.take(3)
    order.append([message(1)])

    assert take_fresh(order) == [b"1", b"14", b"15"]


def test_what_came_back_first_goes_first_wherever_it_stood() -> None:
    order = QuorumOrder()
    order.append([message(1), message(2), message(3)])
    positions, messages = order.take(2)
    order.put_back(positions[1], messages[1])
    order.put_back(positions[0], messages[0])

    assert (order.returned_count, order.fresh_count, order.count) == (2, 1, 3)
    assert order.head_position == positions[1]
    assert [order.take_returned()[1].body for _ in range(2)] == [b"2", b"1"]


def test_clearing_forgets_every_kind() -> None:
    order = QuorumOrder()
    order.append([message(1), message(2, 9), message(3)])
    (position,), (first,) = order.take(1)
    order.put_back(position, first)
    order.clear()

    assert order.count == order.returned_count == order.fresh_count == 0
    assert order.head_position is None


def test_a_message_may_fail_as_often_as_the_limit_says() -> None:
    failures = FailedDeliveries(2)

    assert [failures.count(7) for _ in range(3)] == [True, True, False]
    assert failures.count(8)


def test_without_a_limit_it_may_fail_for_ever() -> None:
    failures = FailedDeliveries(None)

    assert all(failures.count(7) for _ in range(100))


def test_what_is_gone_is_not_counted_any_more() -> None:
    failures = FailedDeliveries(0)
    failures.forget([1])
    for position in (1, 2, 3):
        failures.count(position)
    failures.forget([1, 5])

    assert failures._counts == {2: 1, 3: 1}
    failures.clear()
    assert failures._counts == {}


def test_failures_show_in_a_header_among_the_others() -> None:
    failures = FailedDeliveries(None)
    headers = {"b": longstr("2"), "z": longstr("1"), "x-delivery-count": Field("l", 99)}
    sent = message_of(Publish("", "q"), b"hello", properties_of(headers=headers))

    assert failures.shown(7, sent) is sent
    failures.count(7)
    failures.count(7)
    shown = failures.shown(7, sent)
    assert shown.body == b"hello"
    assert list(shown.properties.headers.items()) == [
        ("b", longstr("2")), ("x-delivery-count", Field("l", 2)), ("z", longstr("1")),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("durable", "exclusive", "auto_delete", "named"),
    [
        (False, True, True, "auto-delete"),
        (False, True, False, "exclusive-owner"),
        (False, False, False, "non-durable"),
    ],
)
def test_what_it_cannot_be_is_refused_in_order(
    durable: bool, exclusive: bool, auto_delete: bool, named: str
) -> None:
    with pytest.raises(ChannelException, match=f"invalid property '{named}' for queue 'q'"):
        check_properties("queue 'q'", durable=durable, exclusive=exclusive, auto_delete=auto_delete)


def test_a_durable_queue_that_belongs_to_nobody_is_fine() -> None:
    answer = check_properties("q", durable=True, exclusive=False, auto_delete=False)

    assert answer is None


def test_a_get_that_nobody_acks_shows_the_count_too() -> None:
    channel = Client(make_broker()).open()
    declare(channel, "q", durable=True, arguments={"x-queue-type": longstr("quorum")})
    publish(channel, "q", b"x")
    shown: list[Field | None] = []
    for no_ack in (False, False, True):
        answer = channel.get("q", no_ack=no_ack)
        assert answer is not None
        shown.append(answer[1].properties.headers.get("x-delivery-count"))
        if not no_ack:
            channel.reject(answer[0], multiple=False, requeue=True)

    assert shown == [None, Field("l", 1), Field("l", 2)]  # as RabbitMQ 4.0.5
