"""Throughput: messages a second and CPU a message, while publishers and consumers run.

    start consumers, publishers | warm up | count .. seconds .. count | stop publishers
                                | wait until all has arrived | stop consumers | compare

Rates are those between the counts.  CPU is that of the whole round, until the last delivery: a
broker that publishes faster than it delivers would else owe the rest.

Where nobody consumes, a fixed number of messages is timed instead, from the first byte until the
broker says that it has them all, and the queue is deleted with what is in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import attrs

from bench import procfs
from bench.brokers import Broker
from bench.client import Client
from bench.load import ConsumeJob, PublishJob
from bench.messages import Traffic, copies_of
from bench.plan import Ground, Measured, Timing
from bench.topics import topic_table
from bench.workforce import Worker, hire

_STUCK_S = 5.0  # without a single delivery: then no more will come
_SETTLED_S = 0.05  # after the last one is due, a superfluous one would come by then
_LOOK_S = 0.01


@attrs.frozen
class Throughput:
    """One load, described; connections, unless something else is said."""

    traffic: Traffic
    publishers: int = 1
    consumers: int = 1
    queues: int = 1
    exchange_type: str = ""
    topic_bindings: int = 0
    topic_keys: int = 0
    confirm: bool = False
    acks: bool = False
    window: int = 2_000
    batch: int = 100
    least: int = 100
    prefetch: int = 1_000
    ack_every: int = 50
    #: messages in all; only where nobody consumes
    limit: int | None = None
    serve_arguments: Sequence[str] = ()
    needs_fresh_broker: bool = False
    is_ours_only: bool = False
    is_durable: bool = False
    #: only with the default exchange
    queue_arguments: Mapping[str, int | str] = attrs.Factory(dict[str, "int | str"])

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        with self.ground.laid(broker.address) as admin:
            if self.limit is not None:
                return self._measure_limited(broker, admin)
            return self._measure_window(broker, timing, admin)

    @property
    def ground(self) -> Ground:
        if self.exchange_type == "topic":
            table = topic_table(self.queues, self.topic_bindings, self.topic_keys)
            return Ground(self.queues, "topic", table.bindings)
        if self.exchange_type == "fanout":
            return Ground(self.queues, "fanout", tuple((q, "") for q in range(self.queues)))
        if self.exchange_type == "x-consistent-hash":
            return Ground(
                self.queues, self.exchange_type, tuple((q, "1") for q in range(self.queues))
            )
        return Ground(self.queues, is_durable=self.is_durable, queue_arguments=self.queue_arguments)

    def publish_job(self, broker: Broker) -> PublishJob:
        names = self.ground.queue_names
        return PublishJob(
            address=broker.address,
            traffic=self.traffic,
            exchange=self.ground.exchange,
            # A fanout does not look at the key, but its length counts in the deliveries' size.
            routing_keys=tuple(names[i % len(names)] for i in range(self.publishers)),
            sync_queue_name=names[0],
            confirm=self.confirm,
            window=self.window,
            batch=self.batch,
            least=self.least,
            limit=self.limit,
        )

    def consume_job(self, broker: Broker) -> ConsumeJob:
        names = self.ground.queue_names
        return ConsumeJob(
            address=broker.address,
            traffic=self.traffic,
            exchange=self.ground.exchange,
            subscriptions=tuple(tuple(names[i :: self.consumers]) for i in range(self.consumers)),
            acks=self.acks,
            prefetch=self.prefetch,
            ack_every=self.ack_every,
        )

    def expected_count(self, published_count: int) -> int:
        """How many deliveries so many messages should have given."""
        if self.exchange_type == "fanout":
            return published_count * self.queues
        return copies_of(self.traffic, published_count)

    def _measure_window(self, broker: Broker, timing: Timing, admin: Client) -> Measured:
        with hire([self.consume_job(broker), self.publish_job(broker)]) as (consumer, publisher):
            consumer.start()
            began = Reading.take(broker, [publisher], [consumer])
            publisher.start()
            time.sleep(timing.warm_s)
            before = Reading.take(broker, [publisher], [consumer])
            time.sleep(timing.seconds)
            after = Reading.take(broker, [publisher], [consumer])
            published = publisher.finish()
            expected = self.expected_count(published.count)
            await_count(consumer, expected)
            ended = Reading.take(broker, [publisher], [consumer])
            consumed = consumer.finish()
        faults = [*published.faults, *consumed.faults]
        if not faults and (consumed.count != expected or consumed.is_cut):
            kept = sum(admin.message_count(name) for name in self.ground.queue_names)
            faults.append(f"{expected} were due, {consumed.count} came, {kept} are still there")
        figures = {**after.rates_since(before), **ended.costs_since(began)}
        return Measured(figures, tuple(faults))

    def _measure_limited(self, broker: Broker, admin: Client) -> Measured:
        with hire([self.publish_job(broker)]) as (publisher,):
            before = Reading.take(broker, [publisher], [])
            publisher.start()
            published = publisher.outcome()
            after = Reading.take(broker, [publisher], [])
        faults = [*published.faults]
        if not faults and (kept := admin.message_count(self.ground.queue_names[0])):
            if kept != published.count:
                faults.append(f"{published.count} were published, {kept} are there")
        figures = {**after.rates_since(before), **after.costs_since(before)}
        figures["published_per_s"] = published.count / max(published.seconds, 1e-9)
        return Measured(figures, tuple(faults))


@attrs.frozen
class Reading:
    """All counters at one moment."""

    time_s: float
    published: int
    delivered: int
    broker_cpu_s: float | None
    #: of each load process
    load_cpu_s: tuple[float, ...]
    resident_mb: float | None

    @classmethod
    def take(
        cls, broker: Broker, publishers: Sequence[Worker], consumers: Sequence[Worker]
    ) -> Reading:
        return cls(
            time.perf_counter(),
            sum(worker.count for worker in publishers),
            sum(worker.count for worker in consumers),
            broker.cpu_seconds(),
            tuple(procfs.cpu_seconds(worker.pid) for worker in (*publishers, *consumers)),
            broker.resident_mb(),
        )

    def rates_since(self, before: Reading) -> dict[str, float]:
        """Messages a second between *before* and now, and how busy both sides were."""
        took_s = self.time_s - before.time_s
        load = (now - then for now, then in zip(self.load_cpu_s, before.load_cpu_s, strict=True))
        rates = {
            "published_per_s": (self.published - before.published) / took_s,
            "delivered_per_s": (self.delivered - before.delivered) / took_s,
            # Near 1, the load and not the broker would be what was measured.
            "busiest_load_process": max(load) / took_s,
        }
        if self.broker_cpu_s is not None and before.broker_cpu_s is not None:
            rates["broker_cpu"] = (self.broker_cpu_s - before.broker_cpu_s) / took_s
        if self.resident_mb is not None:
            rates["resident_mb"] = self.resident_mb
        return rates

    def costs_since(self, before: Reading) -> dict[str, float]:
        """CPU a message: only right between moments at which nothing was under way."""
        if self.broker_cpu_s is None or before.broker_cpu_s is None:
            return {}
        cpu_us = (self.broker_cpu_s - before.broker_cpu_s) * 1e6
        counts = {
            "cpu_us_per_message": self.published - before.published,
            "cpu_us_per_delivery": self.delivered - before.delivered,
        }
        return {key: cpu_us / count for key, count in counts.items() if count}


def await_count(worker: Worker, expected: int) -> None:
    """Wait until *worker* has counted so many, or nothing comes any more."""
    _await_progress(lambda: worker.count, lambda count: count >= expected or worker.is_done())
    time.sleep(_SETTLED_S)


def _await_progress(current: Callable[[], int], is_enough: Callable[[int], bool]) -> None:
    count, since = current(), time.monotonic()
    while not is_enough(count) and time.monotonic() - since < _STUCK_S:
        time.sleep(_LOOK_S)
        if (now := current()) != count:
            count, since = now, time.monotonic()
