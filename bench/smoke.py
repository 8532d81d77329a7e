"""A short run of ours alone, with floors so low that only a broken broker falls through.

It proves on any machine that the load runs, that everything arrives and that nothing has become
slower by an order of magnitude; it is no measurement.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from bench.crowds import Churn, Crowd, Stalled
from bench.figures import Better
from bench.messages import Fixed, Mixed, Topical
from bench.plan import Plan, Timing
from bench.probes import Backlog, Connections, Latency, Start
from bench.results import Run
from bench.runner import Progress, Race
from bench.throughput import Throughput
from bench.workloads import Workload

TIMING = Timing(seconds=0.6, warm_s=0.2)


@attrs.frozen
class Floor:
    """The worst that *key* may be."""

    key: str
    worst: float
    better: Better = Better.HIGHER

    def is_kept(self, value: float) -> bool:
        return value >= self.worst if self.better is Better.HIGHER else value <= self.worst


@attrs.frozen
class Check:
    """One short workload and its floors."""

    name: str
    plan: Plan
    floors: tuple[Floor, ...]


def at_most(key: str, worst: float) -> Floor:
    return Floor(key, worst, Better.LOWER)


CHECKS = (
    Check("auto-ack-100", Throughput(Fixed(100)), (Floor("delivered_per_s", 5_000),)),
    Check(
        "confirm-ack-100",
        Throughput(Fixed(100), confirm=True, acks=True),
        (Floor("delivered_per_s", 5_000),),
    ),
    Check(
        "publish-only",
        Throughput(Fixed(100), consumers=0, limit=50_000),
        (Floor("published_per_s", 5_000),),
    ),
    Check(
        "confirm-ack-100k",
        Throughput(Fixed(100_000), confirm=True, acks=True, window=20, batch=1, least=1),
        (Floor("delivered_per_s", 100),),
    ),
    Check(
        "fanout-10",
        Throughput(Fixed(100), consumers=10, queues=10, exchange_type="fanout"),
        (Floor("delivered_per_s", 5_000),),
    ),
    Check(
        "topic-1000",
        Throughput(
            Topical(queue_count=50, binding_count=1_000, key_count=500),
            consumers=5,
            queues=50,
            exchange_type="topic",
            topic_bindings=1_000,
            topic_keys=500,
        ),
        (Floor("delivered_per_s", 1_000),),
    ),
    Check(
        "mixed",
        Throughput(Mixed(message_count=500), confirm=True, acks=True),
        (Floor("delivered_per_s", 1_000),),
    ),
    Check("backlog", Backlog(), (Floor("delivered_per_s", 1_000),)),
    Check("latency", Latency(rate=500, queued=20_000), (at_most("p50_ms", 100),)),
    Check("churn", Churn(rate=100), (at_most("open_p50_ms", 100), at_most("grown_mb", 20))),
    Check("queues", Crowd(queues=1_000), (Floor("declared_per_s", 200),)),
    Check("bindings", Crowd(queues=50, bindings=2_000), (Floor("bound_per_s", 200),)),
    Check("stalled", Stalled(), (at_most("peak_mb", 220),)),
    Check("connections", Connections(count=50), (at_most("idle_mb", 100),)),
    Check("start", Start(runs=1), (at_most("confirmed_ms", 5_000),)),
)


def run_smoke(progress: Progress, checks: Sequence[Check] = CHECKS) -> list[str]:
    """Run all *checks*; return what is wrong, a line each."""
    race = Race(rivals=(), timing=TIMING, round_count=1, progress=progress)
    workloads = [Workload(check.name, check.name, check.plan, ()) for check in checks]
    return judge(race.run(workloads), checks)


def judge(run: Run, checks: Sequence[Check]) -> list[str]:
    """Hold *run* to the floors; a floor whose figure is missing is not kept."""
    wrong = run.faults()
    figures = {entry.workload: entry.figures for entry in run.rounds}
    for check in checks:
        for floor in check.floors:
            value = figures.get(check.name, {}).get(floor.key)
            if value is None:
                wrong.append(f"{check.name}: {floor.key} was not measured")
            elif not floor.is_kept(value):
                wrong.append(f"{check.name}: {floor.key} is {value:,.1f}, {floor.worst:,} expected")
    return wrong
