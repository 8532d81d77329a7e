"""What came of a program or a suite, and the table that is printed of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from attrs import define, field

LINE_LENGTH = 100


class Verdict(enum.Enum):
    """How it went.  Only FAILED makes the whole run fail."""

    PASSED = "pass"
    FAILED = "FAIL"
    SKIPPED = "skip"


@define
class Result:
    """One row of the table, and the detail that is printed below it."""

    name: str
    client: str  # the client library and its version
    verdict: Verdict
    seconds: float = 0.0
    remark: str = ""  # a few words for the table
    details: list[str] = field(factory=list[str])  # what went wrong, or was explained


def table(results: Sequence[Result]) -> str:
    """Lay *results* out as text: name, client, verdict, seconds, remark."""
    rows = [("what", "client", "result", "seconds", "")]
    rows += [
        (
            result.name,
            result.client,
            result.verdict.value,
            "" if result.verdict is Verdict.SKIPPED else f"{result.seconds:.1f}",
            result.remark,
        )
        for result in results
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  "
        f"{row[3]:>{widths[3]}}  {row[4]}".rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * min(LINE_LENGTH, max(len(line) for line in lines)))
    return "\n".join(lines)


def closing_line(results: Sequence[Result]) -> str:
    """Count the verdicts, as ``12 passed, 0 failed, 1 skipped``."""
    counts = dict.fromkeys(Verdict, 0)
    for result in results:
        counts[result.verdict] += 1
    return (
        f"{counts[Verdict.PASSED]} passed, {counts[Verdict.FAILED]} failed, "
        f"{counts[Verdict.SKIPPED]} skipped"
    )
