"""This broker says what RabbitMQ 4.0.5 said, case by case; and the recordings are in order.

One broker serves all cases.  Slow cases wait for time to pass, so they are held side by side, once.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from administered import an_administered_broker

from conformance import recordings
from conformance.compatibility import PAGE, is_refusal, page
from conformance.consoles import Console
from conformance.dialogue import Dialogue
from conformance.differences import judge, wanted_differences
from conformance.features import ABSENT, FEATURES
from conformance.recordings import DEFAULT_VERSION, VERSIONS
from conformance.registry import Case, all_cases
from conformance.runner import SLOW_AT_ONCE, hold

CASES = {case.name: case for case in all_cases()}
CORE = [name for name, case in CASES.items() if not case.needs]
PRESENT = [name for name, case in CASES.items() if not case.needs & ABSENT]
FAST = [name for name in PRESENT if not CASES[name].is_slow and "admin" not in CASES[name].needs]
SLOW = [name for name in PRESENT if CASES[name].is_slow]
ADMINISTERED = [name for name in PRESENT if "admin" in CASES[name].needs]

TIME_LIMIT_S = 5.0
"""How long a case waits for an answer that does not come: only a failing case waits so long."""


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    """The URL of a broker of our own, in a process of its own."""
    command = [sys.executable, "-m", "amqpbroker", "serve", "--memory", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"amqp://\S+", process.stdout.readline())
        assert found, "the broker did not say where it listens"
        yield found.group()
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def administered() -> Iterator[tuple[str, Console]]:
    """The URL of a broker that cases administer, and how."""
    with an_administered_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def slow_dialogues(broker_url: str) -> dict[str, Dialogue]:
    """Every slow case's dialogue, {case name: dialogue}."""
    with ThreadPoolExecutor(SLOW_AT_ONCE) as pool:
        return dict(zip(SLOW, pool.map(lambda name: _hold(name, broker_url), SLOW), strict=True))


def _hold(name: str, url: str) -> Dialogue:
    return hold(CASES[name], url, time_limit_s=TIME_LIMIT_S)


def check_dialogue(case: Case, dialogue: Dialogue) -> None:
    """Fail unless the dialogue is the recorded one, or differs from it exactly as wanted."""
    judgement = judge(case, DEFAULT_VERSION, dialogue.lines)
    assert judgement.verdict.is_good, (
        f"{judgement.verdict.value}: {case.title}\n{judgement.text or judgement.reason}"
    )


@pytest.mark.parametrize("name", FAST)
def test_the_broker_says_what_rabbitmq_said(name: str, broker_url: str) -> None:
    check_dialogue(CASES[name], _hold(name, broker_url))


@pytest.mark.parametrize("name", ADMINISTERED)
def test_the_administered_broker_says_what_rabbitmq_said(
    name: str, administered: tuple[str, Console]
) -> None:
    url, console = administered
    check_dialogue(CASES[name], hold(CASES[name], url, time_limit_s=TIME_LIMIT_S, console=console))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_broker_lets_time_pass_as_rabbitmq_does(
    name: str, slow_dialogues: dict[str, Dialogue]
) -> None:
    check_dialogue(CASES[name], slow_dialogues[name])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_case_is_recorded_and_every_recording_has_a_case(version: str) -> None:
    directory = recordings.DIRECTORY / f"rabbitmq-{version}"

    recorded = {path.name.removesuffix(".dialogue") for path in directory.iterdir()}

    assert recorded == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_fits_the_version_that_it_was_written_for(name: str) -> None:
    lines = recordings.read(CASES[name], DEFAULT_VERSION) or []

    assert not [line for line in lines if line.startswith("!")]


def test_half_of_the_cases_of_the_core_are_about_refusals() -> None:
    refusals = [
        name for name in CORE if is_refusal(recordings.read(CASES[name], DEFAULT_VERSION) or [])
    ]

    assert len(CORE) >= 220
    assert 2 * len(refusals) >= len(CORE)


def test_the_features_that_are_absent_exist() -> None:
    assert FEATURES.keys() >= ABSENT


def test_every_wanted_difference_names_a_case_and_a_reason() -> None:
    nameless = [
        one.case_name
        for one in wanted_differences().values()
        if one.case_name not in CASES or not one.reason or not one.difference
    ]

    assert nameless == []


def test_the_page_of_differences_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m conformance compatibility"
