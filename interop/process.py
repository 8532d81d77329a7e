"""Run one command with a time limit, its output kept for when it is wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

PROGRESS_SECONDS = 10.0
OUTPUT_LINES_SHOWN = 25


@frozen
class Outcome:
    """How a command ended: ``status`` is None when its time was up."""

    status: int | None
    seconds: float
    output: str

    @property
    def succeeded(self) -> bool:
        return self.status == 0

    def last_lines(self) -> str:
        """The end of the output, where the reason usually stands."""
        return "\n".join(self.output.strip().splitlines()[-OUTPUT_LINES_SHOWN:])

    def reason(self) -> str:
        """One line for the table: the last thing that it said."""
        if self.status is None:
            return f"not done after {self.seconds:.0f} s"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line.partition(":")[0]]
        said = errors[-1:] or lines[-1:] or [f"status {self.status}, nothing said"]
        return said[0][:160]


def run(
    command: Sequence[str | Path],
    *,
    seconds_max: float,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    on_progress: Callable[[float], None] = lambda seconds: None,
) -> Outcome:
    """Run *command* to its end or for *seconds_max*; then it and its children are killed.

    *on_progress* is told the seconds so far, now and then.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status: int | None = None
        try:
            while status is None:
                left = began + seconds_max - time.monotonic()
                if left <= 0:
                    break
                try:
                    status = process.wait(min(left, PROGRESS_SECONDS))
                except subprocess.TimeoutExpired:
                    on_progress(time.monotonic() - began)
        finally:
            _end_group(process)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Outcome(status, time.monotonic() - began, text)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process and of what it started: they share a group of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
