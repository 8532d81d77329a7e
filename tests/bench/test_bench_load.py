"""What the load sends and how it counts what comes back, without a broker."""

from __future__ import annotations

import struct

import pytest
from pamqp import body, commands, frame, header

from bench.errors import BenchError
from bench.messages import (
    Fixed,
    Mixed,
    Supply,
    Topical,
    copies_of,
    delivery_sizes,
    encode_content,
)
from bench.meters import ConfirmLedger, DeliveryMeter
from bench.probes import quantile
from bench.topics import KEY_BYTES, topic_table

QUEUE = "amqpbroker-bench.000"


def a_delivery(tag: int, payload: bytes) -> bytes:
    method = frame.marshal(commands.Basic.Deliver("c00", tag, False, "", QUEUE), 1)
    return method + encode_content(commands.Basic.Properties(delivery_mode=1), payload)


def a_confirm(tag: int, *, multiple: bool = False) -> bytes:
    return frame.marshal(commands.Basic.Ack(tag, multiple), 1)


def decoded(raw: bytes) -> list[object]:
    found: list[object] = []
    while raw:
        size, _, got = frame.unmarshal(raw)
        found.append(got)
        raw = raw[size:]
    return found


def matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(matches(pattern[1:], words[at:]) for at in range(len(words) + 1))
    return bool(words) and pattern[0] in {"*", words[0]} and matches(pattern[1:], words[1:])


def test_a_delivery_has_the_size_that_is_reckoned_with() -> None:
    for size in (0, 100, 300_000):
        assert delivery_sizes(Fixed(size), "", len(QUEUE)) == [len(a_delivery(9, b"x" * size))]


@pytest.mark.parametrize("cut", [1, 7, 50, 100, 180, 1_000])
def test_deliveries_are_counted_however_they_are_cut(cut: int) -> None:
    payloads = [b"x" * size for size in (0, 300, 5)]
    cycle = [len(a_delivery(1, payload)) for payload in payloads]
    stream = b"".join(a_delivery(tag, payloads[(tag - 1) % 3]) for tag in range(1, 11))
    meter = DeliveryMeter(cycle)

    for at in range(0, len(stream), cut):
        meter.feed(memoryview(stream[at : at + cut]))
        whole = meter.received_bytes == len(stream)
        assert meter.is_between_deliveries or not whole

    assert meter.count == 10


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(a_delivery(3, b"x" * 10), id="one is missing"),
        pytest.param(a_delivery(1, b"x" * 10), id="one comes twice"),
        pytest.param(
            frame.marshal(commands.Channel.Close(406, "no", 0, 0), 1) + bytes(99), id="a close"
        ),
    ],
)
def test_what_is_not_the_delivery_that_is_due_is_noticed(wrong: bytes) -> None:
    meter = DeliveryMeter([len(a_delivery(1, b"x" * 10))])
    meter.feed(memoryview(a_delivery(1, b"x" * 10)))

    with pytest.raises(BenchError, match="delivery 2 was due"):
        meter.feed(memoryview(wrong))


def test_confirms_count_in_any_order_and_cut_anywhere() -> None:
    stream = b"".join(
        (
            a_confirm(2),
            a_confirm(4),
            a_confirm(1),
            a_confirm(7),
            a_confirm(5, multiple=True),
            a_confirm(6),
        )
    )
    ledger = ConfirmLedger()
    counts: list[int] = []

    for at in range(0, len(stream), 7):
        ledger.feed(stream[at : at + 7])
        counts.append(ledger.confirmed_count)

    assert counts[2::3] == [1, 2, 3, 4, 6, 7]


@pytest.mark.parametrize(
    "wrong",
    [
        frame.marshal(commands.Basic.Nack(1), 1),
        frame.marshal(commands.Channel.Close(406, "PRECONDITION_FAILED", 60, 40), 1),
    ],
)
def test_what_is_no_confirm_is_noticed(wrong: bytes) -> None:
    with pytest.raises(BenchError, match="a confirm was due"):
        ConfirmLedger().feed(wrong)


def test_one_message_is_taken_in_slices_as_large_as_there_is_room_for() -> None:
    cycle = Fixed(10).cycle("", QUEUE)
    supply = Supply(cycle, batch=5, least=2)

    assert [supply.take(room)[1] for room in (9, 5, 3, 2, 1, 0)] == [5, 5, 3, 2, 0, 0]
    raw, count = supply.take(3)
    assert raw == cycle[0].raw_publish * count


def test_many_messages_are_taken_in_whole_blocks() -> None:
    supply = Supply(Mixed(message_count=7).cycle("", QUEUE), batch=3, least=1)

    assert [supply.take(room)[1] for room in (3, 2, 3, 1, 1, 9)] == [3, 0, 3, 1, 0, 3]


def test_no_two_mixed_messages_are_alike() -> None:
    cycle = Mixed(message_count=50).cycle("", QUEUE)
    supply = Supply(cycle, batch=50, least=1)
    seen = [bytes(supply.take(50)[0]) for _ in range(3)]
    found = [
        got.properties.message_id
        for raw in seen
        for got in decoded(raw)
        if isinstance(got, header.ContentHeader)
    ]

    assert len(set(found)) == 150
    assert [len(raw) for raw in seen] == [sum(len(m.raw_publish) for m in cycle)] * 3


def test_a_large_body_is_split_as_the_frame_size_asks() -> None:
    frames = decoded(encode_content(commands.Basic.Properties(), b"x" * 300_000))

    bodies = [got for got in frames if isinstance(got, body.ContentBody)]
    assert [len(got.value or b"") for got in bodies] == [131_064, 131_064, 37_872]


def test_the_topic_table_counts_the_queues_that_a_naive_match_finds() -> None:
    table = topic_table(queue_count=50, binding_count=1_000, key_count=100)

    assert len(set(table.bindings)) == 1_000
    assert len(set(table.routing_keys)) == 100
    for key, copies in zip(table.routing_keys, table.copies, strict=True):
        assert len(key) == KEY_BYTES
        words = key.split(".")
        reached = {queue for queue, pattern in table.bindings if matches(pattern.split("."), words)}
        assert copies == len(reached) > 0


def test_expected_copies_of_a_topic_follow_the_cycle() -> None:
    traffic = Topical(queue_count=50, binding_count=1_000, key_count=100)
    copies = topic_table(50, 1_000, 100).copies

    assert copies_of(traffic, 0) == 0
    assert copies_of(traffic, 103) == sum(copies) + sum(copies[:3])
    assert copies_of(Fixed(1), 303) == 303


def test_the_mixed_stamp_is_within_the_message_id() -> None:
    message = Mixed(message_count=1).cycle("", QUEUE)[0]
    assert message.stamp_at is not None

    assert message.raw_publish[message.stamp_at - 9 :][:17] == b"00000000-00000000"


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.5, 50), (0.99, 99), (0.999, 100), (1, 100)]
)
def test_a_quantile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert quantile(range(1, 101), share) == expected


def test_an_ack_is_as_pamqp_writes_it() -> None:
    """The load packs its acks by hand."""
    packed = struct.pack(">BHIHHQBB", 1, 1, 13, 60, 80, 77, 1, 0xCE)

    assert packed == a_confirm(77, multiple=True)
