"""Power cuts at any step of the disk: what was safe is there, and nothing is half done.

A journal is told of queues, records and messages by the dice of a seed, on a disk whose power goes
at a step, whose syncs fail, or which fills up.  After each cut the next journal opens what the disk
has kept, and must find exactly what stood after one of the transactions: one that was safe, or one
behind that.  Then it goes on, to the next cut.

Each seed is played in 50 ways, with two cuts each: 2,400 cuts a run.  `--seed N` replays one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from amqpbroker.engine.ports import Record, RecordKey, Runs
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.storage.journal import FileJournal
from amqpbroker.storage.recovery import open_log
from amqpbroker.testing.simulated_disk import PowerCut, SimulatedDisk

PLAYS_A_SEED = 50
CUTS_A_PLAY = 2
#: So small that segments fill up and are reclaimed within a few transactions.
SEGMENT_BYTES = 3_000

Books = tuple[
    dict[tuple[str, RecordKey], Record],  # the records, and in which order they come
    dict[int, dict[int, bytes]],  # {queue id: {entry id: content}}
]


class Stage:
    """A journal on a simulated disk, and the books that it should have."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.disk = SimulatedDisk()
        self.records: dict[tuple[str, RecordKey], Record] = {}
        self.queues: dict[int, dict[int, bytes]] = {}
        self.history: dict[int, Books] = {}
        self.message_count = 0
        self.cut_count = 0
        self.open()

    def open(self) -> None:
        """Open what the disk has."""
        recovered = open_log(self.disk, segment_bytes=SEGMENT_BYTES)
        self.journal = FileJournal(recovered)
        self.history = {0: self.books()}

    def books(self) -> Books:
        return dict(self.records), {one: dict(entries) for one, entries in self.queues.items()}

    def act(self) -> None:
        """Tell the journal something, or let it write."""
        roll, journal = self.dice.random(), self.journal
        if roll < 0.1 or not self.queues:
            queue_id = journal.reserve(1)
            self.queues[queue_id] = {}
            self.put("queue", ("/", f"q{queue_id}"), {"id": queue_id})
        elif roll < 0.13:
            self.put("policy", ("/", f"p{self.dice.randint(0, 3)}"), {"priority": roll})
        elif roll < 0.16:
            queue_id = self.dice.choice(list(self.queues))
            del self.queues[queue_id]
            del self.records["queue", ("/", f"q{queue_id}")]
            journal.remove("queue", ("/", f"q{queue_id}"))
        elif roll < 0.45:
            self.enter()
        elif roll < 0.65:
            self.leave()
        elif roll < 0.75:
            self.end_round()
        elif roll < 0.95:
            self.end_round()
            journal.write_some()
        else:
            journal.tend(is_idle=self.dice.random() < 0.5)

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        self.records[kind, key] = record
        self.journal.put(kind, key, record)

    def enter(self) -> None:
        """The same messages enter some queues."""
        count = self.dice.choice((1, 1, 2, 5))
        queue_ids = self.dice.sample(
            list(self.queues), min(len(self.queues), self.dice.choice((1, 1, 3)))
        )
        messages = [self.message() for _ in range(count)]
        for queue_id in queue_ids:
            self.journal.reserve(self.dice.randint(0, 2))  # of transient messages
            first = self.journal.reserve(count)
            self.journal.enter(queue_id, first, b"publish", messages, 1_000)
            for offset, message in enumerate(messages):
                self.queues[queue_id][first + offset] = message.content

    def message(self) -> Message:
        self.message_count += 1
        body = b"%d " % self.message_count + b"." * self.dice.choice((0, 10, 400))
        content = encode_content(1, b"\0\0", body, 4096)
        return Message(Publish("", "q"), NO_PROPERTIES, content)

    def leave(self) -> None:
        """Some entries of a queue leave: from its head, its tail, or from anywhere."""
        queue_id = self.dice.choice(list(self.queues))
        ids = list(self.queues[queue_id])
        count = min(len(ids), self.dice.choice((1, 3, 20)))
        chosen = self.dice.choice((ids[:count], ids[-count:], self.dice.sample(ids, count)))
        if chosen:
            self.journal.leave(queue_id, chosen)
            for one in chosen:
                del self.queues[queue_id][one]

    def end_round(self) -> None:
        self.history[self.journal.open_number] = self.books()
        self.journal.end_round()

    def cut(self, safe_number: int) -> None:
        """The power went: hold what is there now against the books, and go on with it."""
        self.cut_count += 1
        self.disk = self.disk.after_power_cut(self.dice)
        recovered = open_log(self.disk, segment_bytes=SEGMENT_BYTES)
        journal = FileJournal(recovered)
        found = books_of(journal)
        faults = [
            difference(books, found)
            for number, books in self.history.items()
            if number >= safe_number
        ]
        if all(faults):
            pytest.fail(f"safe: {safe_number}; {faults[0]}", pytrace=False)
        self.journal = journal
        self.records, self.queues = (
            dict(found[0]),
            {one: dict(two) for one, two in found[1].items()},
        )
        self.history = {0: self.books()}

    def check_reading(self) -> None:
        """What is safe and has not left can be read back."""
        for queue_id, entries in self.history.get(self.journal.safe_number, ({}, {}))[1].items():
            kept = [one for one in entries if one in self.queues.get(queue_id, {})]
            contents = [
                content
                for first in kept
                for found in self.journal.log.read(Runs((first,), (1,)))
                for content in found.contents
            ]
            assert contents == [entries[one] for one in kept]


