"""Writes docs/compatibility.md: what RabbitMQ 3.10.8, RabbitMQ 4.0.5 and this broker do, by case.

The page is made from the recordings and from differences.toml alone.  That this broker does what
the page says is what tests/conformance holds it to.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from conformance.differences import wanted_differences
from conformance.features import ABSENT
from conformance.recordings import DEFAULT_VERSION, difference_between, read
from conformance.registry import Case, all_cases

PAGE = Path(__file__).parent.parent / "docs" / "compatibility.md"
OLD_VERSION = "3.10.8"

_LINE_CHARACTERS_MAX = 150
_SPEAKER = re.compile(r"^\s*S\S* (\d+|-)\s+")
_CAUSE = re.compile(r" class=\d+ method=\d+$")
_REFUSAL = re.compile(
    r"^\s*S\S* (\S+ (channel|connection)\.close \d|\S+ basic\.return|- closed|- protocol header"
    r"|\S+ refused )"
)


def is_refusal(lines: list[str]) -> bool:
    """Tell whether a dialogue has the server refuse something."""
    return any(_REFUSAL.match(line) for line in lines)


def decisive_answer(lines: list[str]) -> str:
    """What a dialogue comes down to: the refusal, or else the last thing that the server said."""
    answers = [line for line in lines if _SPEAKER.match(line)]
    for line in answers:
        if _REFUSAL.match(line):
            return _shortened(line)
    answers = [line for line in answers if "  content " not in line]
    notes = [line for line in lines if line.startswith("# ")]
    if notes and (not answers or len(notes) > 1):
        return "as the recording's remarks say"
    return _shortened(answers[-1]) if answers else "no answer"


def page() -> str:
    """The whole page."""
    cases = all_cases()
    recorded = {case.name: read(case, DEFAULT_VERSION) or [] for case in cases}
    refusals = sum(is_refusal(lines) for lines in recorded.values())
    same = sum(read(case, OLD_VERSION) == recorded[case.name] for case in cases)
    pieces = [
        "# Compatibility with RabbitMQ",
        "",
        "Made by `python -m conformance compatibility` from the recordings in"
        " `conformance/recordings`; do not edit.",
        "",
        f"{len(cases)} cases, {refusals} of them about errors and refusals. RabbitMQ {OLD_VERSION}"
        f" and {DEFAULT_VERSION} say the same in {same} of them. amqpbroker is held to"
        f" {DEFAULT_VERSION} by its tests; it differs on purpose in"
        f" {len(wanted_differences())}.",
        *_absent(cases),
        "",
        "Each row gives the answer that decides the case; *same* means: word for word what"
        f" {DEFAULT_VERSION} says. The whole dialogue stands in the recording of that name.",
        "",
        *_differences(),
    ]
    for module, group in itertools.groupby(cases, lambda case: case.name.partition(".")[0]):
        pieces += ["", f"## {module}", ""]
        pieces += [
            f"| case | covers | RabbitMQ {DEFAULT_VERSION} | {OLD_VERSION} | amqpbroker |",
            "| --- | --- | --- | --- | --- |",
        ]
        pieces += [_row(case, recorded[case.name]) for case in group]
    return "\n".join(pieces) + "\n"


def _absent(cases: Iterable[Case]) -> Iterator[str]:
    """What is left out, if anything is."""
    number = sum(bool(case.needs & ABSENT) for case in cases)
    if number:
        yield ""
        yield (
            f"{number} cases are about what amqpbroker does not do yet:"
            f" {', '.join(sorted(ABSENT))}. They are not held against it."
        )


def write_page() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


def _differences() -> Iterator[str]:
    """The wanted differences, each with its reason."""
    wanted = wanted_differences()
    if not wanted:
        return
    yield "## Wanted differences"
    for one in wanted.values():
        yield ""
        yield f"- `{one.case_name}` ({one.version}): {one.reason}"


def _row(case: Case, recorded: list[str]) -> str:
    old = read(case, OLD_VERSION) or []
    wanted = wanted_differences().get((case.name, DEFAULT_VERSION))
    cells = [
        f"{case.title} (`{case.name.partition('.')[2]}`)",
        " ".join(case.items),
        decisive_answer(recorded),
        "same" if old == recorded else _differs(list(difference_between(recorded, old).ours)),
        "same" if wanted is None else _differs(list(wanted.difference.ours)),
    ]
    if case.needs & ABSENT:
        cells[-1] = "not yet"
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _differs(lines: list[str]) -> str:
    """What only one side says, in short."""
    for line in lines:
        if _SPEAKER.match(line):
            return f"**{_shortened(line)}**"
    return f"**{_shortened(lines[0])}**" if lines else "**says less**"


def _shortened(line: str) -> str:
    text = _CAUSE.sub("", _SPEAKER.sub("", line)).strip()
    if len(text) > _LINE_CHARACTERS_MAX:
        text = text[:_LINE_CHARACTERS_MAX] + "..."
    return text.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")
