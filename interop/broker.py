"""The broker under test: ours, started for the occasion, or one that somebody else runs.

Ours is asked for by its command line, as a user would, and is held to its promises on the way
out: SIGTERM ends it with status 0, and nothing went wrong inside it that it had to log.
"""

from __future__ import annotations

import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from attrs import define, field

ROOT = Path(__file__).parent.parent
START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 10.0
LOG_LINES_MAX = 5_000

_URL = re.compile(r"amqp://\S+")
_TRACEBACK = "Traceback (most recent call last)"


class BrokerFailedError(Exception):
    """Our broker did not start; the text holds what it printed."""


class Broker(Protocol):
    """Where to connect, and what can be said about the broker afterwards."""

    url: str

    def faults(self) -> list[str]:
        """Tell what went wrong inside the broker, as far as we can see inside it."""
        ...


@define
class GivenBroker:
    """A broker that is not ours to start, stop, or look into."""

    url: str

    def faults(self) -> list[str]:
        return []


@define(eq=False)
class OurBroker:
    """A process of ours, with *options* for ``amqpbroker serve``; it may be started again."""

    options: tuple[str, ...] = ()
    port: int = 0  # 0 until it has run: then the same port again after a restart
    url: str = ""
    _process: subprocess.Popen[str] | None = None
    _watcher: threading.Thread | None = None
    _lines: deque[str] = field(factory=lambda: deque[str](maxlen=LOG_LINES_MAX))
    _stop_faults: list[str] = field(factory=list[str])

    def start(self) -> None:
        """Start, and return when it accepts connections.

        Raises:
            BrokerFailedError: it ended, or said nothing within `START_SECONDS_MAX`.
        """
        command = [sys.executable, "-m", "amqpbroker", "serve", "--memory"]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        urls: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._watcher = threading.Thread(
            target=self._watch, args=(self._process, urls), daemon=True
        )
        self._watcher.start()
        try:
            url = urls.get(timeout=START_SECONDS_MAX)
        except queue.Empty:
            url = None
        if url is None:
            self._process.kill()
            self._process.wait()
            self._process = None
            raise BrokerFailedError(f"our broker did not start\n{self.log_text()}")
        self.url = url
        self.port = urlsplit(url).port or 5672

    def stop(self) -> None:
        """End it as an operator would; what is wrong with how it ends is among the faults."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def faults(self) -> list[str]:
        faults = list(self._stop_faults)
        if self._process is not None and self._process.poll() is not None:
            faults.append(f"our broker ended by itself, status {self._process.returncode}")
        text = self.log_text()
        if _TRACEBACK in text:
            faults.append(f"our broker logged an error of its own:\n{_last_traceback(text)}")
        return faults

    def log_text(self) -> str:
        """The last of what it wrote, over all its starts."""
        return "".join(self._lines)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        ended_by_itself = process.poll() is not None
        process.send_signal(how)
        try:
            status = process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._stop_faults.append(f"our broker ran on for {STOP_SECONDS_MAX} s after SIGTERM")
            return
        if self._watcher is not None:
            self._watcher.join()
        if ended_by_itself:
            self._stop_faults.append(f"our broker ended by itself, status {status}")
        elif how is signal.SIGTERM and status != 0:
            self._stop_faults.append(f"our broker ended with status {status} after SIGTERM")

    def _watch(self, process: subprocess.Popen[str], urls: queue.SimpleQueue[str | None]) -> None:
        """Read all it prints, so that it never waits for us; tell the first URL, or None."""
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._lines.append(line)
                if found := _URL.search(line):
                    urls.put(found.group())
        urls.put(None)


@contextmanager
def our_broker(*options: str) -> Generator[OurBroker]:
    """Run a broker of ours until the block ends."""
    broker = OurBroker(options)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def _last_traceback(text: str) -> str:
    return text[text.rindex(_TRACEBACK) :].strip()
