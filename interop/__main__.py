"""``python -m interop [--url AMQP_URL] [NAME...]``: run the clients, print a table.

The status is 0 only when everything passed that is expected to; 2 when the command line, or the
broker that it names, cannot be used.
"""

from __future__ import annotations

import argparse
import fnmatch
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from interop import catalogue
from interop.broker import BrokerFailedError
from interop.results import Result, Verdict, closing_line, table
from interop.run import Entry, Run

REACH_SECONDS_MAX = 5.0
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"  # a broker answers the header with connection.start


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    entries = catalogue.entries()
    if options.list:
        print(_listing(entries))
        return 0
    chosen = _chosen(entries, options.names, parser)
    if options.suite is not None and not (options.suite / "tests" / "acceptance").is_dir():
        parser.error(f"{options.suite} is no checkout of pika: it has no tests/acceptance")
    if options.suite is None and options.names == ["pika"]:
        parser.error("pika's tests are in no distribution of it: give a checkout, --suite DIR")
    if options.url is not None and (reason := _unreachable(options.url)) is not None:
        parser.error(reason)
    # Leave nothing running behind: SIGTERM ends this as an exception would.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Its path must hold in other directories too, and its links must stay: it may be a venv's.
    python = None if options.python is None else options.python.absolute()
    run = Run(options.url, python, options.suite, say=_say)
    results = [_perform(entry, run) for entry in chosen]
    print(_report(results))
    return 1 if any(result.verdict is Verdict.FAILED for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m interop",
        description="Run other people's clients, unmodified, against a broker.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run; 'pika_*' works too")
    parser.add_argument("--list", action="store_true", help="tell what there is, and end")
    parser.add_argument("--url", help="a running broker; without it, ours is started for each")
    parser.add_argument("--suite", type=Path, metavar="DIR", help="a checkout of pika's repository")
    parser.add_argument(
        "--python",
        type=Path,
        metavar="PATH",
        help="run the clients that this Python has, instead of the pinned ones",
    )
    return parser


def _chosen(
    entries: Sequence[Entry], patterns: Sequence[str], parser: argparse.ArgumentParser
) -> list[Entry]:
    for pattern in patterns:
        if not any(fnmatch.fnmatch(entry.name, pattern) for entry in entries):
            parser.error(f"nothing is called '{pattern}': see --list")
    return [
        entry
        for entry in entries
        if not patterns or any(fnmatch.fnmatch(entry.name, pattern) for pattern in patterns)
    ]


def _perform(entry: Entry, run: Run) -> Result:
    _say(f"{entry.name} ...")
    try:
        result = entry.perform(run)
    except BrokerFailedError as error:
        first, _, rest = str(error).partition("\n")
        result = Result(entry.name, entry.client, Verdict.FAILED, remark=first, details=[rest])
    except subprocess.CalledProcessError as error:  # pip's, which has said why
        remark = f"the client could not be installed: {error}"
        result = Result(entry.name, entry.client, Verdict.FAILED, remark=remark)
    seconds = "" if result.verdict is Verdict.SKIPPED else f" in {result.seconds:.1f} s"
    _say(f"{entry.name} {result.verdict.value}{seconds}{result.remark and f': {result.remark}'}")
    return result


def _report(results: Sequence[Result]) -> str:
    parts = [
        f"\n--- {result.name}\n" + "\n".join(result.details)
        for result in results
        if result.verdict is Verdict.FAILED and result.details
    ]
    return "\n".join([*parts, "", table(results), "", closing_line(results)])


def _listing(entries: Sequence[Entry]) -> str:
    width = max(len(entry.name) for entry in entries)
    return "\n".join(f"{entry.name:<{width}}  {entry.summary}" for entry in entries)


def _unreachable(url: str) -> str | None:
    """Tell why no broker can be reached at *url*, or None."""
    parts = urlsplit(url)
    if parts.scheme != "amqp" or parts.hostname is None:
        return f"'{url}' is not an AMQP URL, as amqp://guest:guest@127.0.0.1:5672/"
    address = (parts.hostname, parts.port or 5672)
    try:
        with socket.create_connection(address, REACH_SECONDS_MAX) as connection:
            connection.sendall(PROTOCOL_HEADER)
            answered = connection.recv(1) == METHOD_FRAME
    except OSError as error:
        return f"no broker at {parts.hostname}:{address[1]}: {error.strerror or error}"
    return None if answered else f"what listens at {parts.hostname}:{address[1]} is no AMQP broker"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
