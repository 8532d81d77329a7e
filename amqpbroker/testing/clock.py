"""The test's hand on the engine's clock.

What is due by the engine's clock: message TTL, queues that expire, delayed messages, consumer
timeouts.  Heartbeats and the limits of a handshake are the connections' own and stay on real
time: an hour that passes at once must not lose clients that are alive.

`advance` goes from one thing that is due to the next, in the order of their times.  After each it
lets the broker do what follows from it (a message expires, is dead-lettered, expires again in the
next queue) and hands the output to the sockets.  So retry ladders run to their end in one call.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from amqpbroker.testing.barriers import Barriers, Condition, StillOutstanding
from amqpbroker.testing.durations import Duration, milliseconds
from amqpbroker.testing.server_thread import ServerThread

#: How many times at which something is due one call goes through; more is taken for a mistake,
#: such as two queues whose messages expire into each other every millisecond.
STEPS_MAX: Final = 100_000


class Clock:
    """The time by which messages and queues expire.  It goes as real time does until told else."""

    def __init__(self, thread: ServerThread, barriers: Barriers) -> None:
        self._thread = thread
        self._barriers = barriers
        #: How many times at which something is due `advance` goes through before it gives up.
        self.steps_max = STEPS_MAX

    def __repr__(self) -> str:
        state = "frozen" if self.is_frozen else "running"
        return f"<Clock {self.now.isoformat(timespec='milliseconds')} {state}>"

    @property
    def now(self) -> datetime:
        """What time it is for the broker, in UTC."""
        now_ms = self._thread.call(self._thread.server.clock.read)
        return datetime.fromtimestamp(now_ms / 1000, UTC)

    @property
    def is_frozen(self) -> bool:
        """Whether only `advance` moves it."""
        return self._thread.call(lambda: self._thread.server.clock.is_frozen)

    def freeze(self) -> None:
        """Stand still from now on: nothing expires until `advance` or `resume`."""
        self._thread.call(self._thread.server.clock.freeze)

    def resume(self) -> None:
        """Go on in real time, from where it stands."""
        self._thread.call(self._thread.server.clock.resume)

    def advance(self, duration: Duration, *, reaction_seconds: float = 0.0) -> None:
        """Let *duration* pass now, and everything that is due in it happen in order.

        Clients react in real time, and their reactions may make more due: a worker that rejects
        what it is given again starts another wait.  With *reaction_seconds* the clock stops after
        each delivery until clients have acked or rejected what they were given, at most for so
        many seconds.  Raises `ValueError` for text that is no duration.
        """
        with self._standing() as now_ms:
            end_ms = now_ms + milliseconds(duration)
            while (unacked_count := self._step(end_ms, reaction_seconds)) is not None:
                try:
                    self._barriers.wait(*self._reactions(unacked_count, reaction_seconds))
                except StillOutstanding:
                    pass  # they do not react; time goes on

    async def async_advance(self, duration: Duration, *, reaction_seconds: float = 0.0) -> None:
        """As `advance`, for code under asyncio or trio that waits for reactions of its clients."""
        with self._standing() as now_ms:
            end_ms = now_ms + milliseconds(duration)
            while (unacked_count := self._step(end_ms, reaction_seconds)) is not None:
                reactions = self._reactions(unacked_count, reaction_seconds)
                try:
                    await self._barriers.async_wait(*reactions)
                except StillOutstanding:
                    pass  # they do not react; time goes on

    @contextmanager
    def _standing(self) -> Generator[int]:
        """What time it is; until the block ends, real time adds nothing to it."""
        clock = self._thread.server.clock
        was_frozen = self.is_frozen
        if not was_frozen:
            self.freeze()
        try:
            yield self._thread.look(clock.read)
        finally:
            if not was_frozen:
                self.resume()

    def _step(self, end_ms: int, reaction_seconds: float) -> int | None:
        """Go on to the end, or until clients were given something that they may react to.

        None at the end, else how many messages were unacked before.
        """
        return self._thread.call(self._go_on, end_ms, stops=reaction_seconds > 0)

    def _go_on(self, end_ms: int, *, stops: bool) -> int | None:
        server = self._thread.server
        schedule = server.broker.schedule
        steps = 0
        while (due_ms := schedule.next_deadline_ms()) is not None and due_ms <= end_ms:
            steps += 1
            if steps > self.steps_max:
                raise RuntimeError(
                    f"more than {self.steps_max} times at which something is due: do messages "
                    "expire from queue to queue without end? Advance in smaller steps"
                )
            unacked_count, delivered_count = self._counts()
            server.clock.jump(due_ms)
            self._finish()
            if stops and self._counts()[1] > delivered_count:
                return unacked_count
        server.clock.jump(end_ms)
        self._finish()
        return None

    def _finish(self) -> None:
        """Do what follows from what was due, and hand it to the sockets."""
        while self._thread.server.finish_round() == 0:
            pass

    def _counts(self) -> tuple[int, int]:
        """Messages that are unacked, and deliveries there have been, of all queues."""
        vhosts = self._thread.server.broker.vhosts.values()
        queues = [queue for vhost in vhosts for queue in vhost.queues.values()]
        return (
            sum(queue.unacked_count for queue in queues),
            sum(queue.delivered_count for queue in queues),
        )

    def _reactions(self, unacked_count: int, seconds: float) -> tuple[str, Condition, float]:
        def find_unsettled() -> list[str]:
            is_settled = self._thread.server.is_caught_up and self._counts()[0] <= unacked_count
            return [] if is_settled else ["messages that clients have not settled"]

        return "clients react", find_unsettled, seconds
