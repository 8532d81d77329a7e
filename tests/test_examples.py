"""The example projects: their tests pass, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

SHOP = Path(__file__).parent.parent / "examples" / "shop"
RUN_SECONDS_MAX = 60


def test_the_tests_of_the_shop_pass() -> None:
    for client in ("pika", "aio_pika", "celery"):
        pytest.importorskip(client)
    options = ["-q", "-p", "no:cacheprovider"]
    if "amqpbroker" not in entry_points(group="pytest11").names:  # an older installation
        options += ["-p", "amqpbroker.testing.pytest_plugin"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=SHOP,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )

    assert run.returncode == 0, run.stdout
    assert "13 passed" in run.stdout
