"""`amqpbroker replay`: say again what was recorded, and show what is answered differently."""

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from amqpbroker.cli.plain_words import said_plainly

_EPILOG = """\
Times, generated names and the way in which confirms are put together are not compared; nor are
the user, who is the URL's, and heartbeats. Lines with - were recorded, those with + said now.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = (
        "Say the clients' side of a recording to a broker, and show where its answers differ: "
        "exit status 1 when they do."
    )
    parser.epilog = _EPILOG
    parser.add_argument("file", metavar="FILE", help="what 'amqpbroker record' has written")
    parser.add_argument(
        "url", metavar="URL", nargs="?",
        help="the broker: amqp://USER:PASSWORD@HOST:PORT/VHOST; without it a new one of our own",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=2.0, metavar="SECONDS",
        help="how long to wait for an answer that was recorded (default: 2)",
    )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Replay; the exit status."""
    from amqpbroker.testing.conversation import WrongRecording, read_recording
    from amqpbroker.testing.replayer import Replayer, differences_text

    try:
        entries = read_recording(Path(values.file))
        with _broker_at(values.url) as url:
            replayer = Replayer(entries, url, values.patience)
            differences = replayer.run()
    except (OSError, ValueError, WrongRecording) as error:
        print(f"amqpbroker replay: {said_plainly(error, values.url)}", file=sys.stderr)
        return 2
    if differences:
        print(differences_text(differences))
        print(f"\n{len(differences)} channels with other answers", file=sys.stderr)
        return 1
    print(f"{replayer.said_count} methods said, and all answers were as recorded")
    return 0


@contextmanager
def _broker_at(url: str | None) -> Generator[str]:
    """The URL of the broker to talk to; a new one, for the time of the block, if there is none."""
    if url is not None:
        yield url
        return
    from amqpbroker.testing.local_broker import broker

    with broker(journeys=0) as local:
        yield local.url
