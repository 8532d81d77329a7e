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

from amqpbroker.engine.ports import Journal, Outlet, Runs
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


MakeJournal = Callable[[], tuple[Journal, Callable[[], object], Callable[[], Journal]]]


def check_journal(make: MakeJournal) -> None:
    """A journal keeps what it is told, says when that is safe, and gives it back (J1) to (J3).

    `make` gives a journal, a function that ends a round and makes it safe, and one that gives
    the journal of the next process.
    """
    journal, make_safe, open_next = make()
    terms = Publish("", "q", channel_number=1)
    messages = [
        Message(terms, NO_PROPERTIES, encode_content(1, b"\0\0", b"%d" % number, 4096))
        for number in range(5)
    ]
    if not journal.keeps:
        journal.put("kind", ("a",), {"x": 1})
        journal.remove("kind", ("b",))
        assert list(journal.records("kind")) == []
        assert (journal.told_number, journal.safe_number, journal.is_behind) == (0, 0, False)
        return
    queue_id, other_id = journal.reserve(1), journal.reserve(1)
    first, other_first = journal.reserve(5), journal.reserve(5)
    assert queue_id < other_id < first < other_first - 4

    demand_count = journal.demand_count
    journal.put("queue", ("/", "q"), {"id": queue_id})
    journal.put("queue", ("/", "other"), {"id": other_id})
    journal.put("kind", ("b",), {"x": [1, None, "é\udcff"]})
    journal.put("kind", ("a",), {})
    journal.put("kind", ("c",), {})
    journal.remove("kind", ("c",))
    assert journal.demand_count > demand_count
    demand_count = journal.demand_count
    journal.put("kind", ("a",), {})
    journal.remove("kind", ("nobody",))
    assert journal.demand_count == demand_count  # nothing new was told

    journal.enter(queue_id, first, b"published", messages, 1234)
    journal.enter(other_id, other_first, b"published", messages, 1234)
    number = journal.told_number
    assert journal.safe_number < number
    make_safe()
    assert journal.safe_number >= number
    assert journal.told_number <= journal.safe_number
    assert _contents(journal, Runs((first + 1,), (2,))) == [one.content for one in messages[1:3]]

    journal.leave(queue_id, range(first, first + 2))
    journal.leave(queue_id, [first + 4])
    journal.remove("queue", ("/", "other"))
    make_safe()
    journal = open_next()
    assert list(journal.records("kind")) == [(("b",), {"x": [1, None, "é\udcff"]}), (("a",), {})]
    assert list(journal.records("queue")) == [(("/", "q"), {"id": queue_id})]
    runs = journal.entries(queue_id)
    assert (list(runs.firsts), list(runs.counts)) == ([first + 2], [2])
    (found,) = journal.read(runs)
    assert (found.raw_publish, found.entered_ms) == (b"published", 1234)
    assert list(found.contents) == [one.content for one in messages[2:4]]
    assert sum(journal.entries(other_id).counts) == 0
    assert journal.reserve(1) > other_first + 4


def _contents(journal: Journal, runs: Runs) -> list[bytes]:
    return [content for entries in journal.read(runs) for content in entries.contents]
