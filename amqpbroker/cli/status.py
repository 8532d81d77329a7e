"""`amqpbroker status`: whether a broker that `amqpbroker start` has started runs, and where."""

import argparse
import json
import sys

from amqpbroker.cli import background
from amqpbroker.cli.background import Trouble


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = (
        "Tell whether a broker that 'amqpbroker start' has started runs, and where: exit status 0 "
        "when it is ready, 3 when it runs and is not ready, 1 when it does not run."
    )
    parser.add_argument(
        "--name", default=background.DEFAULT_NAME, metavar="NAME",
        help="what it was called (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--output", choices=("text", "json"), default="text", help="how to say it (default: text)"
    )


def run(values: argparse.Namespace) -> int:
    """Tell; the exit status."""
    try:
        started = background.find(values.name)
    except Trouble as error:
        print(f"amqpbroker status: {error}", file=sys.stderr)
        return 1
    if started is None:
        facts: dict[str, object] = {"name": values.name, "running": False, "ready": False}
    else:
        facts = started.facts()
    if values.output == "json":
        print(json.dumps(facts))
    elif not facts["running"]:
        print(f"no broker named '{values.name}' runs")
    else:
        print(f"{facts['url'] or 'starting'} (process {facts['pid']}, output in {facts['log']})")
    if facts["ready"]:
        return 0
    return 3 if facts["running"] else 1
