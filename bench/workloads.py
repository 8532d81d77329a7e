"""What is measured: the table of workloads, with their figures and what was promised.

Order is the order of the run: memory at rest first, while the rivals are as they were found.
"""

from __future__ import annotations

import attrs

from bench.backlogs import LongBacklog
from bench.brokers import ON_DISK
from bench.crowds import Churn, Crowd, Stalled
from bench.delays import Pending
from bench.errors import BenchError
from bench.figures import Better, Figure
from bench.messages import Fixed, Graded, Keyed, Mixed, Topical
from bench.plan import Plan
from bench.probes import Backlog, Connections, Latency, Start
from bench.throughput import Throughput


@attrs.frozen
class Workload:
    name: str
    title: str
    plan: Plan
    figures: tuple[Figure, ...]


def published(ratio: float | None = None, *, is_pictured: bool = False) -> Figure:
    return Figure("published_per_s", "published", "/s", ratio_target=ratio, is_pictured=is_pictured)


def delivered(ratio: float | None = None) -> Figure:
    return Figure("delivered_per_s", "delivered", "/s", ratio_target=ratio, is_pictured=True)


def cpu(ratio: float | None = None) -> Figure:
    return Figure(
        "cpu_us_per_message",
        "broker CPU a message",
        "us",
        Better.LOWER,
        decimals=1,
        ratio_target=ratio,
        is_pictured=True,
    )


def persistent(
    body_bytes: int,
    *,
    window: int = 2_000,
    batch: int = 100,
    least: int = 100,
    prefetch: int = 1_000,
    ack_every: int = 50,
) -> Throughput:
    """Persistent messages through a durable queue; ours syncs before it confirms."""
    return Throughput(
        Fixed(body_bytes, is_persistent=True),
        confirm=True,
        acks=True,
        window=window,
        batch=batch,
        least=least,
        prefetch=prefetch,
        ack_every=ack_every,
        serve_arguments=ON_DISK,
        is_durable=True,
    )


CPU_PER_DELIVERY = Figure(
    "cpu_us_per_delivery", "broker CPU a delivery", "us", Better.LOWER, decimals=1
)


def milliseconds(
    key: str, label: str, at_most: float | None = None, *, is_pictured: bool = False
) -> Figure:
    return Figure(
        key,
        label,
        "ms",
        Better.LOWER,
        decimals=2,
        value_target=at_most,
        is_pictured=is_pictured,
    )


def megabytes(
    key: str, label: str, at_most: float | None = None, *, is_pictured: bool = False
) -> Figure:
    return Figure(
        key,
        label,
        "MB",
        Better.LOWER,
        decimals=1,
        value_target=at_most,
        is_pictured=is_pictured,
    )


LATENCIES = (
    milliseconds("p50_ms", "latency, median"),
    milliseconds("p99_ms", "latency, 99 %", 10, is_pictured=True),
    milliseconds("max_ms", "latency, longest"),
    # Part of the latencies above, and no broker's doing: the machine's.
    milliseconds("publisher_late_p99_ms", "of it the publisher's lateness, 99 %"),
)

