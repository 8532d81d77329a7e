"""What every test may ask for.

``seed``: a test that asks for it runs once for each of a fixed row of seeds, so that two runs of
the suite do the same.  ``--seeds COUNT`` makes the row longer, ``--seed N`` makes it exactly N:
that is how a failure is replayed, and a failing test says so itself.

Hypothesis draws the same examples in every run, without a limit of time, so that a result depends
on the code alone.  ``--hypothesis-profile explore`` draws new ones, and more of them.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from certificates import Certificates

os.environ["AMQPBROKER_MEMORY"] = "on"  # a broker keeps nothing, unless a test tells it to

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("suite")

_FIRST_SEED = 1
_SEED_COUNT_DEFAULT = 8


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--seed`` and ``--seeds``."""
    group = parser.getgroup("simulation")
    group.addoption("--seed", type=int, default=None, help="replay tests with this one seed")
    group.addoption(
        "--seeds",
        type=int,
        default=_SEED_COUNT_DEFAULT,
        help="how many seeds a test that takes one is run with (default: %(default)s)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a ``seed`` once for each seed asked for."""
    if "seed" not in metafunc.fixturenames:
        return
    replayed: int | None = metafunc.config.option.seed
    count: int = metafunc.config.option.seeds
    seeds = range(_FIRST_SEED, _FIRST_SEED + count) if replayed is None else [replayed]
    metafunc.parametrize("seed", seeds, ids=lambda seed: f"seed={seed}")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA and its certificates; skips where the package that makes them is missing."""
    pytest.importorskip("cryptography")
    from certificates import Certificates  # not for a test that needs none

    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell a failed test's seed, and the command that replays it."""
    report = yield
    if call.excinfo is not None and report.failed and isinstance(item, pytest.Function):
        seed = item.callspec.params.get("seed") if hasattr(item, "callspec") else None
        if seed is not None:
            test_name = item.nodeid.partition("[")[0]
            report.sections.append(("seed", f"replay: pytest '{test_name}' --seed {seed}"))
    return report