def difference(expected: Books, found: Books) -> str:
    """What of the books is not as it should be; empty when all is."""
    faults: list[str] = []
    if expected[0] != found[0]:
        faults.append(f"records: {sorted(expected[0].keys() ^ found[0].keys())}")
    for queue_id in expected[1].keys() | found[1].keys():
        wanted, got = expected[1].get(queue_id, {}), found[1].get(queue_id, {})
        if list(wanted) != list(got):
            faults.append(f"queue {queue_id}: expected {list(wanted)}, found {list(got)}")
        elif wanted != got:
            faults.append(f"queue {queue_id}: other contents")
    return "; ".join(faults)


def books_of(journal: FileJournal) -> Books:
    """What a journal has that was just opened."""
    records: dict[tuple[str, RecordKey], Record] = {}
    queues: dict[int, dict[int, bytes]] = {}
    for kind in ("queue", "policy"):
        records |= {(kind, key): record for key, record in journal.records(kind)}
    for record in [one for (kind, _), one in records.items() if kind == "queue"]:
        queue_id = record["id"]
        assert isinstance(queue_id, int)
        runs = journal.entries(queue_id)
        contents = [content for entries in journal.read(runs) for content in entries.contents]
        queues[queue_id] = dict(zip(ids_of(runs), contents, strict=True))
    return records, queues


def ids_of(runs: Runs) -> Iterator[int]:
    for first, count in zip(runs.firsts, runs.counts, strict=True):
        yield from range(first, first + count)


def play(seed: str, *, trouble: str) -> int:
    dice = random.Random(f"{trouble} {seed}")
    stage = Stage(dice)
    for _ in range(CUTS_A_PLAY):
        stage.disk.cut_at_step = stage.disk.step_count + dice.randint(1, 120)
        if trouble == "sync":
            stage.disk.sync_fails_at_step = stage.disk.step_count + dice.randint(1, 120)
        elif trouble == "full":
            stage.disk.size_bytes = stage.disk.written_bytes + dice.randint(0, 20_000)
        try:
            for _ in range(400):
                stage.act()
                if dice.random() < 0.02:
                    stage.check_reading()
                if trouble == "full" and stage.journal.is_full and dice.random() < 0.1:
                    stage.disk.size_bytes += 5_000
        except PowerCut:
            pass
        stage.cut(stage.journal.safe_number)
    return stage.cut_count


@pytest.mark.parametrize("trouble", ["cut", "sync", "full"])
def test_a_power_cut_at_any_step_costs_nothing_that_was_safe(seed: int, trouble: str) -> None:
    for number in range(PLAYS_A_SEED):
        try:
            cut_count = play(f"{seed}.{number}", trouble=trouble)
        except BaseException as error:
            error.add_note(f"in play {number} of seed {seed}")
            raise
        assert cut_count == CUTS_A_PLAY
