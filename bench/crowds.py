"""Many of something: connections that come and go, queues, bindings; and one who stops reading.

None of it is about speed first: nobody else may wait long meanwhile, memory may not grow without
bound, and nothing may be lost.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

import attrs
from pamqp import base, commands, frame

from bench.brokers import Broker
from bench.client import CHANNEL, FRAME_MAX, Address, Client, Reply
from bench.errors import BenchError
from bench.load import PublishJob, subscribe
from bench.messages import Fixed, delivery_sizes, encode_content, encode_publish
from bench.meters import DeliveryMeter
from bench.plan import EXCHANGE_NAME, Ground, Measured, Timing
from bench.probes import quantile
from bench.workforce import Desk, Outcome, Worker, hire

_SETTLE_S: Final = 1.0
_PING_EVERY_S: Final = 0.001
_TOGETHER: Final = 500  # requests that are sent before their answers are read
_SILENT_S: Final = 5.0  # without a byte: then no more will come
_PIECE_BYTES: Final = 262_144


# Connections that come and go


@attrs.frozen
class Churn:
    """Connections that open and close, *rate* a second, as long as a round lasts."""

    rate: int = 1_000
    threads: int = 16
    needs_fresh_broker: bool = True
    serve_arguments: Sequence[str] = ()
    is_ours_only: bool = False

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        visits = Visits(broker.address)
        for _ in range(self.rate // 2):  # what the first ones leave behind for all others
            visits.pay_one()
        time.sleep(_SETTLE_S)
        before_mb = broker.resident_mb()
        times_s, took_s = visits.pay(int(self.rate * timing.seconds), self.rate, self.threads)
        time.sleep(_SETTLE_S)
        after_mb = broker.resident_mb()
        ordered = sorted(int(one * 1e9) for one in times_s)
        figures = {
            "opened_per_s": len(times_s) / took_s,
            "open_p50_ms": quantile(ordered, 0.5) / 1e6,
            "open_p99_ms": quantile(ordered, 0.99) / 1e6,
        }
        if before_mb is not None and after_mb is not None:
            figures["grown_mb"] = after_mb - before_mb
        return Measured(figures, tuple(visits.faults))


class Visits:
    """Short connections: all of the handshake, and the goodbye."""

    def __init__(self, address: Address) -> None:
        self._address = address
        login = f"\0{address.user}\0{address.password}"
        start_ok = commands.Connection.StartOk(mechanism="PLAIN", response=login, locale="en_US")
        opening = commands.Connection.Open(virtual_host=address.vhost)
        self._steps: Sequence[tuple[bytes, type[base.Frame]]] = (
            (b"AMQP\x00\x00\x09\x01", commands.Connection.Start),
            (frame.marshal(start_ok, 0), commands.Connection.Tune),
            (
                frame.marshal(commands.Connection.TuneOk(100, FRAME_MAX, 0), 0)
                + frame.marshal(opening, 0),
                commands.Connection.OpenOk,
            ),
        )
        self._goodbye = frame.marshal(commands.Connection.Close(200, "", 0, 0), 0)
        self.faults: list[str] = []

    def pay(self, count: int, rate: int, threads: int) -> tuple[list[float], float]:
        """Pay *count* visits, so many a second; how long each took to open, and all together."""
        times_s: list[float] = []
        began = time.perf_counter()
        due = iter([began + index / rate for index in range(count)])
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    due_at = next(due, None)
                if due_at is None:
                    return
                time.sleep(max(0.0, due_at - time.perf_counter()))
                try:
                    times_s.append(self.pay_one())
                except (BenchError, OSError) as error:
                    self.faults.append(str(error) or repr(error))
                    return

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return times_s, time.perf_counter() - began

    def pay_one(self) -> float:
        """Pay one visit; the seconds until the connection was open."""
        began = time.perf_counter()
        with socket.create_connection((self._address.host, self._address.port), 30) as visitor:
            visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for raw, reply in self._steps:
                visitor.sendall(raw)
                _expect(visitor, reply)
            took = time.perf_counter() - began
            visitor.sendall(self._goodbye)
            _expect(visitor, commands.Connection.CloseOk)
        return took


def _expect(visitor: socket.socket, reply: type[base.Frame]) -> None:
    """Read one frame, which is this method; not decoded, for that costs as much as all else."""
    data = visitor.recv(4096)
    while len(data) < 8 or len(data) < int.from_bytes(data[3:7]) + 8:
        piece = visitor.recv(4096)
        if not piece:
            raise BenchError(f"the broker hung up instead of {reply.name}")
        data += piece
    if int.from_bytes(data[7:11]) != reply.index:
        raise BenchError(f"the broker did not answer {reply.name}: {data[:40]!r}")


# Many queues, many bindings


@attrs.frozen
class PingJob:
    """Ask a harmless question again and again, and note how long the answers took."""

    address: Address
    connection_count: int = 1

    def run(self, desk: Desk) -> Outcome:
        latencies_ns: list[int] = []
        with Client.connect(self.address) as client:
            desk.wait_for_go()
            desk.tell_started()
            while not desk.is_stopped:
                began = time.perf_counter_ns()
                client.call(commands.Basic.Qos(), commands.Basic.QosOk)
                latencies_ns.append(time.perf_counter_ns() - began)
                time.sleep(_PING_EVERY_S)
        return Outcome(len(latencies_ns), latencies_ns=latencies_ns)


@attrs.frozen
class Crowd:
    """Many *queues*, and many *bindings* of them to a topic exchange: made, used, taken away.

    Somebody else works meanwhile, and waits for the longest of their steps.
    """

    queues: int = 10_000
    bindings: int = 0
    needs_fresh_broker: bool = True
    serve_arguments: Sequence[str] = ()
    is_ours_only: bool = True  # the others take minutes

    def measure(self, broker: Broker, timing: Timing) -> Measured:
        del timing  # it does what it does
        figures: dict[str, float] = {}
        with hire([PingJob(broker.address)]) as (pinger,), Client.connect(broker.address) as client:
            pinger.start()
            time.sleep(_SETTLE_S)
            before_mb = broker.resident_mb()
            began = time.perf_counter()
            self._declare(client)
            figures["declared_per_s"] = self.queues / (time.perf_counter() - began)
            if self.bindings:
                before_mb = broker.resident_mb()
                began = time.perf_counter()
                self._bind(client)
                figures["bound_per_s"] = self.bindings / (time.perf_counter() - began)
            time.sleep(_SETTLE_S)
            after_mb = broker.resident_mb()
            faults = self._use(client, figures)
            began = time.perf_counter()
            self._take_away(client)
            figures["removed_ms"] = (time.perf_counter() - began) * 1e3
            pinged = pinger.finish()
        ordered = sorted(pinged.latencies_ns)
        figures["others_p50_ms"] = statistics.median(ordered) / 1e6
        figures["others_max_ms"] = ordered[-1] / 1e6
        if before_mb is not None and after_mb is not None:
            figures["kb_each"] = (after_mb - before_mb) * 1e3 / (self.bindings or self.queues)
        return Measured(figures, (*faults, *pinged.faults))

    def _declare(self, client: Client) -> None:
        requests = (commands.Queue.Declare(queue=self._name(index)) for index in range(self.queues))
        _ask_all(client, requests, commands.Queue.DeclareOk)

    def _bind(self, client: Client) -> None:
        declare = commands.Exchange.Declare(0, EXCHANGE_NAME, "topic")
        client.call(declare, commands.Exchange.DeclareOk)
        requests = (
            commands.Queue.Bind(0, self._name(index % self.queues), EXCHANGE_NAME, self._key(index))
            for index in range(self.bindings)
        )
        _ask_all(client, requests, commands.Queue.BindOk)

    def _use(self, client: Client, figures: dict[str, float]) -> list[str]:
        """Publish a message by each name or key; what got lost."""
        content = encode_content(commands.Basic.Properties(), b"x" * 100)
        count = self.bindings or self.queues
        names = map(self._key if self.bindings else self._name, range(count))
        exchange = EXCHANGE_NAME if self.bindings else ""
        began = time.perf_counter()
        while batch := list(islice(names, _TOGETHER)):
            messages = [encode_publish(exchange, name) + content for name in batch]
            client.socket.sendall(b"".join(messages))
        client.message_count(self._name(0))  # so that all are in
        figures["published_per_s"] = count / (time.perf_counter() - began)
        asked = (
            commands.Queue.Declare(queue=self._name(index), passive=True)
            for index in range(self.queues)
        )
        answers = _ask_all(client, asked, commands.Queue.DeclareOk)
        found = sum(answer.message_count or 0 for answer in answers)
        return [] if found == count else [f"{count} were published, {found} are there"]

    def _take_away(self, client: Client) -> None:
        if self.bindings:
            client.call(
                commands.Exchange.Delete(exchange=EXCHANGE_NAME), commands.Exchange.DeleteOk
            )
        requests = (commands.Queue.Delete(queue=self._name(index)) for index in range(self.queues))
        _ask_all(client, requests, commands.Queue.DeleteOk)

    @staticmethod
    def _name(index: int) -> str:
        return f"amqpbroker-bench.{index:05d}"

    @staticmethod
    def _key(index: int) -> str:
        return f"a{index % 100:02d}.b{index // 100 % 100:02d}.c{index // 10_000:03d}"


def _ask_all(client: Client, requests: Iterator[base.Frame], reply: type[Reply]) -> list[Reply]:
    """Send requests, some at a time, and read their answers."""
    answers: list[Reply] = []
    while batch := list(islice(requests, _TOGETHER)):
        client.socket.sendall(b"".join(frame.marshal(one, CHANNEL) for one in batch))
        answers += [client.expect(reply) for _ in batch]
    return answers


# A consumer that stops reading


@attrs.frozen
class Stalled:
    """A publisher at full speed; its consumer stops reading for as long as a round lasts.

    Memory stays under its limit meanwhile, and all of it arrives afterwards.
    """

    body_bytes: int = 1_000
    memory_limit_mb: int = 200
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
        meter = DeliveryMeter(delivery_sizes(traffic, "", len(name)))
        peak_mb = 0.0
        with (
            ground.laid(broker.address),
            Client.connect(broker.address) as consumer,
            hire([publish]) as (publisher,),
        ):
            subscribe(consumer, ground.queue_names, no_ack=True)
            consumer.socket.settimeout(0.1)
            publisher.start()
            end = time.perf_counter() + timing.warm_s
            while time.perf_counter() < end:
                _read(consumer, meter)
            read_count, published_count = meter.count, publisher.count
            began = time.perf_counter()
            while (stalled_s := time.perf_counter() - began) < timing.seconds:
                peak_mb = max(peak_mb, broker.resident_mb() or 0.0)
                time.sleep(0.02)
            rate = (publisher.count - published_count) / stalled_s
            publisher.stop()
            outcome = _read_all(consumer, meter, publisher)
            peak_mb = max(peak_mb, broker.resident_mb() or 0.0)
        faults = list(outcome.faults)
        if not faults and meter.count != outcome.count:
            faults.append(f"{outcome.count} were published, {meter.count} came")
        if not read_count:
            faults.append("the consumer had read nothing when it stopped")
        figures = {"stalled_published_per_s": rate}
        if peak_mb:
            figures["peak_mb"] = peak_mb
        return Measured(figures, tuple(faults))


def _read_all(consumer: Client, meter: DeliveryMeter, publisher: Worker) -> Outcome:
    """Read until the publisher has ended and no more comes."""
    silent_since = time.perf_counter()
    while time.perf_counter() - silent_since < _SILENT_S:
        if _read(consumer, meter):
            silent_since = time.perf_counter()
        elif publisher.is_done() and meter.count == publisher.outcome().count:
            break
    return publisher.outcome()


def _read(consumer: Client, meter: DeliveryMeter) -> int:
    try:
        piece = consumer.socket.recv(_PIECE_BYTES)
    except TimeoutError:
        return 0
    if not piece:
        raise BenchError("the broker hung up on the consumer")
    meter.feed(memoryview(piece))
    return len(piece)
