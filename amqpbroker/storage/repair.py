"""Checking a store, and repairing one that is damaged.

A repair keeps what can be read: it writes every entry that reads, and has not left as far as that
reads, into new segments.  What it cannot read is lost; what left by a record that does not read
comes back.  The files as they were stay beside it.
"""

import os
from collections.abc import Iterator

import attrs

from amqpbroker.storage import layout
from amqpbroker.storage.disk import RealDisk
from amqpbroker.storage.log import Log
from amqpbroker.storage.reclaim import Reclaimer
from amqpbroker.storage.recovery import Reading
from amqpbroker.storage.scan import SegmentScan

#: Where a repair leaves the files as they were, in the store's directory.
DAMAGED_DIRECTORY = "damaged"


@attrs.frozen
class Findings:
    """What a store holds, and what is wrong with it."""

    faults: tuple[str, ...]
    torn_bytes: int  # of a transaction that was under way at the end; that is no damage
    segment_count: int
    size_bytes: int
    queue_count: int
    entry_count: int


def check(disk: RealDisk, *, passes_faults: bool = False) -> Findings:
    """Read everything and change nothing; with `passes_faults` also what stands behind faults."""
    log = Log(disk)
    reading = Reading(disk, log, passes_faults=passes_faults)
    reading.read()
    return _findings(reading, log)


def repair(disk: RealDisk) -> tuple[Findings, Findings]:
    """Keep what can be read; what was found before, and what the store holds now."""
    before = check(disk)
    if not before.faults:
        return before, before
    _keep_files(disk)
    log = Log(disk)
    reading = Reading(disk, log, passes_faults=True)
    reading.read()
    reading.apply()
    old = list(log.segments.values())
    if log.segments:
        log.last_commit += 1_000_000  # above every transaction that could not be read
        log.roll()
        reclaimer = Reclaimer(log)
        for segment in old:
            scan = SegmentScan(segment.file, segment.number)
            reclaimer.rewrite(segment, _records(scan))
        log.close()
    rest = [layout.segment_number(name) for name in disk.names()]
    for number in rest:
        if number is not None and number not in log.segments:
            disk.remove(layout.segment_name(number))
    disk.sync()
    return before, check(disk)


def _findings(reading: Reading, log: Log) -> Findings:
    size_bytes = log.size_bytes
    segment_count = len(log.segments)
    entries = reading.apply()
    return Findings(
        tuple(reading.faults),
        reading.torn_bytes,
        segment_count,
        size_bytes,
        len(log.queue_ids()),
        sum(sum(runs.counts) for runs in entries.values()),
    )


def _records(scan: SegmentScan) -> Iterator[tuple[int, int, bytes]]:
    for record in scan.records(passes_faults=True):
        yield record.kind, record.position, bytes(record.payload)


def _keep_files(disk: RealDisk) -> None:
    """Leave the files as they are under other names."""
    directory = os.path.join(disk.path, DAMAGED_DIRECTORY)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for name in disk.names():
        if layout.segment_number(name) is not None:
            target = os.path.join(directory, name)
            if os.path.exists(target):
                os.unlink(target)
            os.link(os.path.join(disk.path, name), target)
