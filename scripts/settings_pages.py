"""The tables of docs/configuration.md, made from the table of settings.

python scripts/settings_pages.py            rewrite them
python scripts/settings_pages.py --check    only say whether they are up to date, by the status
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from amqpbroker.cli.settings_table import SECTIONS, Setting, Shape  # noqa: E402

BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->"


def main(arguments: Sequence[str]) -> int:
    """Rewrite the page, or check it."""
    path = ROOT / "docs" / "configuration.md"
    page = path.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    made = "".join((head, BEGIN, *(f"{line}\n" for line in tables()), END, tail))
    if "--check" not in arguments:
        path.write_text(made, encoding="utf-8")
    elif made != page:
        print("docs/configuration.md is not up to date: make docs", file=sys.stderr)
        return 1
    return 0


def tables() -> Iterator[str]:
    """Yield the lines of a table for each section."""
    for title, settings in SECTIONS.items():
        yield ""
        yield f"### {title}"
        yield ""
        yield "| setting | default | what it is |"
        yield "| --- | --- | --- |"
        yield from map(row, settings)
    yield ""


def row(setting: Setting) -> str:
    """One line of a table."""
    default = f"`{setting.default}`" if setting.default else "none"
    notes = [setting.help]
    if setting.unit:
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
