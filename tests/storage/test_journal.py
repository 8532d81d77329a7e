"""Journals sit the exam of journals: the null one, one on a real disk, one on a simulated disk."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts import check_journal

from amqpbroker.engine.ports import Journal, NoJournal
from amqpbroker.storage.disk import Disk, RealDisk
from amqpbroker.storage.journal import FileJournal
from amqpbroker.storage.recovery import open_log
from amqpbroker.testing.simulated_disk import SimulatedDisk

Made = tuple[Journal, Callable[[], object], Callable[[], Journal]]


def on(disk: Disk, find_again: Callable[[], Disk]) -> Made:
    journal = FileJournal(open_log(disk))

    def make_safe() -> None:
        journal.end_round()
        while journal.write_some():
            pass

    return journal, make_safe, lambda: FileJournal(open_log(find_again()))


def test_the_null_journal_is_a_journal() -> None:
    journal = NoJournal()
    check_journal(lambda: (journal, lambda: None, lambda: journal))

    assert not journal.keeps


def test_a_journal_on_a_real_disk_is_a_journal(tmp_path: Path) -> None:
    disk = RealDisk(str(tmp_path))

    def find_again() -> Disk:
        disk.close()
        return RealDisk(str(tmp_path))

    check_journal(lambda: on(disk, find_again))

    assert [path.name for path in tmp_path.glob("*.log")] == ["0000000001.log"]


@pytest.mark.parametrize("way", range(10))
def test_a_journal_on_a_simulated_disk_is_a_journal(way: int) -> None:
    disk = SimulatedDisk()
    check_journal(lambda: on(disk, lambda: disk.after_power_cut(random.Random(way))))

    assert disk.sync_count > 0
