"""The tables of docs/configuration.md and docs/limits.md, made from the table of settings.

python scripts/settings_pages.py            rewrite them
python scripts/settings_pages.py --check    only say whether they are up to date, by the status
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from amqpbroker.cli.settings_table import SECTIONS, Setting, Shape  # noqa: E402

#: The sections that docs/limits.md shows.
LIMITS = ("Limits before login", "Limits after login", "Messages")
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->"


def main(arguments: Sequence[str]) -> int:
    """Rewrite the pages, or check them."""
    stale = [
        name for name, made in pages() if is_stale(name, made, rewrites="--check" not in arguments)
    ]
    if "--check" in arguments and stale:
        print(f"docs/{' and docs/'.join(stale)} not up to date: make docs", file=sys.stderr)
        return 1
    return 0


def pages() -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the name of each page, and the lines that are made for it."""
    yield "configuration.md", tables(SECTIONS)
    limits = {title: rows for title, rows in SECTIONS.items() if title in LIMITS}
    yield "limits.md", limit_tables(limits)


def is_stale(name: str, made: Iterator[str], *, rewrites: bool) -> bool:
    """Whether a page is not up to date; then it may be rewritten."""
    path = ROOT / "docs" / name
    page = path.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    fresh = "".join((head, BEGIN, *(f"{line}\n" for line in made), END, tail))
    if fresh != page and rewrites:
        path.write_text(fresh, encoding="utf-8")
    return fresh != page


def tables(sections: Mapping[str, Sequence[Setting]]) -> Iterator[str]:
    """Yield the lines of a table for each section."""
    for title, settings in sections.items():
        yield from ("", f"### {title}", "")
        yield "| setting | default | what it is |"
        yield "| --- | --- | --- |"
        yield from map(row, settings)
    yield ""


def limit_tables(sections: Mapping[str, Sequence[Setting]]) -> Iterator[str]:
    """Yield the lines of a table of limits for each section."""
    for title, settings in sections.items():
        yield from ("", f"## {title.removeprefix('Limits ').capitalize()}", "")
        yield "| limit | default | unit | what it limits |"
        yield "| --- | --- | --- | --- |"
        for one in settings:
            yield f"| `{one.name}` | `{one.default}` | {one.unit} | {one.help} |"
    yield ""


def row(setting: Setting) -> str:
    """One line of a table."""
    default = f"`{setting.default}`" if setting.default else "none"
    notes = [setting.help]
    if setting.unit in {"bytes", "seconds"}:
        notes.append(f"in {setting.unit}, if it is a bare number")
    if setting.environment:
        notes.append(f"also {', '.join(f'`{name}`' for name in setting.environment)}")
    if setting.shape is Shape.LIST:
        notes.append("in a file a list")
    if setting.can_reload:
        notes.append("SIGHUP reads it again")
    return f"| `{setting.name}` | {default} | {'; '.join(notes)} |".replace("on|off", "on or off")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
