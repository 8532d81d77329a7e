from __future__ import annotations

import pytest

from amqpbroker.spec.properties import MalformedProperties, properties_of
from amqpbroker.wire.memo import PROPERTIES_MAX, PropertiesMemo


def raw_properties(length: int) -> bytes:
    """Properties whose bytes are so many."""
    raw = properties_of(message_id="m" * (length - 3)).raw
    assert len(raw) == length
    return raw


def test_properties_that_come_again_are_the_same_object() -> None:
    memo = PropertiesMemo()
    raw = raw_properties(30)
    first = memo.find(raw)

    assert first.raw == raw
    assert memo.find(bytes(bytearray(raw))) is first


def test_a_memo_may_be_told_to_forget() -> None:
    memo = PropertiesMemo(remember=False)
    raw = raw_properties(30)

    assert memo.find(raw).raw == memo.find(raw).raw == raw
    assert memo.find(raw) is not memo.find(raw)
    assert memo.known == {}


@pytest.mark.parametrize(("length", "expected_count"), [(256, 1), (257, 0)])
def test_long_properties_will_hardly_come_again(length: int, expected_count: int) -> None:
    memo = PropertiesMemo()
    memo.find(raw_properties(length))

    assert len(memo.known) == expected_count


def test_a_full_memo_is_emptied() -> None:
    memo = PropertiesMemo()
    for number in range(PROPERTIES_MAX):
        memo.find(properties_of(timestamp=number).raw)
    assert len(memo.known) == PROPERTIES_MAX

    last = properties_of(timestamp=PROPERTIES_MAX).raw
    memo.find(last)

    assert list(memo.known) == [last]


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x00\x01", b"\x80\x00", b"\x00\x00\x00"])
def test_malformed_properties_are_refused_each_time(raw: bytes) -> None:
    memo = PropertiesMemo()

    for _ in range(2):
        with pytest.raises(MalformedProperties):
            memo.find(raw)
    assert memo.known == {}
