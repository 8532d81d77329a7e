"""A journal that is a dictionary, for tests of what is kept besides messages."""

from __future__ import annotations

from collections.abc import Sequence

from amqpbroker.engine.ports import NoJournal, Record, RecordKey


class RecordJournal(NoJournal):
    """Keeps records, and nothing else."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, RecordKey], Record] = {}

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        self.kept[kind, key] = record

    def remove(self, kind: str, key: RecordKey) -> None:
        self.kept.pop((kind, key), None)

    def records(self, kind: str) -> Sequence[tuple[RecordKey, Record]]:
        return [(key, record) for (one, key), record in self.kept.items() if one == kind]
