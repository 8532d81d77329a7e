"""Dialogues: what is normalised, what is compared, and how what was said is worded."""

from __future__ import annotations

import pytest

from amqpbroker.spec.methods import (
    BasicCancel,
    BasicConsumeOk,
    BasicDeliver,
    ChannelClose,
    QueueDeclare,
    QueueDeclareOk,
)
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_client import as_table
from amqpbroker.testing.raw_events import (
    BytesSent,
    ConfirmsReceived,
    ContentReceived,
    Frame,
    FrameSent,
    MethodReceived,
    MethodSent,
)
from amqpbroker.testing.wording import event_lines, sent_lines, tags_text
from conformance.dialogue import Dialogue, Voice
from conformance.recordings import Difference, difference_between, recorded_version

QUEUE_NAME = "amq.gen-AAAAAAAAAAAAAAAAAAAAA-"
OTHER_QUEUE_NAME = "amq.gen-BBBBBBBBBBBBBBBBBBBBB_"


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue("-abc123")


def test_generated_names_are_numbered_in_the_order_of_their_appearance(dialogue: Dialogue) -> None:
    for name in (OTHER_QUEUE_NAME, QUEUE_NAME, OTHER_QUEUE_NAME, "amq.ctag-" + 22 * "x"):
        dialogue.add(f"S 1 '{name}'")

    assert dialogue.lines == [
        "S 1 '<queue-1>'",
        "S 1 '<queue-2>'",
        "S 1 '<queue-1>'",
        "S 1 '<ctag-1>'",
    ]


def test_a_generated_name_of_the_wrong_length_stays(dialogue: Dialogue) -> None:
    dialogue.add("S 1 'amq.gen-short'")

    assert dialogue.lines == ["S 1 'amq.gen-short'"]


def test_the_ending_of_a_cases_own_names_is_left_out(dialogue: Dialogue) -> None:
    Voice(dialogue, 1).sent(MethodSent(1, QueueDeclare(queue="jobs-abc123", durable=True)))

    assert dialogue.lines == ["C 1 queue.declare queue='jobs' durable"]


def test_another_connection_is_numbered(dialogue: Dialogue) -> None:
    Voice(dialogue, 2).received(MethodReceived(3, BasicConsumeOk("c")))

    assert dialogue.lines == ["S/2 3 basic.consume-ok consumer_tag='c'"]


def test_an_any_order_block_is_sorted_and_keeps_content_with_its_method(
    dialogue: Dialogue,
) -> None:
    voice = Voice(dialogue, 1)
    deliver = BasicDeliver("b", 1, False, "", "q")
    with dialogue.any_order():
        voice.received(MethodReceived(1, BasicCancel("z", True)))
        voice.received(ContentReceived(1, deliver, NO_PROPERTIES, b"hello", (5,)))
        voice.received(MethodReceived(1, BasicCancel("a", True)))

    assert dialogue.lines == [
        "any order:",
        "  S 1 basic.cancel consumer_tag='a' no_wait",
        "  S 1 basic.cancel consumer_tag='z' no_wait",
        "  S 1 basic.deliver consumer_tag='b' delivery_tag=1 exchange='' routing_key='q'",
        "  S 1   content b'hello'",
    ]


def test_nothing_is_written_down_inside_a_quiet_block_except_a_failure(dialogue: Dialogue) -> None:
    with dialogue.quiet():
        dialogue.add("C 1 preparation")
        dialogue.fail("no\nanswer")

    assert dialogue.lines == ["! no answer"]


def test_the_words_of_a_close() -> None:
    close = ChannelClose(406, "PRECONDITION_FAILED - {too_long,\n            5}", 50, 10)

    assert event_lines(MethodReceived(1, close)) == [
        '1 channel.close 406 "PRECONDITION_FAILED - {too_long,5}" class=50 method=10'
    ]


def test_the_words_of_a_table_keep_the_kinds_of_its_fields() -> None:
    arguments = as_table(
        {"n": 5, "big": 2**40, "s": "text", "none": None, "list": [True, {"f": Field("f", 0.5)}]}
    )

    assert sent_lines(MethodSent(1, QueueDeclare(arguments=arguments))) == [
        "1 queue.declare arguments={n=I:5 big=l:1099511627776 s='text' none=V:void"
        " list=[t:true {f=f:0.5}]}"
    ]


def test_fields_without_a_usual_value_are_always_written() -> None:
    assert event_lines(MethodReceived(1, QueueDeclareOk("q", 0, 0))) == [
        "1 queue.declare-ok queue='q' message_count=0 consumer_count=0"
    ]


def test_the_words_of_a_large_content_tell_its_frames() -> None:
    deliver = BasicDeliver("c", 1, True, "", "q")
    event = ContentReceived(1, deliver, properties_of(priority=3), b"x" * 100, (60, 40))

    assert (
        event_lines(event)[1]
        == "1   content 100 bytes, sha1 50e48369 priority=3 in frames of 60+40"
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (BytesSent(b"AMQP\x00\x00\x09\x01"), "- bytes AMQP 0 0 9 1"),
        (BytesSent(b"GET /\r\n"), r"- bytes b'GET /\r\n'"),
        (BytesSent(b"\x00\xff"), "- bytes 00ff"),
        (FrameSent(7, Frame(8, 7, b"")), "7 heartbeat frame (empty)"),
        (FrameSent(1, Frame(9, 1, b"hi")), "1 type-9 frame b'hi'"),
    ],
)
def test_the_words_of_raw_bytes(sent: BytesSent | FrameSent, expected: str) -> None:
    assert sent_lines(sent) == [expected]


def test_confirms_are_written_as_sets() -> None:
    assert event_lines(ConfirmsReceived(1, (1, 2, 3, 7), (5,))) == [
        "1 confirmed 1-3 7",
        "1 refused 5",
    ]


@pytest.mark.parametrize(
    ("tags", "expected"), [((), ""), ((4,), "4"), ((1, 2, 4, 6, 7), "1-2 4 6-7")]
)
def test_runs_of_tags_are_joined(tags: tuple[int, ...], expected: str) -> None:
    assert tags_text(tags) == expected


def test_a_difference_is_what_one_side_says_alone() -> None:
    theirs, ours = ["C a", "S b", "S c"], ["C a", "S x", "S c", "S d"]

    assert difference_between(theirs, ours) == Difference(("S b",), ("S x", "S d"))


def test_equal_dialogues_have_no_difference() -> None:
    assert not difference_between(["C a", "S b"], ["C a", "S b"])


@pytest.mark.parametrize("wanted", ["4.0", "4.0.5"])
def test_a_version_may_be_named_in_short(wanted: str) -> None:
    assert recorded_version(wanted) == "4.0.5"


def test_a_version_without_recordings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no recordings of RabbitMQ 4.1; there are"):
        recorded_version("4.1")
