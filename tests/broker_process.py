"""A broker as a process of its own, as a user starts it, and with a limit on its lifetime."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer

ROOT = Path(__file__).parent.parent
MODULE = (sys.executable, "-m", "amqpbroker")
#: A process that is still there after this is killed: the test that waits for it then fails.
LIFETIME_S = 60.0
STOP_S = 10.0
LOG_BYTES_MAX = 1_000_000


class BrokerProcess:
    """``amqpbroker serve``, started, and ready as soon as this exists."""

    def __init__(
        self,
        *options: str,
        command: Sequence[str] = MODULE,
        environment: Mapping[str, str] | None = None,
        log_descriptor: int | None = None,
    ) -> None:
        """Start it on a free port, unless the options or the environment name one.

        Its log goes to *log_descriptor*, for a test that waits for what it says, or to `log`.
        """
        self._log = TemporaryFile()  # noqa: SIM115  # closed by `close`
        self._process = subprocess.Popen(
            [*command, "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log if log_descriptor is None else log_descriptor,
            text=True,
            cwd=ROOT,
            env={**os.environ, "AMQPBROKER_PORT": "0", **(environment or {})},
        )
        self._deadman = Timer(LIFETIME_S, self._process.kill)
        self._deadman.start()
        assert self._process.stdout is not None
        self.ready_lines: list[str] = []
        for line in self._process.stdout:
            self.ready_lines.append(line.rstrip("\n"))
            if line == " Server startup complete\n":
                break
        urls = [url for line in self.ready_lines for url in re.findall(r"amqps?://\S+", line)]
        assert urls, f"it did not start: {self.ready_lines} {self.log()}"
        self.url = urls[0]
        self.tls_url = next((url for url in urls if url.startswith("amqps")), "")

    @property
    def port(self) -> int:
        return _port_of(self.url)

    @property
    def tls_port(self) -> int:
        return _port_of(self.tls_url)

    def peak_bytes(self) -> int:
        """The most memory that it has had at any time."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def log(self) -> str:
        """What it has written to standard error."""
        # Not with `seek`: the process writes where we would stand.
        return os.pread(self._log.fileno(), LOG_BYTES_MAX, 0).decode()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> tuple[int, float]:
        """The exit status, and how many seconds it took from now."""
        began = time.monotonic()
        status = self._process.wait(STOP_S)
        return status, time.monotonic() - began

    def close(self) -> None:
        """Kill what is left of it."""
        self._deadman.cancel()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@contextmanager
def a_broker(
    *options: str,
    command: Sequence[str] = MODULE,
    environment: Mapping[str, str] | None = None,
    log_descriptor: int | None = None,
) -> Generator[BrokerProcess]:
    """A broker for the time of the block; nothing may have gone wrong inside it."""
    broker = BrokerProcess(
        *options, command=command, environment=environment, log_descriptor=log_descriptor
    )
    try:
        yield broker
        assert "Traceback" not in broker.log(), broker.log()
    finally:
        broker.close()
