"""The quick Python programs of interop/ see from our broker what RabbitMQ shows them.

Each runs in a process of its own, with the clients of this environment, against one broker of
ours.  A client that is not installed here skips its programs; `python -m interop` has them all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from interop import catalogue, process
from interop.broker import OurBroker, our_broker

PROGRAM_SECONDS_MAX = 30.0
SLOW = {"celery_chord"}  # a worker with processes of its own takes its time
QUICK = [entry for entry in catalogue.programs() if entry.name not in SLOW]

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def broker() -> Iterator[OurBroker]:
    with our_broker() as broker:
        yield broker


@pytest.mark.parametrize("entry", QUICK, ids=lambda entry: entry.name)
def test_an_unmodified_client_sees_what_rabbitmq_shows(
    broker: OurBroker, entry: catalogue.Entry, tmp_path: Path
) -> None:
    if find_spec(entry.client.replace("-", "_")) is None:
        pytest.skip(f"{entry.client} is not installed")
    command = [sys.executable, catalogue.PROGRAMS / f"{entry.name}.py", broker.url]

    outcome = process.run(command, seconds_max=PROGRAM_SECONDS_MAX, directory=tmp_path)

    assert outcome.succeeded, outcome.last_lines()
    assert broker.faults() == []


def test_our_broker_ends_as_it_should(broker: OurBroker) -> None:
    broker.stop()

    assert broker.faults() == []
