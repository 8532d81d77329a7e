"""The load itself: publishing and consuming so cheaply that the broker is what is measured.

A publisher sends blocks that were encoded before; a consumer counts bytes and acknowledges with
*multiple*.  Both work on raw sockets, several connections to a process, one system call for many
messages.  A process with one connection blocks in `recv`; with more it asks epoll first.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import attrs
from pamqp import commands

from bench.client import CHANNEL, FRAME_MAX, Address, Client
from bench.errors import BenchError
from bench.messages import Supply, Traffic, delivery_sizes
from bench.meters import ConfirmLedger, DeliveryMeter
from bench.workforce import Desk, Outcome

_PIECE_BYTES = 262_144  # read at once
_UNSENT_BYTES = 262_144
IDLE_S = 0.1  # how long to wait for bytes before looking around
_SETTLE_TIMEOUT_S = 30.0
_ACK = struct.Struct(">BHIHHQBB")


@attrs.frozen
class PublishJob:
    """Publish until stopped, or *limit* messages; then wait until the broker has them all."""

    address: Address
    traffic: Traffic
    exchange: str
    #: one connection each, which publishes with this key
    routing_keys: tuple[str, ...]
    #: a queue that gets the messages: without confirms, asking for it tells when all are in
    sync_queue_name: str
    confirm: bool = False
    window: int = 2_000  # unconfirmed messages of a connection at most
    batch: int = 100  # messages in one call of send at most
    least: int = 100  # ... and at least: what is worth a call
    limit: int | None = None

    @property
    def connection_count(self) -> int:
        return len(self.routing_keys)

    def run(self, desk: Desk) -> Outcome:
        assert self.confirm or self.connection_count == 1, "without confirms sending blocks"
        with connected(self.address, self.connection_count) as clients:
            lanes = [
                _PublishLane(self, client, routing_key, index, desk)
                for index, (client, routing_key) in enumerate(
                    zip(clients, self.routing_keys, strict=True)
                )
            ]
            desk.wait_for_go()
            began = time.perf_counter()
            desk.tell_started()
            for lane in lanes:
                lane.publish()
            ready = _Readable(lanes)
            while not desk.is_stopped and not all(lane.is_done for lane in lanes):
                for lane in ready.wait():
                    lane.turn()
            for lane in lanes:
                lane.settle()
            took = time.perf_counter() - began
            return Outcome(sum(lane.sent for lane in lanes), took)


class _PublishLane:
    """One publishing connection."""

    def __init__(
        self, job: PublishJob, client: Client, routing_key: str, index: int, desk: Desk
    ) -> None:
        if job.confirm:
            client.call(commands.Confirm.Select(), commands.Confirm.SelectOk)
        self.sent = 0
        self.socket = client.socket
        # Else megabytes would count as published that the broker has not seen.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
        self._client = client
        self._job = job
        self._index = index
        self._desk = desk
        self._ledger = ConfirmLedger()
        cycle = job.traffic.cycle(job.exchange, routing_key)
        self._supply = Supply(cycle, job.batch, job.least)

    @property
    def is_done(self) -> bool:
        return self._job.limit is not None and self.sent >= self._job.limit

    def turn(self) -> None:
        """Take confirms, if there are any to wait for, and publish what they make room for."""
        if self._job.confirm:
            self._read_confirms()
        self.publish()

    def publish(self) -> None:
        job = self._job
        room = job.window - (self.sent - self._ledger.confirmed_count) if job.confirm else job.batch
        while room > 0 and not self.is_done:
            raw, count = self._supply.take(room)
            if not count:
                return
            self.socket.sendall(raw)
            self.sent += count
            room -= count
            self._desk.set_count(self._index, self.sent)

    def settle(self) -> None:
        """Wait until the broker has taken everything; raise `BenchError` if it does not."""
        if not self._job.confirm:
            self.socket.settimeout(_SETTLE_TIMEOUT_S)
            self._client.message_count(self._job.sync_queue_name)
            return
        give_up_at = time.monotonic() + _SETTLE_TIMEOUT_S
        while missing := self.sent - self._ledger.confirmed_count:
            if time.monotonic() > give_up_at:
                raise BenchError(f"{missing} messages are not confirmed")
            self._read_confirms()

    def _read_confirms(self) -> None:
        try:
            piece = self.socket.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            raise BenchError("the broker hung up on a publisher")
        self._ledger.feed(piece)


@attrs.frozen
class ConsumeJob:
    """Consume until stopped; acknowledge if *acks*."""

    address: Address
    traffic: Traffic
    exchange: str
    #: one connection each, which consumes from these queues, on one channel
    subscriptions: tuple[tuple[str, ...], ...]
    acks: bool = False
    prefetch: int = 1_000
    ack_every: int = 50

    @property
    def connection_count(self) -> int:
        return len(self.subscriptions)

    def run(self, desk: Desk) -> Outcome:
        sizes = delivery_sizes(self.traffic, self.exchange, len(self.subscriptions[0][0]))
        with connected(self.address, self.connection_count) as clients:
            if self.acks:
                for client in clients:
                    qos = commands.Basic.Qos(prefetch_count=self.prefetch)
                    client.call(qos, commands.Basic.QosOk)
            desk.wait_for_go()
            for client, queue_names in zip(clients, self.subscriptions, strict=True):
                subscribe(client, queue_names, no_ack=not self.acks)
            desk.tell_started()
            lanes = [
                _ConsumeLane(self, client.socket, sizes, index, desk)
                for index, client in enumerate(clients)
            ]
            ready = _Readable(lanes)
            while not desk.is_stopped:
                for lane in ready.wait():
                    lane.read()
            for lane in lanes:
                lane.ack()
            is_cut = not all(lane.meter.is_between_deliveries for lane in lanes)
            return Outcome(sum(lane.meter.count for lane in lanes), is_cut=is_cut)


class _ConsumeLane:
    """One consuming connection."""

    def __init__(
        self, job: ConsumeJob, opened: socket.socket, sizes: Sequence[int], index: int, desk: Desk
    ) -> None:
        self.socket = opened
        self.meter = DeliveryMeter(sizes)
        self._acks = job.acks
        self._ack_every = job.ack_every
        self._acked = 0
        self._index = index
        self._desk = desk
        self._view = memoryview(bytearray(_PIECE_BYTES))

    def read(self) -> None:
        try:
            size = self.socket.recv_into(self._view)
        except BlockingIOError:
            self.ack()
            return
        if not size:
            raise BenchError("the broker hung up on a consumer")
        self.meter.feed(self._view[:size])
        if self.meter.count - self._acked >= self._ack_every:
            self.ack()
        self._desk.set_count(self._index, self.meter.count)

    def ack(self) -> None:
        """Acknowledge all that came, in one frame."""
        if self._acks and self.meter.count > self._acked:
            self._acked = self.meter.count
            self.socket.sendall(_ACK.pack(1, CHANNEL, 13, 60, 80, self._acked, 1, 0xCE))


def subscribe(client: Client, queue_names: Sequence[str], *, no_ack: bool) -> None:
    """Consume from each of *queue_names* under the tags that `messages` reckons with."""
    for index, queue_name in enumerate(queue_names):
        consume = commands.Basic.Consume(0, queue_name, f"c{index:02d}", False, no_ack)
        client.call(consume, commands.Basic.ConsumeOk)


class _Lane(Protocol):
    socket: socket.socket


_AnyLane = TypeVar("_AnyLane", bound=_Lane)


class _Readable(Generic[_AnyLane]):
    """Says which lanes to read from, waiting `IDLE_S` at most.

    A lone lane is always named: its `recv` waits by itself, which saves a system call.
    """

    def __init__(self, lanes: Sequence[_AnyLane]) -> None:
        self._lanes = {lane.socket.fileno(): lane for lane in lanes}
        for lane in lanes:
            lane.socket.settimeout(None)
            patience = struct.pack("ll", 0, int(IDLE_S * 1e6))
            lane.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self._epoll = select.epoll() if len(lanes) > 1 else None
        if self._epoll is not None:
            for descriptor in self._lanes:
                self._epoll.register(descriptor, select.EPOLLIN)

    def wait(self) -> Iterable[_AnyLane]:
        if self._epoll is None:
            return self._lanes.values()
        return [self._lanes[descriptor] for descriptor, _ in self._epoll.poll(IDLE_S)]


@contextmanager
def connected(address: Address, count: int) -> Generator[list[Client]]:
    """Open *count* connections; close them politely at the end, or at once after an error."""
    clients: list[Client] = []
    try:
        for _ in range(count):
            clients.append(Client.connect(address))
            if clients[-1].frame_max != FRAME_MAX:
                raise BenchError(f"the broker wants frames of {clients[-1].frame_max} bytes")
        yield clients
        for client in clients:
            client.close()
    finally:
        for client in clients:
            client.socket.close()
