"""The store of a running server: publishers wait before the disk is full."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from brokers import make_broker
from trio.testing import MockClock

from amqpbroker.server.alarms import Alarms
from amqpbroker.server.store import LOOK_SECONDS, Store
from amqpbroker.server.timekeeper import Timekeeper

MORE_THAN_ANY_DISK_HAS = 1 << 60


@pytest.mark.parametrize(
    ("limit_bytes", "text"), [(MORE_THAN_ANY_DISK_HAS, "low on disk"), (0, None)]
)
async def test_publishers_wait_while_the_disk_has_less_than_it_should(
    limit_bytes: int, text: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    autojump_clock: MockClock,
) -> None:  # fmt: skip
    alarms = Alarms(make_broker(), lambda: None)
    store = Store(str(tmp_path), syncs=True, disk_free_limit_bytes=limit_bytes)
    timekeeper = Timekeeper(lambda: False)
    store.start(alarms, timekeeper, lambda: None)
    with trio.move_on_after(3 * LOOK_SECONDS):
        await timekeeper.run()
    store.stop()

    assert alarms.text == text
    said = [record.message for record in caplog.records if "disk alarm" in record.message]
    assert len(said) == (text is not None)  # once, though it looks every second
