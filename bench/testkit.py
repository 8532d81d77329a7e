"""What the test kit costs a test suite: being ready, a vhost a test, a snapshot.

    python -m bench.testkit                            our figures
    python -m bench.testkit --write                    ... into docs/testing.md
    python -m bench.testkit --rabbitmq-port 5673 --rabbitmq-command 'rabbitmq-server'

The last one also starts another broker by a command, waits until it greets a client on that port,
and ends the command again.  Every figure of ours is the median of `REPEAT_COUNT`.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from amqpbroker.testing import LocalBroker, broker

PAGE: Final = Path(__file__).parent.parent / "docs" / "testing.md"
BEGIN: Final = "<!-- testkit: begin -->\n"
END: Final = "<!-- testkit: end -->"
REPEAT_COUNT: Final = 20
QUEUE_COUNT: Final = 20
MESSAGE_COUNT: Final = 50  # in each queue
START_SECONDS_MAX: Final = 120.0
_PROTOCOL_HEADER: Final = b"AMQP\0\0\x09\x01"
_IMPORT: Final = "import amqpbroker.testing.local_broker"


def milliseconds(action: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


class Stopwatch:
    """Takes the median of several times."""

    def __init__(self, repeat_count: int = REPEAT_COUNT) -> None:
        self.repeat_count = repeat_count

    def median(self, action: Callable[[], object]) -> float:
        """How long it takes."""
        return statistics.median(milliseconds(action) for _ in range(self.repeat_count))

    def start_and_stop(self) -> tuple[float, float]:
        """How long until a broker has greeted its first client, and until it is gone."""
        ready: list[float] = []
        gone: list[float] = []
        for _ in range(self.repeat_count):
            began = time.perf_counter()
            local = broker()
            assert greeted(local.port)
            ready.append((time.perf_counter() - began) * 1000)
            gone.append(milliseconds(local.close))
        return statistics.median(ready), statistics.median(gone)


def greeted(port: int) -> bool:
    """Whether a broker on *port* answers a client's protocol header."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(_PROTOCOL_HEADER)
            return client.recv(1) == b"\x01"
    except OSError:
        return False


def fill(local: LocalBroker) -> None:
    """Some queues with some messages."""
    vhost = local.vhost()
    for number in range(QUEUE_COUNT):
        queue = vhost.queue(f"queue-{number}").declare().bind("amq.topic", f"{number}.#")
        for _ in range(MESSAGE_COUNT):
            queue.publish(bytes(100))


def our_rows(watch: Stopwatch) -> list[tuple[str, float]]:
    """Our figures, in milliseconds."""
    import_ms = watch.median(lambda: subprocess.run([sys.executable, "-c", _IMPORT], check=True))
    bare_ms = watch.median(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
    ready_ms, gone_ms = watch.start_and_stop()
    rows = [
        ("importing `amqpbroker.testing`, once a process", import_ms - bare_ms),
        ("a broker, from nothing to greeting its first client", ready_ms),
        ("closing it", gone_ms),
    ]
    with broker() as local:
        names = [f"v{number}" for number in range(watch.repeat_count)]
        to_make, to_remove = iter(names), iter(names)
        made_ms = watch.median(lambda: local.add_vhost(next(to_make)))
        for name in names:
            for queue_name in "abc":
                local.vhost(name).queue(queue_name).declare().publish(b"x")
        removed_ms = watch.median(lambda: local.delete_vhost(next(to_remove)))
        fill(local)
        kept = local.snapshot()
        queue = local.vhost().queue("queue-0")
        what = f"of {QUEUE_COUNT} queues with {MESSAGE_COUNT} messages each"
        rows += [
            ("a virtual host made", made_ms),
            ("a virtual host removed, with three queues", removed_ms),
            (f"a snapshot {what}", watch.median(local.snapshot)),
            (f"a restore {what}", watch.median(lambda: local.restore(kept))),
            ("a look into a queue", watch.median(lambda: queue.ready_count)),
        ]
    return rows


def table_of(rows: Sequence[tuple[str, float]]) -> str:
    """The figures in Markdown."""
    lines = [f"| {what} | {figure:,.2f} |" for what, figure in rows]
    return "\n".join(["| | ms |", "| --- | ---: |", *lines, ""])


def with_table(page: str, table: str) -> str:
    """The page with another table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table}{END}{after}"


def rival_start_ms(command: Sequence[str], port: int) -> float:
    """How long another broker takes from its command until it greets a client."""
    if greeted(port):
        raise SystemExit(f"something is listening on port {port} already")
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            while not greeted(port):
                if time.perf_counter() - began > START_SECONDS_MAX or process.poll():
                    raise SystemExit(f"{shlex.join(command)} did not start")
                time.sleep(0.01)
            return (time.perf_counter() - began) * 1000
        finally:
            process.send_signal(signal.SIGTERM)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m bench.testkit", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/testing.md")
    parser.add_argument("--rabbitmq-command", help="a command that starts another broker")
    parser.add_argument("--rabbitmq-port", type=int, help="where it will listen")
    values = parser.parse_args()
    rows = our_rows(Stopwatch())
    if values.rabbitmq_command:
        start_ms = rival_start_ms(shlex.split(values.rabbitmq_command), values.rabbitmq_port)
        rows.append(("for comparison: RabbitMQ, from its command to greeting a client", start_ms))
    table = table_of(rows)
    print(table, end="")
    if values.write:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
