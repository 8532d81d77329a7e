"""What is not throughput: latency, a queue that nobody reads, memory, starting."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
from pamqp import commands

from bench import procfs
from bench.brokers import Broker, start_process, stop_process
from bench.client import Address, Client
from bench.errors import BenchError
from bench.load import ConsumeJob, PublishJob
from bench.messages import Fixed, encode_content, encode_publish
from bench.pace import PaceJob, WatchJob
from bench.plan import Ground, Measured, Timing
from bench.throughput import Reading, await_count
from bench.workforce import Worker, hire

_SETTLE_S = 1.0  # for a broker to come to rest before its memory is read
_LOOK_S = 0.02

#: open files beyond one for each connection, on both sides: what else a broker may need meanwhile
DESCRIPTORS_SPARE = 300


@attrs.frozen
class Latency:
    """From publish to delivery at a fixed *rate*, with *queued* other messages lying there."""

    rate: int = 5_000
    body_bytes: int = 100
    queued: int = 0
    serve_arguments: Sequence[str] = ()
    is_ours_only: bool = False

    @property
    def needs_fresh_broker(self) -> bool:
        return self.queued > 0

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        ground = Ground(queue_count=2)
        name, other_name = ground.queue_names
        figures: dict[str, float] = {}
        with ground.laid(broker.address) as admin:
            faults = self._fill(broker, admin, other_name)
            if self.queued and (resident_mb := broker.resident_mb()) is not None:
                figures["queued_resident_mb"] = resident_mb
            watch = WatchJob(broker.address, name, self.body_bytes)
            pace = PaceJob(broker.address, name, self.rate, self.body_bytes)
            with hire([watch, pace]) as (watcher, pacer):
                watcher.start()
                pacer.start()
                time.sleep(timing.warm_s + timing.seconds)
                paced = pacer.finish()
                await_count(watcher, paced.count)
                watched = watcher.finish()
        faults += [*paced.faults, *watched.faults]
        if not faults and watched.count != paced.count:
            faults.append(f"{paced.count} were due, {watched.count} came")
        warm_count = int(self.rate * timing.warm_s)
        latencies = sorted(watched.latencies_ns[warm_count:])
        lateness = sorted(paced.lateness_ns[warm_count:])
        if not latencies or not lateness:
            return Measured(figures, (*faults, "nothing arrived in time to be measured"))
        for key, share in (("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1)):
            figures[key] = quantile(latencies, share) / 1e6
        figures["publisher_late_p99_ms"] = quantile(lateness, 0.99) / 1e6
        figures["published_per_s"] = paced.count / max(paced.seconds, 1e-9)
        return Measured(figures, tuple(faults))

    def _fill(self, broker: Broker, admin: Client, name: str) -> list[str]:
        """Lay the other messages into the queue *name*; tell what went wrong."""
        if not self.queued:
            return []
        job = PublishJob(
            broker.address, Fixed(100), "", (name,), name, confirm=True, limit=self.queued
        )
        with hire([job]) as (filler,):
            filler.start()
            filled = filler.outcome()
        time.sleep(_SETTLE_S)
        if not filled.faults and (there := admin.message_count(name)) != filled.count:
            return [f"{filled.count} were queued, {there} are there"]
        return list(filled.faults)


@attrs.frozen
class Backlog:
    """Publishers at full speed; nobody reads, and after a while somebody does.

    Deliveries must then keep up, or the publishers be slowed, and memory stay under its limit.
    """

    publishers: int = 2
    body_bytes: int = 100
    memory_limit_mb: int = 400
    needs_fresh_broker: bool = True
    is_ours_only: bool = False

    @property
    def serve_arguments(self) -> Sequence[str]:
        return ("--memory-limit", f"{self.memory_limit_mb}MB")

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        ground = Ground(queue_count=1)
        (name,) = ground.queue_names
        traffic = Fixed(self.body_bytes)
        publish = PublishJob(broker.address, traffic, "", (name,), name)
        consume = ConsumeJob(broker.address, traffic, "", ((name,),), acks=True)
        with ground.laid(broker.address) as admin:
            with hire([consume, *[publish] * self.publishers]) as (consumer, *publishers):
                start = Reading.take(broker, publishers, [consumer])
                for publisher in publishers:
                    publisher.start()
                unread, peak_mb = watch_memory(broker, publishers, consumer, timing.seconds)
                consumer.start()
                arrived = Reading.take(broker, publishers, [consumer])
                read, peak_read_mb = watch_memory(broker, publishers, consumer, timing.seconds)
                for publisher in publishers:
                    publisher.stop()
                published = [publisher.finish() for publisher in publishers]
                consumed = consumer.finish()
            faults = [fault for outcome in (*published, consumed) for fault in outcome.faults]
            published_count = sum(outcome.count for outcome in published)
            if not faults:
                kept = await_rest(admin, name, published_count - consumed.count)
                if kept + consumed.count != published_count:
                    faults.append(
                        f"{published_count} were published, {consumed.count} came, {kept} are there"
                    )
        while_unread, while_read = unread.rates_since(start), read.rates_since(arrived)
        figures = {
            "unread_published_per_s": while_unread["published_per_s"],
            "published_per_s": while_read["published_per_s"],
            "delivered_per_s": while_read["delivered_per_s"],
            "keeps_up": while_read["delivered_per_s"] / max(while_read["published_per_s"], 1.0),
        }
        if peak_mb is not None and peak_read_mb is not None:
            figures |= {"unread_peak_mb": peak_mb, "peak_mb": max(peak_mb, peak_read_mb)}
        return Measured(figures, tuple(faults))


@attrs.frozen
class Connections:
    """Resident memory at rest, and what each open connection with one channel adds."""

    count: int = 1_000
    needs_fresh_broker: bool = True
    serve_arguments: Sequence[str] = ()
    is_ours_only: bool = False

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        del timing  # memory does not depend on it
        if procfs.free_descriptors(os.getpid()) < self.count + DESCRIPTORS_SPARE:
            raise BenchError(f"too few open files are allowed for {self.count} connections")
        broker.require_descriptors(self.count + DESCRIPTORS_SPARE)
        Client.connect(broker.address).close()  # so that what the first one loads is not charged
        time.sleep(_SETTLE_S)
        idle_mb = broker.resident_mb()
        with contextlib.ExitStack() as stack:
            for _ in range(self.count):
                stack.enter_context(Client.connect(broker.address))
            time.sleep(_SETTLE_S)
            connected_mb = broker.resident_mb()
        if idle_mb is None or connected_mb is None:
            return Measured({}, ("its process is not known: no memory",))
        kb_each = (connected_mb - idle_mb) * 1e3 / self.count
        return Measured(
            {"idle_mb": idle_mb, "connected_mb": connected_mb, "kb_per_connection": kb_each}
        )


@attrs.frozen
class Start:
    """From starting the process: when a connection is accepted, when a publish is confirmed.

    The median of *runs* starts, after one that is not counted: it writes the .pyc files.
    """

    runs: int = 5
    needs_fresh_broker: bool = False
    serve_arguments: Sequence[str] = ()
    is_ours_only: bool = True

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        del broker, timing  # it starts its own
        time_start()
        connectable_s, confirmed_s = zip(*(time_start() for _ in range(self.runs)), strict=True)
        return Measured(
            {
                "connectable_ms": statistics.median(connectable_s) * 1e3,
                "confirmed_ms": statistics.median(confirmed_s) * 1e3,
            }
        )


def time_start() -> tuple[float, float]:
    """Start our broker; return the seconds until it accepts, and until it has confirmed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        address = Address("127.0.0.1", free_port())
        began = time.perf_counter()
        process = start_process(["--port", str(address.port)], Path(directory, "broker.log"))
        try:
            opened = connect_as_soon_as_possible(address, give_up_at=began + 10)
            connectable_s = time.perf_counter() - began
            with Client(opened, address) as client:
                declared = client.call(
                    commands.Queue.Declare(exclusive=True), commands.Queue.DeclareOk
                )
                client.call(commands.Confirm.Select(), commands.Confirm.SelectOk)
                content = encode_content(commands.Basic.Properties(), b"x" * 100)
                client.socket.sendall(encode_publish("", declared.queue or "") + content)
                client.expect(commands.Basic.Ack)
                return connectable_s, time.perf_counter() - began
        finally:
            stop_process(process)


