"""The load processes: how they are started, told to begin and to stop, and asked what they did.

    parent (`Worker`)                     child (`Desk`)
    hire           -- spawn -->           the job connects and prepares
                   <-- ready --           wait_for_go
    start          -- go ------>
                   <-- started --         tell_started, then the load itself
    count, pid     <-- shared memory --   set_count, as often as it likes
    finish         -- shared memory -->   is_stopped
                   <-- Outcome --         the job returns

Interrupting the parent (Ctrl-C) does not reach the children; it stops them itself.  Should it be
killed, they end after `LIFETIME_S` on their own.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import RawArray
from typing import Any, Protocol, TypeAlias

import attrs

from bench.errors import BenchError

LIFETIME_S = 600
FINISH_TIMEOUT_S = 60.0

_SPAWN = multiprocessing.get_context("spawn")
_STOP, _COUNTS = 0, 1  # indexes into the shared numbers

Numbers = ctypes.Array[ctypes.c_longlong]
Pipe: TypeAlias = "Connection[Any, Any]"  # not subscriptable when run


@attrs.frozen
class Outcome:
    """What a job did: what it did not do stands in *faults*, a line each."""

    count: int = 0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()
    #: whether a consumer was stopped within a delivery
    is_cut: bool = False
    #: latencies, and how late the load itself was; nanoseconds
    latencies_ns: Sequence[int] = ()
    lateness_ns: Sequence[int] = ()


class Job(Protocol):
    """What one process does; picklable, since it travels there."""

    @property
    def connection_count(self) -> int:
        """How many counts it keeps."""
        ...

    def run(self, desk: Desk) -> Outcome:
        """Do it; raise `BenchError` where the broker does not do its part."""
        ...


class Desk:
    """A job's line to the parent."""

    def __init__(self, numbers: Numbers, pipe: Pipe) -> None:
        self._numbers = numbers
        self._pipe = pipe

    def wait_for_go(self) -> None:
        self._pipe.send("ready")
        self._pipe.recv()

    def tell_started(self) -> None:
        self._pipe.send("started")

    @property
    def is_stopped(self) -> bool:
        return bool(self._numbers[_STOP])

    def set_count(self, index: int, count: int) -> None:
        """Say how many messages went over connection *index* so far."""
        self._numbers[_COUNTS + index] = count


class Worker:
    """A load process, seen from the parent."""

    def __init__(self, job: Job) -> None:
        self._numbers: Numbers = RawArray(ctypes.c_longlong, _COUNTS + job.connection_count)
        self._pipe, far_end = _SPAWN.Pipe()
        # It must not be hit by a Ctrl-C that is meant for the parent.  A blocked signal stays
        # blocked in a spawned process; the tracker's start would unblock it, so that goes first.
        resource_tracker.ensure_running()
        blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            self._process: SpawnProcess = _SPAWN.Process(
                target=_work, args=(job, self._numbers, far_end), daemon=True
            )
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
        far_end.close()
        self._outcome: Outcome | None = None

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def count(self) -> int:
        """Messages so far, on all its connections."""
        return sum(self._numbers[_COUNTS:])

    def start(self) -> None:
        """Let it begin, and return when it has; raise `BenchError` if it could not."""
        self._pipe.send("go")
        self._await("started")

    def await_ready(self) -> None:
        self._await("ready")

    def is_done(self) -> bool:
        """Whether it ended by itself: its limit is reached, or something went wrong."""
        return self._outcome is not None or self._pipe.poll()

    def stop(self) -> None:
        self._numbers[_STOP] = 1

    def finish(self, timeout_s: float = FINISH_TIMEOUT_S) -> Outcome:
        """Tell it to stop and return what it did; a worker that does not end is a fault."""
        self.stop()
        return self.outcome(timeout_s)

    def outcome(self, timeout_s: float = FINISH_TIMEOUT_S) -> Outcome:
        """Wait until it has done what it was told, and return what that came to."""
        if self._outcome is None:
            said = self._receive(timeout_s)
            fault = f"a load process did not stop in {timeout_s:.0f} s"
            self._outcome = said if isinstance(said, Outcome) else Outcome(0, faults=(fault,))
        return self._outcome

    def dismiss(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()
        self._pipe.close()

    def _await(self, word: str) -> None:
        got = self._receive(FINISH_TIMEOUT_S)
        if isinstance(got, Outcome):
            self._outcome = got
            raise BenchError("; ".join(got.faults) or "a load process ended early")
        if got != word:
            raise BenchError(f"a load process is not {word} after {FINISH_TIMEOUT_S:.0f} s")

    def _receive(self, timeout_s: float) -> str | Outcome | None:
        """Return what the process says next, None if it is silent for *timeout_s*."""
        if not self._pipe.poll(timeout_s):
            return None
        try:
            said: object = self._pipe.recv()
        except EOFError:
            return Outcome(self.count, faults=("a load process died",))
        assert isinstance(said, str | Outcome), said
        return said


@contextmanager
def hire(jobs: Sequence[Job]) -> Generator[list[Worker]]:
    """Start a process for each of *jobs*, all connected and waiting; dismiss them at the end."""
    workers: list[Worker] = []
    try:
        for job in jobs:
            workers.append(Worker(job))
        for worker in workers:
            worker.await_ready()
        yield workers
    finally:
        for worker in workers:
            worker.dismiss()


def _work(job: Job, numbers: Numbers, pipe: Pipe) -> None:
    signal.alarm(LIFETIME_S)
    try:
        outcome = job.run(Desk(numbers, pipe))
    except (BenchError, OSError) as error:
        outcome = Outcome(sum(numbers[_COUNTS:]), faults=(str(error) or repr(error),))
    pipe.send(outcome)
