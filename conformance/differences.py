"""The differences that are wanted, each with its reason, and the verdict on a case."""

from __future__ import annotations

import json
import tomllib
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from conformance.recordings import Difference, diff_text, difference_between, read
from conformance.registry import Case

PATH = Path(__file__).parent / "differences.toml"


@frozen
class WantedDifference:
    """An entry of differences.toml."""

    case_name: str
    version: str
    reason: str
    difference: Difference


class Verdict(Enum):
    """How a case ended; the value is what people read."""

    SAME = "same"
    WANTED = "differs, as wanted"
    DIFFERENT = "DIFFERENT"
    GONE = "NO LONGER DIFFERENT (see differences.toml)"
    UNRECORDED = "NOT RECORDED"

    @property
    def is_good(self) -> bool:
        return self in {Verdict.SAME, Verdict.WANTED}


@frozen
class Judgement:
    """A verdict, and what it rests on."""

    verdict: Verdict
    difference: Difference
    text: str  # the two dialogues with their differences marked; empty when they are the same
    reason: str  # why the difference is wanted, if it is


@cache
def wanted_differences() -> dict[tuple[str, str], WantedDifference]:
    """Every entry, by case name and version."""
    document = tomllib.loads(PATH.read_text(encoding="utf-8"))
    entries = cast("list[dict[str, Any]]", document.get("difference", []))
    wanted: dict[tuple[str, str], WantedDifference] = {}
    for entry in entries:
        difference = Difference(tuple(entry["theirs"]), tuple(entry["ours"]))
        one = WantedDifference(entry["case"], entry["version"], entry["reason"], difference)
        assert (one.case_name, one.version) not in wanted, f"two entries for {one.case_name}"
        wanted[one.case_name, one.version] = one
    return wanted


def judge(case: Case, version: str, lines: list[str], *, may_differ: bool = True) -> Judgement:
    """Compare *lines*, a broker's dialogue, with what RabbitMQ *version* said.

    Wanted differences are ours: a real RabbitMQ (not *may_differ*) must say what is recorded.
    """
    recorded = read(case, version)
    if recorded is None:
        return Judgement(Verdict.UNRECORDED, Difference((), ()), "", "")
    difference = difference_between(recorded, lines)
    wanted = wanted_differences().get((case.name, version)) if may_differ else None
    reason = wanted.reason if wanted else ""
    text = diff_text(recorded, lines) if difference else ""
    if wanted is None:
        verdict = Verdict.DIFFERENT if difference else Verdict.SAME
    elif wanted.difference == difference:
        verdict = Verdict.WANTED
    else:
        verdict = Verdict.DIFFERENT if difference else Verdict.GONE
    return Judgement(verdict, difference, text, reason)


def entry_for(case: Case, version: str, judgement: Judgement) -> str:
    """The entry of differences.toml that would want the difference found; its reason is missing."""
    found = judgement.difference
    lines = ["[[difference]]", f"case = {json.dumps(case.name)}", f'version = "{version}"']
    lines.append('reason = ""')
    for side, said in (("theirs", found.theirs), ("ours", found.ours)):
        quoted = [f"  {json.dumps(line, ensure_ascii=False)}," for line in said]
        lines += [f"{side} = [", *quoted, "]"]
    return "\n".join(lines) + "\n"
