"""What is wrong with a store is said, and never read over; a repair keeps what can be read."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from amqpbroker.engine.ports import Runs
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.storage.disk import RealDisk, StoreLocked
from amqpbroker.storage.journal import FileJournal
from amqpbroker.storage.layout import segment_name
from amqpbroker.storage.recovery import open_log
from amqpbroker.storage.repair import check, repair
from amqpbroker.storage.scan import StoreDamaged

QUEUE = {"id": 1}
MESSAGE_COUNT = 40


def message(number: int) -> Message:
    content = encode_content(1, b"\0\0", b"message %d" % number, 4096)
    return Message(Publish("", "q"), NO_PROPERTIES, content)


def fill(path: Path, *, segment_bytes: int = 1_000, closes: bool = True) -> None:
    """A store of several segments, with a message in each transaction."""
    disk = RealDisk(str(path))
    journal = FileJournal(open_log(disk, segment_bytes=segment_bytes))
    journal.put("queue", ("/", "q"), {"id": journal.reserve(1)})
    for number in range(MESSAGE_COUNT):
        journal.enter(1, journal.reserve(1), b"publish", [message(number)], 1_000)
        journal.end_round()
        journal.write_some()
        journal.tend(is_idle=False)
    if closes:
        journal.close()
    disk.close()


def bodies(path: Path) -> list[bytes]:
    disk = RealDisk(str(path))
    journal = FileJournal(open_log(disk))
    runs = journal.entries(1)
    contents = [content for entries in journal.read(runs) for content in entries.contents]
    disk.close()
    return [Message(Publish("", "q"), NO_PROPERTIES, content).body for content in contents]


def segments(path: Path) -> list[Path]:
    return sorted(path.glob("*.log"))


def faults_of(path: Path) -> Sequence[str]:
    disk = RealDisk(str(path))
    try:
        return check(disk).faults
    finally:
        disk.close()


def flip(path: Path, position: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[position] ^= 0x40
    path.write_bytes(raw)


def cut(path: Path, byte_count: int) -> None:
    path.write_bytes(path.read_bytes()[:-byte_count])


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: flip(segments(path)[0], 300), "0000000001.log: "),
        (lambda path: cut(segments(path)[0], 10), "0000000001.log: it ends within a record"),
        (lambda path: cut(segments(path)[0], 42), "bytes instead of"),
        (lambda path: segments(path)[1].unlink(), "0000000002.log is missing"),
        (lambda path: flip(segments(path)[0], 3), "the header of the file does not read"),
        (lambda path: flip(segments(path)[-1], 40), ".log: "),
        (
            lambda path: segments(path)[0].write_bytes(segments(path)[1].read_bytes()),
            "is segment 2",
        ),
    ],
    ids=["bit", "torn", "cut", "gone", "header", "snapshot", "swapped"],
)
def test_damage_is_told_and_the_store_does_not_open(
    tmp_path: Path, spoil: Callable[[Path], object], expected: str
) -> None:
    fill(tmp_path)
    spoil(tmp_path)
    before = {path: path.read_bytes() for path in segments(tmp_path)}

    assert any(expected in fault for fault in faults_of(tmp_path)), faults_of(tmp_path)
    with pytest.raises(StoreDamaged):
        open_log(RealDisk(str(tmp_path)))
    assert {path: path.read_bytes() for path in segments(tmp_path)} == before


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path, segment_bytes=100_000)
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    unnoticed = 0
    for position in random.Random(1).sample(range(len(whole) - 60), 200):
        flip(segment, position)
        unnoticed += not faults_of(tmp_path)
        segment.write_bytes(whole)

    assert unnoticed == 0


def test_a_torn_end_is_no_damage(tmp_path: Path) -> None:
    fill(tmp_path, segment_bytes=100_000, closes=False)
    cut(segments(tmp_path)[0], 10)

    assert faults_of(tmp_path) == ()
    assert bodies(tmp_path) == [b"message %d" % number for number in range(MESSAGE_COUNT - 1)]


@pytest.mark.parametrize("syncs", [True, False])
def test_several_transactions_may_be_torn_where_none_was_synced(
    tmp_path: Path, syncs: bool
) -> None:
    disk = RealDisk(str(tmp_path))
    journal = FileJournal(open_log(disk, syncs=syncs))
    journal.note_syncs(syncs=syncs)
    disk.close()
    fill(tmp_path, segment_bytes=100_000, closes=False)
    (segment,) = segments(tmp_path)
    flip(segment, segment.stat().st_size * 3 // 4)

    assert bool(faults_of(tmp_path)) == syncs
    if not syncs:
        kept = bodies(tmp_path)
        assert kept == [b"message %d" % number for number in range(len(kept))]
        assert 0 < len(kept) < MESSAGE_COUNT


def test_a_version_that_is_not_known_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    from zlib import crc32

    first = segments(tmp_path)[0]
    raw = bytearray(first.read_bytes())
    raw[8] = 9
    raw[20:24] = crc32(bytes(raw[:20])).to_bytes(4, "little")
    first.write_bytes(raw)

    assert any("version 9 of the format" in fault for fault in faults_of(tmp_path))


def test_a_repair_keeps_what_reads_and_the_old_files(tmp_path: Path) -> None:
    fill(tmp_path)
    victim = segments(tmp_path)[1]
    flip(victim, victim.stat().st_size // 2)
    damaged = victim.read_bytes()
    disk = RealDisk(str(tmp_path))
    before, after = repair(disk)
    disk.close()

    assert before.faults
    assert after.faults == ()
    expected = [b"message %d" % number for number in range(MESSAGE_COUNT)]
    kept = bodies(tmp_path)
    assert MESSAGE_COUNT - 2 <= len(kept) < MESSAGE_COUNT
    assert kept == [body for body in expected if body in kept]
    assert (tmp_path / "damaged" / victim.name).read_bytes() == damaged


def test_a_repair_of_a_good_store_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path)
    before = {path: path.read_bytes() for path in segments(tmp_path)}
    disk = RealDisk(str(tmp_path))
    findings, _ = repair(disk)

    assert (findings.faults, findings.entry_count) == ((), MESSAGE_COUNT)
    assert {path: path.read_bytes() for path in segments(tmp_path)} == before


def test_two_brokers_cannot_open_one_directory(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))

    with pytest.raises(StoreLocked):
        RealDisk(str(tmp_path))
    disk.close()
    assert RealDisk(str(tmp_path)).names() == []


def test_what_does_not_read_later_is_told_too(tmp_path: Path) -> None:
    fill(tmp_path, segment_bytes=100_000)
    disk = RealDisk(str(tmp_path))
    journal = FileJournal(open_log(disk))
    flip(tmp_path / segment_name(1), segments(tmp_path)[0].stat().st_size // 2)
    runs = journal.entries(1)

    with pytest.raises(StoreDamaged, match="a record does not read"):
        journal.read(Runs(runs.firsts, runs.counts))
