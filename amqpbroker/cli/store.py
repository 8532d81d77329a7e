"""`amqpbroker store`: check what a broker keeps on disk, and repair it."""

import argparse
import sys

from amqpbroker.server.run import StoreError, default_data_dir
from amqpbroker.storage.disk import RealDisk, StoreLocked
from amqpbroker.storage.repair import DAMAGED_DIRECTORY, Findings, check, repair


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Check what a broker keeps on disk, and repair it when it is damaged."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, what in (
        ("check", "read everything, say what is wrong, change nothing"),
        ("repair", "keep what can be read, drop the rest; the old files stay beside it"),
    ):
        action = actions.add_parser(name, help=what, description=f"{what.capitalize()}.")
        action.add_argument(
            "directory", metavar="DIR", nargs="?", default=default_data_dir(),
            help="as for 'serve --data-dir' (default: %(default)s)",
        )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Check or repair; the exit status is 1 when something is wrong and stays so."""
    path = values.directory
    try:
        disk = open_existing(path)
    except (OSError, StoreLocked) as error:
        from amqpbroker.cli.store_trouble import explain

        trouble = StoreError(path)
        trouble.__cause__ = error
        print(f"amqpbroker store: {explain(trouble)}", file=sys.stderr)
        return 1
    if values.action == "check":
        findings = check(disk)
        _print_faults(findings)
        if findings.faults:
            print(
                f"'amqpbroker store repair {path}' keeps what can be read: "
                f"{_contents(check_leniently(disk))}"
            )
            return 1
        print(f"{path} is good: {_contents(findings)}")
        return 0
    before, after = repair(disk)
    if not before.faults:
        print(f"{path} is good, there is nothing to repair: {_contents(before)}")
        return 0
    _print_faults(before)
    print(
        f"repaired: {path} has {_contents(after)}; the old files are in {path}/{DAMAGED_DIRECTORY}"
    )
    return 0


def open_existing(path: str) -> RealDisk:
    """Lock a store that is there; raises `OSError` and `StoreLocked`."""
    return RealDisk(path, must_exist=True)


def check_leniently(disk: RealDisk) -> Findings:
    """What a repair would keep."""
    return check(disk, passes_faults=True)


def _print_faults(findings: Findings) -> None:
    for fault in findings.faults:
        print(fault)
    if findings.torn_bytes:
        print(
            f"{findings.torn_bytes} bytes at the end are of a transaction that was under way when "
            "the broker or the machine stopped; that is no damage, the next start drops them"
        )


def _contents(findings: Findings) -> str:
    return (
        f"{findings.queue_count} queues with {findings.entry_count} messages, "
        f"{findings.size_bytes / 1024 / 1024:.1f} MiB in {findings.segment_count} files"
    )
