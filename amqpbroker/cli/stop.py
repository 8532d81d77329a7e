"""`amqpbroker stop`: end a broker that `amqpbroker start` has started."""

import argparse
import os
import signal
import sys

from amqpbroker.cli import background
from amqpbroker.cli.background import Trouble


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = (
        "Stop a broker that 'amqpbroker start' has started, and wait for its end. "
        "It is no mistake when none runs."
    )
    parser.add_argument(
        "--name", default=background.DEFAULT_NAME, metavar="NAME",
        help="what it was called (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS",
        help="how long it may take; then it is killed (default: 10)",
    )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Stop it; the exit status."""
    try:
        started = background.find(values.name)
        if started is None or not started.is_running:
            print(f"no broker named '{values.name}' runs")
        else:
            os.kill(started.pid, signal.SIGTERM)
            if not started.wait_until_gone(values.timeout):
                os.kill(started.pid, signal.SIGKILL)
                started.wait_until_gone(values.timeout)
                print("amqpbroker stop: it took too long and was killed", file=sys.stderr)
                background.forget(started)
                return 1
            print(f"broker '{values.name}' has stopped")
        if started is not None:
            background.forget(started)
    except ProcessLookupError:
        print(f"broker '{values.name}' has stopped")
    except Trouble as error:
        print(f"amqpbroker stop: {error}", file=sys.stderr)
        return 1
    return 0
