"""`amqpbroker record`: write down what clients and a broker say, through a proxy."""

import argparse
import signal
import sys
from pathlib import Path

from amqpbroker.cli import options
from amqpbroker.cli.plain_words import said_plainly

_EPILOG = """\
example:
  amqpbroker record --upstream amqp://rabbitmq.test:5672/ checkout.amqp --port 5673
  ... run the program against port 5673, then Ctrl-C ...
  amqpbroker replay checkout.amqp

The file is text. It has no passwords, but it has the messages. Not for TLS.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Pass on what clients and a broker say, and write it into a file."
    parser.epilog = _EPILOG
    parser.add_argument(
        "--upstream", required=True, metavar="URL", help="the broker: amqp://HOST:PORT"
    )
    parser.add_argument(
        "--port", type=options.port, default=0, metavar="PORT",
        help="where clients come, on 127.0.0.1; 0 takes a free one (default: 0)",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="what to write; what is in it is lost")


def run(values: argparse.Namespace) -> int:
    """Record until SIGTERM or Ctrl-C; the exit status."""
    import trio

    from amqpbroker.testing.recorder import Recorder

    def ready(port: int) -> None:
        print(f"recording: amqp://127.0.0.1:{port}/ -> {values.upstream}", flush=True)

    async def record() -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(recorder.serve, "127.0.0.1", values.port, ready)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()

    try:
        with Path(values.file).open("w", encoding="utf-8", errors="backslashreplace") as file:
            recorder = Recorder(values.upstream, file)
            trio.run(record)
    except (ExceptionGroup, OSError, ValueError) as error:
        # What fails in a task comes in a group, and there is one such task.
        inner = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        if not isinstance(inner, OSError | ValueError):
            raise
        print(f"amqpbroker record: {said_plainly(inner, values.upstream)}", file=sys.stderr)
        return 1
    print(f"{recorder.connection_count} connections, {recorder.entry_count} entries")
    return 0
