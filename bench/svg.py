"""The picture of a run: for each workload a bar per figure, as long as its ratio.

Plain SVG text, no library.  The axis is linear and begins at nothing; the line at 1x is where the
first rival stands, and a dark mark across a bar is what was promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import attrs

from bench.figures import Verdict
from bench.results import Row, Run, rows

WIDTH = 820

_LEFT, _RIGHT = 190, 60  # beside the bars: labels, values
_TOP, _BOTTOM = 84, 20
_TITLE_HEIGHT, _BAR_PITCH, _BAR_HEIGHT = 24, 19, 13
_AHEAD, _BEHIND, _INK, _FAINT, _PAPER = "#2a7f62", "#b5563a", "#222222", "#cccccc", "#ffffff"
_HALO = f'paint-order="stroke" stroke="{_PAPER}" stroke-width="3"'  # where lines cross a text


@attrs.frozen
class Bar:
    """One figure of one workload beside the rival's."""

    title: str  # of the workload
    label: str
    ratio: float
    target: float | None
    is_behind: bool  # short of what was promised, or of the rival


def draw(run: Run) -> str:
    """Draw the pictured figures of *run* beside the first rival's; without a rival, a note."""
    bars = collect_bars(rows(run), run.rivals[0]) if run.rivals else []
    if not bars:
        return _document(60, [_text(20, 36, "No rival was measured.")])
    axis_max = max(2.0, *(bar.ratio for bar in bars), *(bar.target or 0.0 for bar in bars))
    scale = (WIDTH - _LEFT - _RIGHT) / axis_max
    drawn: list[str] = []
    y, previous = float(_TOP), ""
    for bar in bars:
        if bar.title != previous:
            y += _TITLE_HEIGHT
            drawn.append(_text(20, y - 6, bar.title, size=13, weight="bold"))
            previous = bar.title
        drawn += _draw_bar(bar, y, scale)
        y += _BAR_PITCH
    heading = [
        _text(20, 28, f"{run.brokers[0]} beside {run.rivals[0]}: how many times better", size=17),
        _text(
            20,
            48,
            f"{run.date[:10]}, {run.machine.cpu}, {run.machine.core_count} cores, "
            f"{run.machine.python}; the dark mark is the target",
        ),
    ]
    return _document(y + _BOTTOM, [*heading, *_draw_grid(axis_max, scale, y), *drawn])


def collect_bars(all_rows: Iterable[Row], rival: str) -> list[Bar]:
    return [
        Bar(
            row.workload.title,
            row.figure.label,
            ratio,
            row.figure.ratio_target,
            ratio < 1 or row.verdict in {Verdict.SHORT, Verdict.FAULTY},
        )
        for row in all_rows
        if row.figure.is_pictured and (ratio := row.ratios.get(rival)) is not None
    ]


def _draw_bar(bar: Bar, y: float, scale: float) -> list[str]:
    length = max(1.0, bar.ratio * scale)
    baseline = y + _BAR_HEIGHT - 3
    parts = [
        _text(_LEFT - 8, baseline, bar.label, anchor="end"),
        _rect(_LEFT, y, length, _BAR_HEIGHT, _BEHIND if bar.is_behind else _AHEAD),
    ]
    value_at = _LEFT + length
    if bar.target is not None:
        mark_at = _LEFT + bar.target * scale
        parts.append(_rect(mark_at - 1, y - 2, 2, _BAR_HEIGHT + 4, _INK))
        if 0 <= mark_at - value_at < 50:  # the mark would stand in the number
            value_at = mark_at
    return [*parts, _text(value_at + 5, baseline, f"{bar.ratio:.1f}x")]


def _draw_grid(axis_max: float, scale: float, bottom: float) -> list[str]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1_000) if axis_max / step <= 12)
    marks = sorted({1, *range(step, int(axis_max) + 1, step)})
    parts: list[str] = []
    for mark in marks:
        x = _LEFT + mark * scale
        colour, thickness = (_INK, 1) if mark == 1 else (_FAINT, 0.5)
        parts.append(_rect(x - thickness / 2, _TOP - 4, thickness, bottom - _TOP + 8, colour))
        parts.append(_text(x, _TOP - 10, f"{mark}x", anchor="middle"))
    return parts


def _document(height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            _rect(0, 0, WIDTH, height, _PAPER),
            *parts,
            "</svg>\n",
        ]
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    )


def _text(
    x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{_INK}" {_HALO}>{escape(text)}</text>'
    )