WORKLOADS = (
    Workload(
        "connections",
        "1,000 connections, one channel each",
        Connections(),
        (
            megabytes("idle_mb", "resident, idle", 40, is_pictured=True),
            megabytes("connected_mb", "resident, connected"),
            Figure(
                "kb_per_connection",
                "memory a connection",
                "kB",
                Better.LOWER,
                decimals=1,
                value_target=25,
                is_pictured=True,
            ),
        ),
    ),
    Workload(
        "connections-5000",
        "5,000 idle connections, one channel each",
        Connections(count=5_000),
        (
            megabytes("connected_mb", "resident, connected", 165),
            Figure(
                "kb_per_connection",
                "memory a connection",
                "kB",
                Better.LOWER,
                decimals=1,
                value_target=25,
            ),
        ),
    ),
    Workload(
        "churn",
        "1,000 connections that open and close a second",
        Churn(),
        (
            Figure("opened_per_s", "opened and closed", "/s", value_target=950),
            milliseconds("open_p50_ms", "open after, median"),
            milliseconds("open_p99_ms", "open after, 99 %", 50),
            megabytes("grown_mb", "resident, grown by", 4),
        ),
    ),
    Workload(
        "queues-10000",
        "10,000 queues: declared, a message in each, deleted",
        Crowd(queues=10_000),
        (
            Figure("declared_per_s", "declared", "/s", value_target=5_000),
            Figure("published_per_s", "published, a queue each", "/s"),
            milliseconds("removed_ms", "deleted after"),
            Figure("kb_each", "memory a queue", "kB", Better.LOWER, decimals=1, value_target=4),
            milliseconds("others_p50_ms", "others wait, median"),
            milliseconds("others_max_ms", "others wait at most", 100),
        ),
    ),
    Workload(
        "bindings-100000",
        "100,000 bindings of 1,000 queues to a topic exchange",
        Crowd(queues=1_000, bindings=100_000),
        (
            Figure("bound_per_s", "bound", "/s", value_target=5_000),
            Figure("published_per_s", "published, a key each", "/s"),
            milliseconds("removed_ms", "exchange and queues deleted after"),
            Figure("kb_each", "memory a binding", "kB", Better.LOWER, decimals=1, value_target=2),
            milliseconds("others_p50_ms", "others wait, median"),
            milliseconds("others_max_ms", "others wait at most", 500),
        ),
    ),
    Workload(
        "stalled",
        "1,000 B at full speed, to a consumer that stops reading and goes on",
        Stalled(),
        (
            Figure("stalled_published_per_s", "published while it does not read", "/s"),
            megabytes("peak_mb", "resident at most", 200),
        ),
    ),
    Workload(
        "start",
        "Start, files compiled",
        Start(),
        (
            milliseconds("connectable_ms", "connectable after", 50),
            milliseconds("confirmed_ms", "first publish confirmed after", 250),
        ),
    ),
    Workload(
        "auto-ack-100",
        "100 B, auto-ack",
        Throughput(Fixed(100)),
        (delivered(4), published(), cpu(4)),
    ),
    Workload(
        "confirm-ack-100",
        "100 B, confirms + acks",
        Throughput(Fixed(100), confirm=True, acks=True),
        (delivered(4), published(), cpu(4)),
    ),
    Workload(
        "confirm-ack-1000",
        "1,000 B, confirms + acks",
        Throughput(Fixed(1_000), confirm=True, acks=True),
        (delivered(4), published(), cpu(4)),
    ),
    Workload(
        "publish-only",
        "100 B, publish only",
        Throughput(Fixed(100), consumers=0, limit=1_000_000, needs_fresh_broker=True),
        (published(4, is_pictured=True), cpu(4)),
    ),
    Workload(
        "one-in-flight",
        "100 B, one message in flight, confirm + ack",
        Throughput(
            Fixed(100), confirm=True, acks=True, window=1, batch=1, least=1, prefetch=1, ack_every=1
        ),
        (delivered(1.5), published(), cpu()),
    ),
    Workload(
        "twenty-by-twenty",
        "20 publishers, 20 queues, 20 consumers, window 10",
        Throughput(
            Fixed(100),
            publishers=20,
            consumers=20,
            queues=20,
            confirm=True,
            acks=True,
            window=10,
            batch=10,
            least=1,
            prefetch=10,
            ack_every=1,
        ),
        (delivered(2), published(), cpu()),
    ),
    Workload(
        "confirm-ack-100k",
        "100 kB, confirms + acks",
        Throughput(
            Fixed(100_000),
            confirm=True,
            acks=True,
            window=20,
            batch=1,
            least=1,
            prefetch=50,
            ack_every=10,
        ),
        (delivered(1), published(), cpu()),
    ),
    Workload(
        "fanout-10",
        "100 B, fanout to 10 queues, auto-ack",
        Throughput(Fixed(100), consumers=10, queues=10, exchange_type="fanout"),
        (delivered(3), published(), cpu(), CPU_PER_DELIVERY),
    ),
    Workload(
        "topic-1000",
        "100 B, topic exchange, 1,000 bindings, 4,000 keys, auto-ack",
        Throughput(
            Topical(queue_count=50, binding_count=1_000, key_count=4_000),
            consumers=5,
            queues=50,
            exchange_type="topic",
            topic_bindings=1_000,
            topic_keys=4_000,
        ),
        (delivered(3), published(), cpu(), CPU_PER_DELIVERY),
    ),
    Workload(
        "ttl-queue",
        "100 B, queue with a time to live, confirms + acks",
        Throughput(
            Fixed(100), confirm=True, acks=True, queue_arguments={"x-message-ttl": 3_600_000}
        ),
        (delivered(2), published(), cpu()),
    ),
    Workload(
        "length-limited-queue",
        "100 B, queue with a length limit, confirms + acks",
        Throughput(
            Fixed(100), confirm=True, acks=True, queue_arguments={"x-max-length": 10_000_000}
        ),
        (delivered(2), published(), cpu()),
    ),
    Workload(
        "priority-queue",
        "100 B, five priorities, confirms + acks",
        Throughput(Graded(), confirm=True, acks=True, queue_arguments={"x-max-priority": 5}),
        (delivered(2), published(), cpu()),
    ),
    Workload(
        "consistent-hash",
        "100 B, consistent hash over 10 queues, 1,000 keys, auto-ack",
        Throughput(Keyed(), consumers=10, queues=10, exchange_type="x-consistent-hash"),
        (delivered(2), published(), cpu()),
    ),
    Workload(
        "delayed-100000",
        "100 B, delayed exchange, 100,000 pending",
        Pending(),
        (
            Figure("delayed_per_s", "published and confirmed", "/s", value_target=20_000),
            Figure(
                "idle_cpu_percent",
                "broker CPU while they wait",
                "%",
                Better.LOWER,
                decimals=1,
                value_target=1,
            ),
            Figure("bytes_each", "memory a message", "B", Better.LOWER, value_target=1_000),
        ),
    ),
    Workload(
        "mixed",
        "Every message different: ids, headers, 0 to 8 kB, confirms + acks",
        Throughput(Mixed(), confirm=True, acks=True),
        (delivered(), published(), cpu()),
    ),
    Workload(
        "backlog",
        "100 B at full speed, unread for a while, then read",
        Backlog(),
        (
            Figure("unread_published_per_s", "published, unread", "/s"),
            published(),
            delivered(),
            Figure(
                "keeps_up",
                "delivered for each published",
                "",
                decimals=2,
                value_target=0.95,
            ),
            megabytes("unread_peak_mb", "resident at most, unread"),
            megabytes("peak_mb", "resident at most", 400),
        ),
    ),
    Workload(
        "persistent-100",
        "100 B, persistent, confirms + acks",
        persistent(100),
        (delivered(1.5), published(), cpu()),
    ),
    Workload(
        "persistent-1000",
        "1,000 B, persistent, confirms + acks",
        persistent(1_000),
        (delivered(1.5), published(), cpu()),
    ),
    Workload(
        "persistent-one-in-flight",
        "100 B, persistent, one message in flight, confirm + ack",
        persistent(100, window=1, batch=1, least=1, prefetch=1, ack_every=1),
        (delivered(1), published(), cpu()),
    ),
    Workload(
        "persistent-backlog",
        "1 kB, persistent, a million queued, then read",
        LongBacklog(),
        (
            Figure("queued_per_s", "published and confirmed, unread", "/s"),
            Figure("drained_per_s", "read and acked", "/s"),
            megabytes("queued_resident_mb", "resident, a million queued"),
            megabytes("restarted_resident_mb", "resident, after a restart with a million queued"),
            Figure(
                "restart_ms", "start with a million queued", "ms", Better.LOWER, value_target=3_000
            ),
        ),
    ),
    Workload("latency", "100 B, 5,000 a second", Latency(), LATENCIES),
    Workload(
        "latency-million",
        "100 B, 5,000 a second, a million others queued",
        Latency(queued=1_000_000),
        (
            *LATENCIES,
            megabytes("queued_resident_mb", "resident, a million queued", 400, is_pictured=True),
        ),
    ),
)


def find_workloads(names: list[str]) -> list[Workload]:
    """Return the workloads of these names, all if there are none; `BenchError` if unknown."""
    known = {workload.name: workload for workload in WORKLOADS}
    if unknown := [name for name in names if name not in known]:
        raise BenchError(f"no workload {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(WORKLOADS)
