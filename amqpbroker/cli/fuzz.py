"""`amqpbroker fuzz`: hostile clients for a broker, and what they have found."""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final, cast

import trio

from amqpbroker.cli.plain_words import said_plainly
from amqpbroker.testing.fuzz.campaign import TOGETHER, Campaign, Finding, Tally, Target
from amqpbroker.testing.fuzz.conversation import Conversation
from amqpbroker.testing.fuzz.local import LocalBroker, a_local_broker
from amqpbroker.testing.fuzz.remote import (
    MEMORY_BYTES_MAX,
    RemoteBroker,
    a_broker_watched,
    an_own_broker,
    check_url,
)
from amqpbroker.testing.fuzz.script import case_of
from amqpbroker.testing.fuzz.text import Transcript

_EPILOG: Final = """\
examples:
  amqpbroker fuzz --in-process --cases 20000        our broker, in this process: quick
  amqpbroker fuzz --own --seconds 60                our broker, in a process of its own
  amqpbroker fuzz amqp://localhost:5672/ --cases 500 --together 5
  amqpbroker fuzz --in-process --replay 4711        one case again, as text

A case depends on its seed alone. --seed N is the first one; the next cases have the next seeds.
The exit status is 1 when something was found. docs/fuzzing.md says what counts as such.
Point it at a broker that is made for it: cases declare, fill and delete queues, and mean no good.
"""
#: Cases of another process start so far away.
_STRIDE: Final = 100_000_000
#: So often something slow may be seen once and not again.
_SECOND_LOOKS_MAX: Final = 3
_PROGRESS_SECONDS: Final = 0.5
_MIB: Final = 1024 * 1024


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Say what no client should say to a broker, and see what it does."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("url", nargs="?", metavar="URL", type=_url, help="the broker to talk to")
    target.add_argument(
        "--own", action="store_true", help="start a broker of ours, in a process of its own"
    )
    target.add_argument(
        "--in-process", action="store_true", help="use our broker in this process, without TCP"
    )
    add = parser.add_argument
    add("--seed", type=_number, default=1, metavar="N", help="first seed (default: %(default)s)")
    add("--cases", type=_number, metavar="N", help="how many cases (default: until --seconds)")
    add("--seconds", type=float, metavar="S", help="how long (default: 60, unless --cases)")
    add("--replay", type=_number, metavar="SEED", help="play one case and print it")
    add(
        "--together", type=_number, default=TOGETHER, metavar="N",
        help="cases at a time (default: %(default)s)",
    )  # fmt: skip
    add(
        "--jobs", type=_number, default=1, metavar="N",
        help="with --in-process: so many processes share the cases (default: %(default)s)",
    )  # fmt: skip
    add(
        "--durable", action="store_true",
        help="with --own: the broker keeps its data on disk, and is started again at the end",
    )  # fmt: skip
    add("--pid", type=_number, metavar="PID", help="URL's process, to watch memory and processor")
    add("--log", type=Path, metavar="FILE", help="URL's log, to watch for tracebacks")
    add(
        "--memory-bound", type=_number, default=MEMORY_BYTES_MAX // _MIB, metavar="MIB",
        help="the most that the process may take (default: %(default)s MiB)",
    )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Fuzz; 1 when something was found."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if values.seconds is None and values.cases is None:
        values.seconds = 60.0
    if values.log is not None and not values.log.is_file():
        print(f"amqpbroker fuzz: there is no file '{values.log}'", file=sys.stderr)
        return 2
    tally, status = Tally(), 0
    try:
        if values.jobs > 1 and values.in_process and values.replay is None:
            status = _run_jobs(values)
        else:
            status = trio.run(_fuzz, values, tally)
    except* (OSError, RuntimeError, trio.TooSlowError) as errors:
        print(f"amqpbroker fuzz: {said_plainly(_first(errors), None)}", file=sys.stderr)
        status = 2
    except* KeyboardInterrupt:
        print(f"amqpbroker fuzz: stopped after {tally.case_count:,} cases", file=sys.stderr)
        status = 130
    return status


