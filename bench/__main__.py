"""The command line of the bench: see ``python -m bench --help`` and docs/performance.md."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from bench.brokers import Broker, allow_many_descriptors, find_rival
from bench.errors import BenchError
from bench.plan import Timing
from bench.report import publish, text_table
from bench.results import Run
from bench.runner import Progress, Race
from bench.smoke import run_smoke
from bench.svg import draw
from bench.workloads import WORKLOADS, find_workloads

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "bench" / "results"
DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"

QUICK = Timing(seconds=1.0, warm_s=0.3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what *arguments* (the command line's, if None) ask for; return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end_politely)
    try:
        if options.command == "report":
            return _report(options.files)
        if options.list:
            return _list()
        allow_many_descriptors()
        return _smoke() if options.smoke else _measure(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure our broker, alone or in turn with rivals that are already running.",
    )
    add = parser.add_argument
    add(
        "--against",
        action="append",
        default=[],
        metavar="URL[,pid=N]",
        help="a rival; ratios are against the first (its process is found by its port)",
    )
    add("--workload", action="append", default=[], metavar="NAME", help="only this; repeatable")
    add("--seconds", type=float, default=4.0, help="of a round (default: %(default)s)")
    add("--rounds", type=int, default=5, help="of each workload (default: %(default)s)")
    add("--quick", action="store_true", help="one round of a second: a look, no measurement")
    add("--pause-rivals", action="store_true", help="SIGSTOP rivals while they wait, as ours")
    add("--output", type=Path, default=OUTPUT, metavar="DIR", help="default: %(default)s")
    add("--list", action="store_true", help="name the workloads and what is promised for them")
    add("--smoke", action="store_true", help="ours alone, short, with floors: for CI")
    commands = parser.add_subparsers(dest="command", metavar="")
    report = commands.add_parser("report", help="publish a run in docs/performance.md and .svg")
    report.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="the JSON file of a run; of several, a later run replaces the workloads it measured",
    )
    return parser


def _measure(options: argparse.Namespace) -> int:
    workloads = find_workloads(options.workload)
    if options.seconds <= 0 or options.rounds < 1:
        raise BenchError("--seconds and --rounds are more than 0")
    rivals = _rivals(options.against, may_pause=options.pause_rivals)
    for rival in rivals:
        seen = f"process {rival.pid}" if rival.pid else "process unknown: no CPU time, no memory"
        print(f"{rival.name} at {rival.address}, {seen}", file=sys.stderr)
    timing = QUICK if options.quick else Timing(options.seconds)
    race = Race(rivals, timing, 1 if options.quick else options.rounds, Progress())
    run = race.run(workloads)
    text = text_table(run)
    print(text)
    base = _save(run, text, options.output)
    print(f"\nKept as {base}.json, .txt and .svg", file=sys.stderr)
    return 1 if any(run.is_faulty(workload, run.brokers[0]) for workload in workloads) else 0


def _rivals(against: Sequence[str], *, may_pause: bool) -> list[Broker]:
    """Find the rivals; raise `BenchError` if two could not be told apart."""
    rivals = [find_rival(text, may_pause=may_pause) for text in against]
    names = [rival.name for rival in rivals]
    if len(set(names)) < len(names):
        raise BenchError(f"rivals must differ in product or version: {', '.join(names)}")
    return rivals


def _save(run: Run, text: str, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    base = directory / f"bench-{run.date[:19].replace(':', '')}"
    run.save(base.with_suffix(".json"))
    base.with_suffix(".txt").write_text(text + "\n")
    base.with_suffix(".svg").write_text(draw(run))
    return base


def _smoke() -> int:
    began = time.perf_counter()
    wrong = run_smoke(Progress())
    for line in wrong:
        print(line)
    print(f"bench smoke: {'failed' if wrong else 'ok'}, {time.perf_counter() - began:.0f} s")
    return 1 if wrong else 0


def _report(files: Sequence[Path]) -> int:
    publish(Run.joined([Run.load(file) for file in files]), DOCUMENT, PICTURE)
    print(f"{DOCUMENT} and {PICTURE} now show {', '.join(map(str, files))}")
    return 0


def _list() -> int:
    for workload in WORKLOADS:
        print(f"{workload.name:18}{workload.title}")
        for figure in workload.figures:
            print(f"{'':20}{figure.label:32}{figure.target}")
    return 0


def _end_politely(number: int, frame: FrameType | None) -> None:
    """On SIGTERM too, stop the load and our broker and wake the rivals."""
    del number, frame
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
