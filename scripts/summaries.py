"""README.md's two short tables, made from the pages that they are short for.

    python scripts/summaries.py            rewrite them
    python scripts/summaries.py --check    only say whether they are up to date, by the status

docs/compatibility.md is cut to one row an AMQP class or feature, docs/performance.md to the first
figure of each workload.  A page that is not there, or holds no table yet, leaves an empty place.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
AREAS = {"dead": "dead-lettering", "direct": "direct reply-to"}
"""{first word of a case's name: what it is about, where that is no class of AMQP}"""
SAME = "same"  # how docs/compatibility.md says that an answer is word for word RabbitMQ 4.0.5's


def compatibility(page: str) -> str:
    """Count the cases of each class of AMQP, and how many are as RabbitMQ 4.0.5 and 3.10.8."""
    held: Counter[str] = Counter()
    as_3_10: Counter[str] = Counter()
    as_4_0: Counter[str] = Counter()
    for title, heads, rows in tables(page):
        area = title.partition("_")[0]
        area = AREAS.get(area, area)
        for row in rows:
            cells = dict(zip(heads, row, strict=False))
            held[area] += 1
            as_4_0[area] += cells["amqpbroker"] == SAME
            as_3_10[area] += cells["3.10.8"] == SAME
    if not held:
        return ""
    lines = [
        "| area | cases | amqpbroker as RabbitMQ 4.0.5 | RabbitMQ 3.10.8 as 4.0.5 |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {area} | {held[area]} | {as_4_0[area]} | {as_3_10[area]} |" for area in sorted(held)),
        f"| **all** | {held.total()} | {as_4_0.total()} | {as_3_10.total()} |",
    ]
    return "\n".join(lines)


def performance(page: str) -> str:
    """Take the first figure of each workload: ours, the first rival's, and the ratio."""
    lines: list[str] = []
    for title, heads, rows in tables(page):
        if heads[:2] != ["figure", "ours"] or not rows:
            continue
        rival = heads[2] if len(heads) > 4 else ""
        if not lines:
            lines += [
                f"| workload | figure | ours | {rival} | ratio |",
                "| --- | --- | ---: | ---: | ---: |",
            ]
        figure, ours, *others = rows[0]
        theirs, ratio = others[:2] if rival else ("", "")
        lines.append(f"| {title} | {figure} | {ours} | {theirs} | {ratio} |")
    return "\n".join(lines)


def tables(page: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield (the heading above it, its column heads, its rows) for each table of a page."""
    title = ""
    table: list[list[str]] = []
    for line in [*page.splitlines(), ""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif table:
            yield title, table[0], table[2:]
            table = []
        if line.startswith("#"):
            title = line.lstrip("#").strip()


def with_block(text: str, name: str, block: str) -> str:
    """Put *block* between the lines that say where the block of that name begins and ends."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"README.md has no place for {name}")
    return f"{before}{begin}{block + chr(10) if block else ''}{end}{after}"


def summarised(text: str) -> str:
    """README.md's text with both tables as they should be."""
    makers: dict[str, Callable[[str], str]] = {
        "compatibility": compatibility,
        "performance": performance,
    }
    for name, make in makers.items():
        page = ROOT / "docs" / f"{name}.md"
        text = with_block(text, name, make(page.read_text("utf-8")) if page.exists() else "")
    return text


def main(arguments: list[str]) -> int:
    """Do what the command line says; the exit status."""
    text = README.read_text("utf-8")
    wanted = summarised(text)
    if arguments == ["--check"]:
        if text != wanted:
            print("README.md is behind its pages: make docs", file=sys.stderr)
        return int(text != wanted)
    README.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
