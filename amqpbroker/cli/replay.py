"""`amqpbroker replay`: say again what was recorded, and show what is answered differently."""

import argparse
import sys
from pathlib import Path

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
        "url", metavar="URL", help="the broker: amqp://USER:PASSWORD@HOST:PORT/VHOST"
    )
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
        replayer = Replayer(entries, values.url, values.patience)
        differences = replayer.run()
    except (OSError, ValueError, WrongRecording) as error:
        print(f"amqpbroker replay: {error}", file=sys.stderr)
        return 2
    if differences:
        print(differences_text(differences))
        print(f"\n{len(differences)} channels with other answers", file=sys.stderr)
        return 1
    print(f"{replayer.said_count} methods said, and all answers were as recorded")
    return 0
