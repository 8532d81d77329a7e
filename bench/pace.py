"""Latency: one process publishes at a steady rate, another notes when each message arrives.

The loop is open: a message carries the time at which it was *due*, and is sent late rather than
not at all, so a broker (or machine) that stalls is charged for everything that had to wait.  How
late the publisher itself was is kept beside the latencies, to tell one from the other.  Both
processes read CLOCK_MONOTONIC, which is one clock for the whole machine.
"""

from __future__ import annotations

import struct
import time
from array import array

import attrs
from pamqp import commands

from bench.client import CHANNEL, Address
from bench.errors import BenchError
from bench.load import IDLE_S, connected, subscribe
from bench.messages import Fixed, delivery_sizes, stamped_message
from bench.meters import DeliveryMeter
from bench.workforce import Desk, Outcome

_PIECE_BYTES = 262_144
_PREFETCH = 1_000
_STAMP = struct.Struct(">q")
_ACK = struct.Struct(">BHIHHQBB")


@attrs.frozen
class PaceJob:
    """Publish *rate* messages a second until stopped; each body begins with its due time."""

    address: Address
    queue_name: str
    rate: int
    body_bytes: int

    @property
    def connection_count(self) -> int:
        return 1

    def run(self, desk: Desk) -> Outcome:
        raw, stamp_at = stamped_message(self.queue_name, self.body_bytes)
        interval_ns = 1_000_000_000 // self.rate
        lateness_ns = array("q")
        with connected(self.address, 1) as (client,):
            desk.wait_for_go()
            desk.tell_started()
            began_ns = due_ns = time.perf_counter_ns()
            while not desk.is_stopped:
                now_ns = time.perf_counter_ns()
                due = bytearray()
                while due_ns <= now_ns:
                    _STAMP.pack_into(raw, stamp_at, due_ns)
                    due += raw
                    lateness_ns.append(now_ns - due_ns)
                    due_ns += interval_ns
                if due:
                    client.socket.sendall(due)
                    desk.set_count(0, len(lateness_ns))
                else:
                    time.sleep((due_ns - now_ns) / 1e9)
            client.message_count(self.queue_name)
        took_s = (time.perf_counter_ns() - began_ns) / 1e9
        return Outcome(len(lateness_ns), took_s, lateness_ns=lateness_ns)


@attrs.frozen
class WatchJob:
    """Consume what a `PaceJob` publishes, acknowledge it, and note how long each took."""

    address: Address
    queue_name: str
    body_bytes: int

    @property
    def connection_count(self) -> int:
        return 1

    def run(self, desk: Desk) -> Outcome:
        (size,) = delivery_sizes(Fixed(self.body_bytes), "", len(self.queue_name))
        stamp_at = size - 1 - self.body_bytes
        latencies_ns = array("q")
        meter = DeliveryMeter([size])
        rest = b""
        with connected(self.address, 1) as (client,):
            client.call(commands.Basic.Qos(prefetch_count=_PREFETCH), commands.Basic.QosOk)
            desk.wait_for_go()
            subscribe(client, [self.queue_name], no_ack=False)
            desk.tell_started()
            client.socket.settimeout(IDLE_S)
            while not desk.is_stopped:
                try:
                    piece = client.socket.recv(_PIECE_BYTES)
                except TimeoutError:
                    continue
                now_ns = time.perf_counter_ns()
                if not piece:
                    raise BenchError("the broker hung up on a consumer")
                meter.feed(memoryview(piece))
                raw = rest + piece
                whole = len(raw) - len(raw) % size
                for at in range(stamp_at, whole, size):
                    (due_ns,) = _STAMP.unpack_from(raw, at)
                    latencies_ns.append(now_ns - due_ns)
                rest = raw[whole:]
                if whole:
                    client.socket.sendall(_ACK.pack(1, CHANNEL, 13, 60, 80, meter.count, 1, 0xCE))
                    desk.set_count(0, meter.count)
        return Outcome(meter.count, latencies_ns=latencies_ns)
