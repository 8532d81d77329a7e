"""What tests/models/test_channel_model.py does not reach: the cost, and the exact entries."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, message_of
from executed import lines_executed

from amqpbroker.engine.ledger import Ledger, Unacked
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.message import Publish


def ledger_of(count: int) -> Ledger:
    """A ledger that holds tags 1 to *count*."""
    queue = declare(Client(make_broker()).open(), "jobs")
    ledger = Ledger()
    messages = [message_of(Publish("", "jobs"), b"%d" % number) for number in range(count)]
    ledger.add(1, None, queue, range(count), messages)
    return ledger


def test_an_entry_tells_where_the_message_stood() -> None:
    queue = declare(Client(make_broker()).open(), "jobs")
    message = message_of(Publish("", "jobs"), b"1")
    ledger = Ledger()

    ledger.add(7, None, queue, (41,), (message,))

    assert ledger.settle(7, multiple=False) == [(7, Unacked(None, queue, 41, message))]
    assert len(ledger) == 0


@pytest.mark.parametrize("multiple", [False, True])
def test_an_unknown_tag_settles_nothing(multiple: bool) -> None:
    ledger = ledger_of(3)
    ledger.settle(2, multiple=False)

    with pytest.raises(ChannelException, match="PRECONDITION_FAILED - unknown delivery tag 2"):
        ledger.settle(2, multiple=multiple)

    assert [tag for tag, _ in ledger.take_all()] == [1, 3]


def test_multiple_costs_what_it_settles_however_much_is_held() -> None:
    few, many = ledger_of(10), ledger_of(5000)

    cost_of_few = lines_executed(lambda: few.settle(5, multiple=True))
    cost_of_many = lines_executed(lambda: many.settle(5, multiple=True))

    assert cost_of_many <= cost_of_few


def test_multiple_behind_many_single_acks_does_not_walk_over_them() -> None:
    ledger = ledger_of(5000)
    for tag in range(1, 4998):
        ledger.settle(tag, multiple=False)

    assert lines_executed(lambda: ledger.settle(4999, multiple=True)) < 50
    assert [tag for tag, _ in ledger.take_all()] == [5000]