def _first(error: BaseException) -> BaseException:
    """The first of a group of errors, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _url(text: str) -> str:
    try:
        check_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number")
    return int(text)


def _run_jobs(values: argparse.Namespace) -> int:
    """Let several processes share the cases: one has one thread."""
    jobs: list[subprocess.Popen[bytes]] = []
    for job in range(values.jobs):
        command = [sys.executable, "-m", "amqpbroker", "fuzz", "--in-process"]
        first = values.seed + job * _STRIDE
        if values.cases is not None:
            share = [values.cases * number // values.jobs for number in (job, job + 1)]
            first = values.seed + share[0]
            command += ["--cases", str(share[1] - share[0])]
        if values.seconds is not None:
            command += ["--seconds", str(values.seconds)]
        command += ["--seed", str(first), "--together", str(values.together)]
        jobs.append(subprocess.Popen(command))
    try:
        return max(job.wait() for job in jobs)
    except KeyboardInterrupt:
        for job in jobs:
            job.wait()  # it was told as well
        raise


async def _fuzz(values: argparse.Namespace, tally: Tally) -> int:
    async with _target(values) as target:
        if values.replay is not None:
            return await _replay(target, values.replay)
        findings = await _play(target, values, tally)
        if isinstance(target, LocalBroker):
            await target.settle()
    findings += [Finding(problem, ()) for problem in target.problems()]
    if isinstance(target, LocalBroker) and findings:
        findings = await _narrowed(findings)
    _print_summary(target, tally)
    for finding in findings:
        _print_finding(finding, values)
    return 1 if findings else 0


async def _replay(target: Target, seed: int) -> int:
    case = case_of(seed, target.login)
    conversation = Conversation(case, target.connect, Transcript(print))
    await conversation.run()
    problems = [*conversation.faults, *(problem.text for problem in target.problems())]
    for problem in problems:
        print(f"! {problem}")
    return 1 if problems else 0


async def _play(target: Target, values: argparse.Namespace, tally: Tally) -> list[Finding]:
    """Play the cases; what was found, where it is a matter of time only if it was seen twice."""
    seeds = _seeds(values)
    findings: list[Finding] = []
    for _ in range(_SECOND_LOOKS_MAX):
        findings = await _campaign(target, seeds, values, tally)
        suspects = sorted({seed for finding in findings for seed in finding.seeds})
        if not findings or not all(finding.problem.is_of_time for finding in findings):
            return findings
        again = await _campaign(target, iter(suspects), values, tally)
        if again:
            return again
        print(f"{findings[0].problem.text}, and not when the same cases were played again")
    return findings


async def _campaign(
    target: Target, seeds: Iterator[int], values: argparse.Namespace, tally: Tally
) -> list[Finding]:
    campaign = Campaign(target, seeds, tally, together=values.together)
    async with trio.open_nursery() as nursery:
        if sys.stderr.isatty():
            nursery.start_soon(_show_progress, tally)
        await campaign.run()
        nursery.cancel_scope.cancel()
    return campaign.findings


def _seeds(values: argparse.Namespace) -> Iterator[int]:
    """The seeds until the cases are enough or the time is over."""
    seconds = float("inf") if values.seconds is None else values.seconds
    ends = time.monotonic() + seconds
    for number in count() if values.cases is None else range(values.cases):
        if time.monotonic() > ends:
            return
        yield values.seed + number


async def _narrowed(findings: list[Finding]) -> list[Finding]:
    """Play each suspect alone, with a broker of its own, to see which case it was."""
    guilty: list[Finding] = []
    for seed in sorted({seed for finding in findings for seed in finding.seeds}):
        async with a_local_broker() as broker:
            campaign = Campaign(broker, iter([seed]), Tally())
            await campaign.run()
        guilty += campaign.findings
    return guilty or findings


async def _show_progress(tally: Tally) -> None:
    try:
        while True:
            rate = tally.case_count / tally.seconds
            sys.stderr.write(f"\r{tally.case_count:,} cases, {rate:.0f} a second ")
            sys.stderr.flush()
            await trio.sleep(_PROGRESS_SECONDS)
    finally:
        sys.stderr.write("\r\x1b[K")


def _print_summary(target: LocalBroker | RemoteBroker, tally: Tally) -> None:
    print(
        f"{tally.case_count:,} cases with {tally.connection_count:,} connections in "
        f"{tally.seconds:.1f} s: {tally.byte_count / _MIB:,.1f} MiB sent, "
        f"{tally.frame_count:,} frames answered"
    )
    print(f"a healthy client made {target.trip_count:,} round trips beside them; {target.figures}")


def _print_finding(finding: Finding, values: argparse.Namespace) -> None:
    print(f"FOUND: {finding.problem.text}")
    where = "--in-process" if values.in_process else "--own" if values.own else values.url
    if len(finding.seeds) > 1:
        print("  by one of these cases, or by several together:")
    for seed in finding.seeds:
        print(f"  amqpbroker fuzz {where} --replay {seed}")


@asynccontextmanager
async def _target(values: argparse.Namespace) -> AsyncGenerator[LocalBroker | RemoteBroker]:
    """The broker that the options name."""
    if values.in_process:
        async with a_local_broker() as local:
            yield local
    elif values.own:
        async with an_own_broker(is_durable=values.durable) as own, a_broker_watched(own):
            yield own
    else:
        broker = RemoteBroker(
            values.url, process_id=values.pid, log_path=values.log,
            memory_bytes_max=values.memory_bound * _MIB,
        )  # fmt: skip
        async with a_broker_watched(broker):
            yield broker