def connect_as_soon_as_possible(address: Address, give_up_at: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection((address.host, address.port))
        except ConnectionRefusedError as error:
            if time.perf_counter() > give_up_at:
                raise BenchError("our broker does not listen after 10 s") from error
            time.sleep(0.000_5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def watch_memory(
    broker: Broker, publishers: Sequence[Worker], consumer: Worker, seconds: float
) -> tuple[Reading, float | None]:
    """Wait; return the last reading and the highest memory on the way."""
    peak_mb: float | None = None
    end = time.perf_counter() + seconds
    while True:
        reading = Reading.take(broker, publishers, [consumer])
        if reading.resident_mb is not None:
            peak_mb = max(peak_mb or 0.0, reading.resident_mb)
        if reading.time_s >= end:
            return reading, peak_mb
        time.sleep(_LOOK_S)


def await_rest(admin: Client, name: str, expected: int, timeout_s: float = 5.0) -> int:
    """Return how many messages the queue holds, when what was unacked has come back to it."""
    give_up_at = time.monotonic() + timeout_s
    while True:
        count = admin.message_count(name)
        if count == expected or time.monotonic() > give_up_at:
            return count
        time.sleep(_LOOK_S)


def quantile(ordered: Sequence[int], share: float) -> int:
    """Return the smallest of the values that *share* of them does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
