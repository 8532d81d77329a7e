"""Messages that a delayed exchange holds back: what they cost while they wait.

RabbitMQ has this by a plugin that its packages do without, so there is no rival.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import attrs
from pamqp import commands

from bench.brokers import Broker, our_broker
from bench.client import Client
from bench.load import PublishJob
from bench.messages import Delayed
from bench.plan import EXCHANGE_NAME, Ground, Measured, Timing
from bench.workforce import hire


@attrs.frozen
class Pending:
    """*count* messages whose time has not come for an hour."""

    count: int = 100_000
    serve_arguments: Sequence[str] = ()
    needs_fresh_broker: bool = False
    is_ours_only: bool = True

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        del broker  # it starts its own
        (name,) = Ground(1).queue_names
        with our_broker(("--memory",)) as ours:
            with Client.connect(ours.address) as admin:
                declare = commands.Exchange.Declare(
                    0, EXCHANGE_NAME, "x-delayed-message", arguments={"x-delayed-type": "direct"}
                )
                admin.call(declare, commands.Exchange.DeclareOk)
                admin.call(commands.Queue.Declare(queue=name), commands.Queue.DeclareOk)
                bind = commands.Queue.Bind(0, name, EXCHANGE_NAME, name)
                admin.call(bind, commands.Queue.BindOk)
            empty_mb = ours.resident_mb() or 0.0
            job = PublishJob(
                ours.address, Delayed(), EXCHANGE_NAME, (name,), name, confirm=True,
                limit=self.count,
            )  # fmt: skip
            with hire([job]) as (publisher,):
                publisher.start()
                outcome = publisher.outcome(600.0)
            with Client.connect(ours.address) as admin:
                come_count = admin.message_count(name)
            before = ours.cpu_seconds() or 0.0
            time.sleep(timing.seconds)
            used_s = (ours.cpu_seconds() or 0.0) - before
            figures = {
                "delayed_per_s": outcome.count / outcome.seconds,
                "idle_cpu_percent": 100 * used_s / timing.seconds,
                "bytes_each": ((ours.resident_mb() or 0.0) - empty_mb) * 1e6 / self.count,
            }
        faults = [f"{come_count} were not held back"] if come_count else []
        return Measured(figures, (*outcome.faults, *faults))
