"""A run shown: as text for the terminal, as tables for docs/performance.md, as its picture.

The document keeps its own words; what stands between the two marker lines is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Verdict
from bench.results import Row, Run, rows
from bench.svg import draw

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"


def text_table(run: Run) -> str:
    """Lay out all figures for a terminal, and under them what went wrong."""
    heads = ["workload", *_column_heads(run)]
    lines: list[Sequence[str]] = [heads]
    previous = None
    for row in rows(run):
        title = row.workload.name if row.workload != previous else ""
        previous = row.workload
        lines.append([title, *_cells(run, row)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    laid = [
        "  ".join(
            _align(c, w, i) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    laid.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([describe(run), "", *laid, *_faults_text(run), "", summary(run)])


def describe(run: Run) -> str:
    """Say when and where it was measured, in one sentence."""
    machine = run.machine
    rounds = "1 round" if run.round_count == 1 else f"Medians of {run.round_count} rounds"
    return (
        f"{run.date}, {machine.cpu}, {machine.core_count} cores, {machine.memory_mb:,} MB, "
        f"{machine.system}, {machine.python}. {rounds} of {run.seconds:g} s."
    )


def summary(run: Run) -> str:
    """Count what was met, and name what falls short."""
    judged = [row for row in rows(run) if row.verdict is not Verdict.OPEN]
    short = [row for row in judged if row.verdict is not Verdict.MET]
    text = f"{len(judged) - len(short)} of {len(judged)} targets met"
    if short:
        text += "; short: " + ", ".join(f"{r.workload.name} ({r.figure.label})" for r in short)
    return text + "."


def markdown(run: Run) -> str:
    """Make the tables that docs/performance.md shows; scripts/summaries.py reads them again."""
    parts = [describe(run), "", summary(run), ""]
    for workload in run.workloads():
        heads = _column_heads(run)
        parts += [f"### {workload.title}", "", _markdown_line(heads)]
        parts.append(_markdown_line(["---", *["---:"] * (len(heads) - 2), "---"]))
        shown = (row for row in rows(run) if row.workload == workload)
        parts += [_markdown_line(_cells(run, row)) for row in shown]
        parts.append("")
    if faults := run.faults():
        parts += ["What went wrong in this run:", "", *(f"- {fault}" for fault in faults), ""]
    return "\n".join(parts)


def publish(run: Run, document: Path, picture: Path) -> None:
    """Write the tables of *run* into *document* and its picture beside it."""
    text = document.read_text()
    document.write_text(replace_between_markers(text, markdown(run)))
    picture.write_text(draw(run))


def replace_between_markers(text: str, generated: str) -> str:
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END + "\n")
    if not begin or not end:
        raise BenchError(f"the document needs the lines {BEGIN} and {END}")
    return f"{before}{begin}\n{generated.strip()}\n\n{end}{after}"


def _column_heads(run: Run) -> list[str]:
    rivals = [head for rival in run.rivals for head in (rival, "ratio")]
    return ["figure", "ours", *rivals, "target", ""]


def _cells(run: Run, row: Row) -> list[str]:
    figure = row.figure
    cells = [f"{figure.label}, {figure.unit}" if figure.unit else figure.label]
    cells.append(figure.format(row.ours))
    for rival in run.rivals:
        ratio = row.ratios[rival]
        cells += [figure.format(row.theirs[rival]), "-" if ratio is None else f"{ratio:.1f}x"]
    verdict = "" if row.verdict is Verdict.OPEN else row.verdict.value
    return [*cells, figure.target, verdict]


def _align(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < 2 else cell.rjust(width)


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _faults_text(run: Run) -> list[str]:
    faults = run.faults()
    return ["", "What went wrong:", *(f"  {fault}" for fault in faults)] if faults else []
