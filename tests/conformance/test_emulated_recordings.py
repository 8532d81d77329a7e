"""`--emulate 3.13` says what RabbitMQ 3.10.8 said, where that did not change until 3.13.

There is no recording of 3.13.  So each case is held against 3.10.8's; where 3.13 is known to differ
from that, or where what a case is about came after 3.10, `emulation.toml` says so, by reason.  It
is checked both ways: a case that is listed and says the same is a failure.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import recordings
from conformance.features import ABSENT
from conformance.recordings import diff_text, difference_between
from conformance.registry import all_cases
from conformance.runner import hold

OLDER = "3.10.8"
TIME_LIMIT_S = 3.0
CASES = {
    case.name: case
    for case in all_cases()
    if not case.needs & (ABSENT | {"admin"}) and not case.is_slow
}
REASONS: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "emulation.toml").read_text(encoding="utf-8")
)
#: {case: the reason's name}
EXPECTED = {case: reason for reason, row in REASONS.items() for case in row["cases"]}
_LAST_DEATH = re.compile(r" ?x-last-death-\w+='[^']*'")
_DEATH = re.compile(r"\{([^{}]*\bcount=l:[^{}]*)\}")
_FIELD = re.compile(r"[\w-]+=(?:\[[^\]]*\]|'[^']*'|\S+)")


def told(lines: list[str]) -> list[str]:
    """The lines without what 3.13 writes otherwise of every death (S-283, S-284)."""
    return [_DEATH.sub(_sorted, _LAST_DEATH.sub("", line)) for line in lines]


def _sorted(found: re.Match[str]) -> str:
    return "{" + " ".join(sorted(_FIELD.findall(found[1]))) + "}"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of a broker that answers like 3.13."""
    command = [sys.executable, "-m", "amqpbroker", "serve", "--memory", "--port", "0"]
    command += ["--emulate", "3.13"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"amqp://\S+", process.stdout.readline())
        assert found, "the broker did not say where it listens"
        yield found.group()
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize("name", CASES)
def test_what_did_not_change_until_3_13_is_as_in_3_10(name: str, url: str) -> None:
    recorded = recordings.read(CASES[name], OLDER)
    assert recorded is not None
    lines = hold(CASES[name], url, time_limit_s=TIME_LIMIT_S).lines

    difference = difference_between(told(recorded), told(lines))

    reason = EXPECTED.get(name)
    assert bool(difference) == (reason is not None), (
        f"{reason or 'not in emulation.toml'}:\n{diff_text(told(recorded), told(lines))}"
    )


def test_every_listed_case_exists_and_every_reason_says_why() -> None:
    assert EXPECTED.keys() <= CASES.keys()
    assert all(row["why"] and row["cases"] for row in REASONS.values())
    assert sum(len(row["cases"]) for row in REASONS.values()) == len(EXPECTED)
