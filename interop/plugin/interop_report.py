"""A pytest plugin that notes each test's outcome in a file at once, as one line of JSON.

The suites' own output is for people; and a suite that is killed, because one of its tests hangs,
still has told which tests passed and which one was running.  Loaded with ``-p interop_report``;
``INTEROP_REPORT`` is the file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

_report = Path(os.environ["INTEROP_REPORT"])
_outcomes: dict[str, tuple[str, str]] = {}  # {test id: (outcome so far, reason)}


def pytest_runtest_logstart(nodeid: str) -> None:
    _note(nodeid, "started", "")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst of a test's three phases, and write it when the last one is over."""
    if report.failed:
        _outcomes.setdefault(report.nodeid, ("failed", _reason(report)))
    elif report.skipped:
        _outcomes[report.nodeid] = ("skipped", "")
    if report.when == "teardown":
        _note(report.nodeid, *_outcomes.pop(report.nodeid, ("passed", "")))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _note(report.nodeid, "failed", f"not collected: {_reason(report)}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash is not None else report.longreprtext
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0][:300] if lines else ""


def _note(test: str, outcome: str, reason: str) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # the process that started this one is told everything, and notes it
    with _report.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"test": test, "outcome": outcome, "reason": reason}) + "\n")
