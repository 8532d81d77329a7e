"""Exams that every implementation of a port sits, real or fake."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recording import (
    Cancelled,
    ChannelClosed,
    Confirmed,
    ConnectionClosed,
    Delivered,
    Refused,
    Returned,
    Told,
)

from amqpbroker.engine.ports import Outlet
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, ReplyCode
from amqpbroker.spec.errors import connection_forced, precondition_failed
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES

MakeOutlet = Callable[[], tuple[Outlet, Callable[[], Sequence[Told]]]]


def check_outlet(make: MakeOutlet) -> None:
    """An outlet tells its client everything, once, in the order in which it was told it.

    `make` gives an outlet, and a function that says what its client has learnt so far.
    """
    publishes = [Publish("", "jobs", channel_number=1), Publish("news", "é", channel_number=2)]
    one, two, three = (
        Message(terms, NO_PROPERTIES, encode_content(terms.channel_number, b"\0\0", body, 4096))
        for terms, body in zip((*publishes, publishes[0]), (b"one", b"", b"3" * 5000), strict=True)
    )
    assert len(three.content) < DEFAULT_FRAME_MAX
    outlet, learnt = make()

    assert list(learnt()) == []

    to_a, to_b = outlet.deliverer(1, "a"), outlet.deliverer(2, "b")
    to_a(1, [one, two], False)
    to_b(7, [three], True)
    outlet.return_message(1, two, ReplyCode.NO_ROUTE, "NO_ROUTE")
    outlet.confirm(1, 5, True)
    outlet.refuse(2, 1, False)
    to_a(3, [one], True)
    outlet.cancel_consumer(2, "b")
    outlet.close_channel(2, precondition_failed("late").caused_by_no_method())
    outlet.close_connection(connection_forced("bye").caused_by_no_method())

    assert list(learnt()) == [
        Delivered(1, "a", 1, False, b"one"),
        Delivered(1, "a", 2, False, b""),
        Delivered(2, "b", 7, True, b"3" * 5000),
        Returned(1, 312, "NO_ROUTE", b""),
        Confirmed(1, 5, True),
        Refused(2, 1, False),
        Delivered(1, "a", 3, True, b"one"),
        Cancelled(2, "b"),
        ChannelClosed(2, 406, "PRECONDITION_FAILED - late"),
        ConnectionClosed(320, "CONNECTION_FORCED - bye"),
    ]
