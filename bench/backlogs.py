"""A backlog that is longer than what a queue keeps in memory: filled, restarted on, drained."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
from pamqp import commands

from bench.brokers import Broker, our_broker
from bench.client import Client
from bench.load import ConsumeJob, PublishJob
from bench.messages import Fixed
from bench.plan import Ground, Measured, Timing
from bench.workforce import hire

_LOOK_S = 0.005


@attrs.frozen
class LongBacklog:
    """Persistent messages with confirms into one durable queue; then a new broker, and a reader."""

    count: int = 1_000_000
    body_bytes: int = 1_000
    serve_arguments: Sequence[str] = ()
    needs_fresh_broker: bool = False
    is_ours_only: bool = True

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        del broker, timing  # it starts its own, and goes by messages
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            arguments = ("--data-dir", str(Path(directory, "data")))
            figures: dict[str, float] = {}
            with our_broker(arguments) as ours:
                figures |= self._fill(ours)
            began = time.perf_counter()
            with our_broker(arguments) as ours:
                figures["restart_ms"] = (time.perf_counter() - began) * 1e3
                figures["restarted_resident_mb"] = ours.resident_mb() or 0.0
                figures |= self._drain(ours)
        return Measured(figures)

    def _fill(self, ours: Broker) -> dict[str, float]:
        (name,) = Ground(1).queue_names
        with Client.connect(ours.address) as admin:
            admin.call(commands.Queue.Declare(queue=name, durable=True), commands.Queue.DeclareOk)
        traffic = Fixed(self.body_bytes, is_persistent=True)
        job = PublishJob(ours.address, traffic, "", (name,), name, confirm=True, limit=self.count)
        with hire([job]) as (publisher,):
            publisher.start()
            outcome = publisher.outcome(600.0)
        resident_mb = ours.resident_mb() or 0.0
        return {"queued_per_s": outcome.count / outcome.seconds, "queued_resident_mb": resident_mb}

    def _drain(self, ours: Broker) -> dict[str, float]:
        (name,) = Ground(1).queue_names
        traffic = Fixed(self.body_bytes, is_persistent=True)
        job = ConsumeJob(ours.address, traffic, "", ((name,),), acks=True)
        with hire([job]) as (consumer,):
            began = time.perf_counter()
            consumer.start()
            while consumer.count < self.count and time.perf_counter() - began < 600:
                time.sleep(_LOOK_S)
            took_s = time.perf_counter() - began
            consumer.finish()
        return {"drained_per_s": self.count / took_s}
