"""The command line: run, record, list, compatibility."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from conformance import recordings
from conformance.compatibility import PAGE, write_page
from conformance.consoles import Console, ManagementConsole
from conformance.dialogue import Dialogue
from conformance.differences import Verdict, entry_for, judge
from conformance.features import features_named
from conformance.registry import Case, cases_matching
from conformance.runner import SLOW_AT_ONCE, TIME_LIMIT_S, hold, server_identity

RABBITMQ = "RabbitMQ"
"""The product that a real RabbitMQ names in its server properties."""


ADMIN = features_named("admin")
"""What needs a way to administer the broker."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    chosen = cases_matching(options.k)
    if getattr(options, "skip_slow", False):
        chosen = [case for case in chosen if not case.is_slow]
    without = features_named(" ".join(options.without))
    if "url" in options and console_of(options) is None:
        without |= ADMIN
    chosen = [case for case in chosen if not case.needs & without]
    if not chosen:
        print(f"no case matches {options.k!r}", file=sys.stderr)
        return 2
    return options.command(options, chosen)


def console_of(options: argparse.Namespace) -> Console | None:
    """The way to administer the broker that the command line gives, if any."""
    return None if options.management is None else ManagementConsole(options.management)


def run(options: argparse.Namespace, chosen: list[Case]) -> int:
    """Hold a broker against the recordings of one version."""
    version = recordings.recorded_version(options.against)
    may_differ = server_identity(options.url)[0] != RABBITMQ
    verdicts: Counter[Verdict] = Counter()
    for case, dialogue, took_s in _held(options, chosen):
        judgement = judge(case, version, dialogue.lines, may_differ=may_differ)
        verdicts[judgement.verdict] += 1
        mark = "pass" if judgement.verdict.is_good else "FAIL"
        took = f"  ({took_s:.2f} s)" if options.verbose else ""
        note = "" if judgement.verdict is Verdict.SAME else f"  {judgement.verdict.value}"
        print(f"{mark}  {case.name}{note}{took}", flush=True)
        if not judgement.verdict.is_good:
            print(f"    {case.title} ({' '.join(case.items)})")
            if options.entries:
                print(entry_for(case, version, judgement))
                continue
            print(judgement.text or "\n".join(f"    {line}" for line in dialogue.lines))
        elif options.verbose:
            print("\n".join(f"    {line}" for line in dialogue.lines))
    print(", ".join(f"{count} {verdict.value}" for verdict, count in verdicts.items()))
    return 0 if all(verdict.is_good for verdict in verdicts) else 1


def record(options: argparse.Namespace, chosen: list[Case]) -> int:
    """Write down what a real RabbitMQ says."""
    version = recordings.recorded_version(options.version)
    product, actual = server_identity(options.url)
    if (product, actual) != (RABBITMQ, version):
        print(
            f"the broker says that it is {product} {actual}, not {RABBITMQ} {version}",
            file=sys.stderr,
        )
        return 2
    problems = 0
    for case, dialogue, _ in _held(options, chosen):
        if recordings.write(case, version, dialogue):
            print(f"recorded  {case.name}", flush=True)
        if dialogue.problem:
            problems += 1
            print(f"    {case.name}: {dialogue.problem}")
        if options.verbose:
            print("\n".join(f"    {line}" for line in dialogue.lines))
    print(f"{len(chosen)} cases, {problems} could not be held to the end")
    return 1 if problems and version == recordings.DEFAULT_VERSION else 0


def compatibility(_options: argparse.Namespace, _chosen: list[Case]) -> int:
    """Write docs/compatibility.md from the recordings."""
    write_page()
    print(f"wrote {PAGE.name}")
    return 0


def _held(
    options: argparse.Namespace, chosen: list[Case]
) -> Iterator[tuple[Case, Dialogue, float]]:
    """Have every dialogue, the slow ones side by side; each with how many seconds it took."""
    console = console_of(options)

    def have(case: Case) -> tuple[Case, Dialogue, float]:
        started = time.monotonic()
        dialogue = hold(case, options.url, time_limit_s=options.time_limit, console=console)
        return case, dialogue, time.monotonic() - started

    yield from map(have, (case for case in chosen if not case.is_slow))
    with ThreadPoolExecutor(SLOW_AT_ONCE) as pool:
        yield from pool.map(have, [case for case in chosen if case.is_slow])


def show(options: argparse.Namespace, chosen: list[Case]) -> int:
    """List the cases."""
    for case in chosen:
        slow = "  (slow)" if case.is_slow else ""
        print(f"{case.name}\n    {case.title}  [{' '.join(case.items)}]{slow}")
    print(f"{len(chosen)} cases")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "-k", default="", metavar="PATTERN", help="only cases whose name, title or item matches"
    )
    common.add_argument("--skip-slow", action="store_true", help="leave slow cases out")
    common.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="FEATURE",
        help="leave out cases that need it: a name of conformance/features.py, or extensions",
    )
    talking = argparse.ArgumentParser(add_help=False)
    talking.add_argument("url", help="amqp://user:password@host:port/vhost")
    talking.add_argument(
        "--management",
        metavar="URL",
        help="the HTTP API of a RabbitMQ's management plugin, http://guest:guest@host:15672; "
        "without it the cases that administer the broker are left out",
    )
    talking.add_argument("-v", "--verbose", action="store_true", help="print every dialogue")
    talking.add_argument(
        "--time-limit",
        type=float,
        default=TIME_LIMIT_S,
        metavar="SECONDS",
        help="how long to wait for an answer (default: %(default)s)",
    )

    running = commands.add_parser("run", parents=[common, talking], help=run.__doc__)
    running.add_argument("--against", default=recordings.DEFAULT_VERSION, metavar="VERSION")
    running.add_argument(
        "--entries", action="store_true", help="print differences as entries of differences.toml"
    )
    running.set_defaults(command=run)
    recording = commands.add_parser("record", parents=[common, talking], help=record.__doc__)
    recording.add_argument("--version", required=True, metavar="VERSION")
    recording.set_defaults(command=record)
    listing = commands.add_parser("list", parents=[common], help=show.__doc__)
    listing.set_defaults(command=show)
    describing = commands.add_parser("compatibility", help=compatibility.__doc__)
    describing.set_defaults(command=compatibility, k="", without=[])
    return parser


if __name__ == "__main__":
    sys.exit(main())
