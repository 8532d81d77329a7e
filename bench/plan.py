"""What every way of measuring has in common: a plan, its timing, and the ground it stands on."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

import attrs
from pamqp import commands

from bench.brokers import Broker
from bench.client import Address, Client
from bench.errors import BenchError

EXCHANGE_NAME = "amqpbroker-bench"


@attrs.frozen
class Timing:
    """How long one round of one workload takes."""

    seconds: float
    """What is measured."""
    warm_s: float = 0.5
    """What is not, before it."""


@attrs.frozen
class Measured:
    """What one round gave: figures by key, and what went wrong, a line each."""

    figures: Mapping[str, float]
    faults: tuple[str, ...] = ()


class Plan(Protocol):
    """A way to measure, with its numbers filled in."""

    @property
    def serve_arguments(self) -> Sequence[str]:
        """Options that our broker is started with."""
        ...

    @property
    def needs_fresh_broker(self) -> bool:
        """Whether our broker is started anew for each round: memory only ever grows."""
        ...

    @property
    def is_ours_only(self) -> bool:
        """Whether it starts our broker itself; rivals are not measured then."""
        ...

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        """Do one round; raise `BenchError` if the broker does not play."""
        ...


def queue_name(index: int) -> str:
    """Names of one length, so that deliveries have one size."""
    return f"amqpbroker-bench.{index:03d}"


@attrs.frozen
class Ground:
    """An exchange (the default one if *exchange_type* is empty), queues, bindings."""

    queue_count: int
    exchange_type: str = ""
    #: (queue index, binding key)
    bindings: tuple[tuple[int, str], ...] = ()
    is_durable: bool = False
    #: of every queue
    queue_arguments: Mapping[str, int | str] = attrs.Factory(dict[str, "int | str"])

    @property
    def exchange(self) -> str:
        return EXCHANGE_NAME if self.exchange_type else ""

    @property
    def queue_names(self) -> list[str]:
        return [queue_name(index) for index in range(self.queue_count)]

    @contextlib.contextmanager
    def laid(self, address: Address) -> Generator[Client]:
        """Declare all, empty; delete it at the end.  Yield the client that does so."""
        with contextlib.suppress(BenchError), Client.connect(address) as client:
            self._delete(client)  # what a run that was killed left behind
        with Client.connect(address) as client:
            self._declare(client)
            try:
                yield client
            finally:
                with contextlib.suppress(BenchError), Client.connect(address) as other:
                    self._delete(other)

    def _declare(self, client: Client) -> None:
        if self.exchange:
            declare = commands.Exchange.Declare(0, self.exchange, self.exchange_type)
            client.call(declare, commands.Exchange.DeclareOk)
        for name in self.queue_names:
            declare = commands.Queue.Declare(
                queue=name, durable=self.is_durable, arguments=dict(self.queue_arguments)
            )
            client.call(declare, commands.Queue.DeclareOk)
        for index, key in self.bindings:
            bind = commands.Queue.Bind(0, queue_name(index), self.exchange, key)
            client.call(bind, commands.Queue.BindOk)

    def _delete(self, client: Client) -> None:
        for name in self.queue_names:
            client.call(commands.Queue.Delete(queue=name), commands.Queue.DeleteOk)
        if self.exchange:
            delete = commands.Exchange.Delete(exchange=self.exchange)
            client.call(delete, commands.Exchange.DeleteOk)
