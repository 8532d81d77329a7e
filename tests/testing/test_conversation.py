"""Recordings: what is heard, how it is written down, and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.method import Method
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.testing.conversation import (
    FIRST_LINE,
    Entry,
    Listener,
    Said,
    WrongRecording,
    method_frame_of,
    parse,
    read_recording,
    recording_text,
)
from amqpbroker.testing.raw_client import encode_content_header, encode_frame


def heard(*pieces: bytes, ends: bool = False) -> list[Said]:
    listener = Listener()
    said = [one for piece in pieces for one in listener.hear(piece)]
    return [*said, *listener.end()] if ends else said


def words(*pieces: bytes, ends: bool = False) -> list[tuple[int | None, *tuple[str, ...]]]:
    return [(one.channel, *one.lines) for one in heard(*pieces, ends=ends)]


def publish(body: bytes, *, channel: int = 1) -> bytes:
    properties = properties_of(message_id="m")
    return b"".join(
        (
            method_frame_of(channel, m.BasicPublish(0, "", "jobs")),
            encode_frame(2, channel, encode_content_header(len(body), properties)),
            encode_frame(3, channel, body),
        )
    )


def test_methods_and_contents_are_heard_whatever_pieces_they_come_in() -> None:
    raw = PROTOCOL_HEADER + publish(b"hello") + encode_frame(8, 0, b"")
    expected = [
        (None, "AMQP 0 0 9 1"),
        (1, "basic.publish routing_key='jobs'", "  content b'hello' message_id='m'"),
        (0, "heartbeat"),
    ]

    assert words(raw) == expected
    assert words(*(raw[index : index + 1] for index in range(len(raw)))) == expected


def test_the_bytes_of_what_is_said_are_those_that_came() -> None:
    raw = PROTOCOL_HEADER + publish(b"hello")

    assert b"".join(one.raw for one in heard(raw)) == raw


def test_contents_on_several_channels_are_kept_apart() -> None:
    first, second = publish(b"one", channel=1), publish(b"two", channel=2)
    method_bytes = len(method_frame_of(1, m.BasicPublish(0, "", "jobs")))

    mixed = first[:method_bytes] + second + first[method_bytes:]
    assert [one[2] for one in words(mixed) if len(one) > 2] == [
        "  content b'two' message_id='m'",
        "  content b'one' message_id='m'",
    ]


def test_a_password_is_not_kept() -> None:
    method = m.ConnectionStartOk(EMPTY_TABLE, "PLAIN", b"\x00guest\x00secret", "en_US")
    (said,) = heard(method_frame_of(0, method))

    assert said.lines == ("connection.start-ok response='|guest|'",)
    assert b"secret" not in said.raw
    assert b"guest" in said.raw


@pytest.mark.parametrize(
    "method",
    [
        m.ConnectionStartOk(EMPTY_TABLE, "AMQPLAIN", b"\x05LOGINS\x00\x00\x00\x06secret", "en_US"),
        m.ConnectionStartOk(EMPTY_TABLE, "EXTERNAL", b"secret", "en_US"),
    ],
)
def test_the_response_of_other_mechanisms_is_not_kept_at_all(method: Method) -> None:
    (said,) = heard(method_frame_of(0, method))

    assert b"secret" not in said.raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", (None, "b'GET / HTTP/1.1\\r\\n\\r\\n'")),
        (encode_frame(1, 0, b"\xff" * 4), (0, "frame 01000000000004ffffffffce")),
        (encode_frame(3, 1, b"x"), (1, "frame 0300010000000178ce")),
        (encode_frame(1, 0, b"", end=0), (None, "0100000000000000")),
    ],
)
def test_what_cannot_be_read_is_bytes(raw: bytes, expected: tuple[int | None, str]) -> None:
    said = heard(raw, ends=True)

    assert (said[0].channel, *said[0].lines) == expected
    assert said[0].raw == raw
    assert said[-1].lines == ("closed",)


def test_what_is_cut_off_is_kept() -> None:
    said = heard(publish(b"hello")[:-2], ends=True)

    assert [one.lines[0] for one in said[:1]] == ["basic.publish routing_key='jobs'"]
    assert b"".join(one.raw for one in said) == publish(b"hello")[:-2]


def test_a_recording_reads_as_it_was_written(tmp_path: Path) -> None:
    client = [
        Entry(index / 8, True, 1, one) for index, one in enumerate(heard(publish(b"x" * 200)))
    ]
    server = [
        Entry(1.5, False, 2, one)
        for one in heard(method_frame_of(1, m.BasicCancel("tag \N{SNOWMAN}", True)), ends=True)
    ]
    file = tmp_path / "file"
    file.write_text(recording_text([*client, *server], "a remark"), encoding="utf-8")

    again = read_recording(file)
    assert [entry.text() for entry in again] == [entry.text() for entry in [*client, *server]]
    assert [entry.said.raw for entry in again if entry.is_client] == [
        one.said.raw for one in client
    ]
    assert isinstance(again[0].said.method, m.BasicPublish)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "file:1: this is no line of a recording: 'hello'"),
        ("0.000 S1 0 heartbeat\n    AAAA", "file:2: only below a client's line may bytes stand"),
        ("    AAAA", "file:1: only below a client's line may bytes stand"),
        ("0.000 C1 0 heartbeat\n    A", "what is indented above it is no base64"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(text: str, expected: str) -> None:
    with pytest.raises(WrongRecording, match=expected.replace("(", r"\(")):
        parse(text, "file")


def test_another_file_is_no_recording(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff\x00")

    with pytest.raises(WrongRecording, match=f"does not begin with '{FIRST_LINE}'"):
        read_recording(file)
