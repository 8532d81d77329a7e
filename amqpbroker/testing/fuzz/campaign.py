"""Many cases against one broker, several at a time, until something is wrong or all are done.

What is wrong is found in three places: in a conversation (the broker answered what is not legal),
with the healthy client, and in the broker itself (`Target.problems`).  The last two do not say
which case did it, so all that were under way are named; `narrowed` plays each of them alone.
"""

import socket
import time
from collections.abc import Iterator
from typing import Final, Protocol

import attrs
import trio

from amqpbroker.testing.fuzz import values
from amqpbroker.testing.fuzz.client import Client, Lost
from amqpbroker.testing.fuzz.conversation import Conversation
from amqpbroker.testing.fuzz.script import Login, case_of
from amqpbroker.testing.fuzz.strict import Fault

#: How many cases are under way at once, unless told otherwise.
TOGETHER: Final = 50
#: After so many cases what they have left behind is deleted.
SWEEP_CASES: Final = 20
#: What a case may have declared besides its own names.
ODD_NAMES: Final = [
    name.decode() for name in values.NAMES if values.is_text(name) and not name.startswith(b"amq.")
]


class Target(Protocol):
    """A broker to be fuzzed, and a client that does nothing wrong beside it."""

    @property
    def login(self) -> Login:
        """Where the clients want in."""
        ...

    async def connect(self) -> socket.socket:
        """A new connection; its socket does not block.  Raises `OSError`."""
        ...

    def problems(self) -> list["Problem"]:
        """What has gone wrong since the last call, as far as can be seen from outside a case."""
        ...


@attrs.frozen
class Problem:
    """Something that is wrong with the broker.

    One that is a matter of time may be the machine's fault, and deserves a second look.
    """

    text: str
    is_of_time: bool = False


@attrs.frozen
class Finding:
    """Something that is wrong, and the cases that may have done it."""

    problem: Problem
    seeds: tuple[int, ...]


@attrs.define
class Tally:
    """What was done so far."""

    case_count: int = 0
    connection_count: int = 0
    byte_count: int = 0  # sent
    frame_count: int = 0  # answered, each read by the strict reader
    began: float = attrs.field(factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.began


class Campaign:
    """Plays the cases of *seeds* against a target."""

    def __init__(
        self, target: Target, seeds: Iterator[int], tally: Tally, *, together: int = TOGETHER
    ) -> None:
        self.tally = tally
        self.findings: list[Finding] = []
        self._target = target
        self._seeds = seeds
        self._together = together
        self._under_way: dict[int, None] = {}
        self._queue_names: list[str] = []
        self._exchange_names: list[str] = []
        self._unswept_count = 0
        self._sweeper: Client | None = None

    @property
    def has_failed(self) -> bool:
        """Whether something was found."""
        return bool(self.findings)

    async def run(self) -> None:
        """Play until something is wrong or there are no more seeds; tidy up."""
        sock = await self._target.connect()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        async with stream:
            self._sweeper = Client(stream, self._target.login)
            try:
                await self._sweeper.open()
                async with trio.open_nursery() as nursery:
                    for _ in range(self._together):
                        nursery.start_soon(self._play_on)
                await self._sweep()
            except* (Lost, Fault) as errors:
                for error in errors.exceptions:
                    self._found(str(error))
            self.look()

    def look(self) -> None:
        """See what is wrong with the broker."""
        for problem in self._target.problems():
            self.findings.append(Finding(problem, tuple(self._under_way)))

    async def _play_on(self) -> None:
        for seed in self._seeds:
            if self.has_failed:
                return
            await self._play(seed)
            self.look()
            if self._unswept_count >= SWEEP_CASES:
                await self._sweep()

    async def _play(self, seed: int) -> None:
        case = case_of(seed, self._target.login)
        conversation = Conversation(case, self._target.connect)
        self._under_way[seed] = None
        try:
            await conversation.run()
        except OSError as error:
            self._found(f"cannot connect: {error}")
        for fault in conversation.faults:
            self.findings.append(Finding(Problem(f"illegal answer on {fault}"), (seed,)))
        self.look()
        del self._under_way[seed]
        tally = self.tally
        tally.case_count += 1
        tally.connection_count += conversation.connection_count
        tally.byte_count += conversation.byte_count
        tally.frame_count += conversation.frame_count
        self._unswept_count += 1
        self._queue_names += (*case.queue_names, *conversation.generated_names)
        self._exchange_names += case.exchange_names

    def _found(self, text: str) -> None:
        self.findings.append(Finding(Problem(text), tuple(self._under_way)))

    async def _sweep(self) -> None:
        """Delete what the cases that are over have left behind."""
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is None:
            return  # somebody is at it
        queue_names, self._queue_names = self._queue_names, []
        exchange_names, self._exchange_names = self._exchange_names, []
        queue_names += ODD_NAMES
        exchange_names += ODD_NAMES
        self._unswept_count = 0
        await sweeper.delete(queue_names, exchange_names)
        self._sweeper = sweeper
