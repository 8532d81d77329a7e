"""One run: which broker, which Python, and how a single program becomes a row of the table."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from attrs import define, field, frozen

from interop import environment, process
from interop.broker import Broker, GivenBroker, our_broker
from interop.results import Result, Verdict

PROGRAM_SECONDS_MAX = 60.0


@frozen
class Entry:
    """Something that can be run by its name."""

    name: str
    client: str  # the client library that it uses
    summary: str
    perform: Callable[[Run], Result]


@define(slots=False)
class Run:
    """What all entries of one run share."""

    url: str | None  # None: each entry gets a new broker of ours
    python: Path | None = None  # None: an environment that is made for the clients
    suite_directory: Path | None = None  # a checkout of pika
    say: Callable[[str], None] = field(default=print)

    @cached_property
    def environment(self) -> environment.Environment:
        """The clients' Python, made when it is first asked for."""
        if self.python is not None:
            return environment.Environment(self.python)
        return environment.prepare(self.say)

    def client(self, distribution: str) -> str:
        """Name a client and its version, for the table."""
        return f"{distribution} {self.environment.versions.get(distribution, '(absent)')}"

    @contextmanager
    def broker(self, *options: str) -> Generator[Broker]:
        """The broker under test; a new one of ours has these *options* of ``amqpbroker serve``."""
        if self.url is not None:
            yield GivenBroker(self.url)
        else:
            with our_broker(*options) as broker:
                yield broker


def run_command(
    run: Run,
    name: str,
    client: str,
    command: Sequence[str | Path],
    directory: Path,
    *,
    seconds_max: float = PROGRAM_SECONDS_MAX,
) -> Result:
    """Run *command* with the broker's URL as its last argument; its status says how it went."""
    with run.broker() as broker:
        outcome = process.run([*command, broker.url], seconds_max=seconds_max, directory=directory)
    faults = broker.faults()
    result = Result(name, client, Verdict.PASSED, outcome.seconds)
    if not outcome.succeeded:
        result.verdict = Verdict.FAILED
        result.remark = outcome.reason()
        result.details.append(outcome.last_lines())
    if faults:
        result.verdict = Verdict.FAILED
        result.remark = result.remark or faults[0].splitlines()[0]
        result.details += faults
    return result
