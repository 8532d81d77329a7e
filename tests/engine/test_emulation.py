"""Each row of engine/emulation.py, both ways; what 3.10 recorded is tests/conformance' part."""

from __future__ import annotations

from itertools import count

import pytest
from brokers import GUEST, Client, consume, declare, publish
from recording import Delivered

from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.emulation import EMULATION_3_13, EMULATION_4_0, EMULATIONS, Emulation
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, Table, longstr

QUORUM: Table = {"x-queue-type": longstr("quorum")}
BOTH = pytest.mark.parametrize("emulation", EMULATIONS.values(), ids=EMULATIONS)


def client_of(emulation: Emulation) -> Client:
    numbers = count(1)
    users = Users()
    users.put(GUEST)
    broker = Broker(lambda: f"name-{next(numbers)}", users=users, emulation=emulation)
    broker.permissions.set(GUEST.name, "/")
    return Client(broker)


@BOTH
def test_a_message_comes_back_twenty_times_or_as_often_as_it_takes(emulation: Emulation) -> None:
    channel = client_of(emulation).open()
    queue = declare(channel, "jobs", durable=True, arguments=QUORUM)
    publish(channel, "jobs", b"1")
    for _ in range(21):
        channel.get("jobs", no_ack=False)
        channel.reject(channel.last_delivery_tag, multiple=False, requeue=True)

    assert queue.ready_count == (1 if emulation.delivery_limit is None else 0)


@BOTH
def test_quorum_queues_have_two_priorities_or_none(emulation: Emulation) -> None:
    channel = client_of(emulation).open()
    declare(channel, "jobs", durable=True, arguments=QUORUM)
    publish(channel, "jobs", b"low")
    publish(channel, "jobs", b"high", properties=properties_of(priority=9))

    answer = channel.get("jobs", no_ack=True)

    assert answer is not None
    assert answer[1].body == (b"high" if emulation.quorum_has_priorities else b"low")


@BOTH
def test_the_active_consumer_makes_way_or_stays(emulation: Emulation) -> None:
    client = client_of(emulation)
    channel = client.open()
    single: Table = {**QUORUM, "x-single-active-consumer": Field("t", True)}
    declare(channel, "jobs", durable=True, arguments=single)
    consume(channel, "jobs", "first")
    consume(channel, "jobs", "second", arguments={"x-priority": Field("I", 5)})
    publish(channel, "jobs", b"1")

    told = client.finish_pass()

    expected = "second" if emulation.single_active_yields else "first"
    assert [one.consumer_tag for one in told if isinstance(one, Delivered)] == [expected]


@BOTH
def test_a_queue_without_a_type_is_spoken_of_as_classic_or_none(emulation: Emulation) -> None:
    channel = client_of(emulation).open()
    declare(channel, "jobs", durable=True)
    words = (
        "received 'quorum' but current is 'classic'"
        if emulation.fills_in_queue_type
        else "received the value 'quorum' of type 'longstr' but current is none"
    )

    with pytest.raises(ChannelException, match=words):
        declare(channel, "jobs", durable=True, arguments=QUORUM)


def test_a_header_that_is_not_amqp_is_answered_by_the_version() -> None:
    answer = b"AMQP\x03\x01\x00\x00"

    assert EMULATION_4_0.header_answer(answer) == answer
    assert EMULATION_3_13.header_answer(answer) == PROTOCOL_HEADER
