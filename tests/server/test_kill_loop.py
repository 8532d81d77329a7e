"""A few rounds of the kill loop (`kill_loop.py`), which CI runs two hundred of."""

from __future__ import annotations

import kill_loop
import pytest


def test_a_killed_broker_keeps_its_books(capsys: pytest.CaptureFixture[str]) -> None:
    status = kill_loop.main(["--kills", "4", "--seed", "1"])

    assert status == 0, capsys.readouterr().out
