"""A client that does nothing wrong, while others do: it must be served, and served soon.

It publishes numbered messages to a queue of its own, and takes them again.

(H1) Every message that it published is confirmed, and delivered once and in order.
(H2) A round trip (publish, confirm, delivery) takes no longer than `LIMIT_SECONDS`, the time in
     which the broker or this client waited for a processor not counted.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from amqpbroker.spec import methods as m
from amqpbroker.testing.fuzz.client import Client, Lost
from amqpbroker.testing.fuzz.script import Login
from amqpbroker.testing.fuzz.strict import Fault
from amqpbroker.testing.raw_client import ServerAddress

#: The longest that a round trip may take, in seconds.
LIMIT_SECONDS: Final = 0.1
#: How long it rests between two round trips, in seconds.
REST_SECONDS: Final = 0.005
#: After this long without an answer the broker is taken to hang, in seconds.
HANG_SECONDS: Final = 20.0
_BATCHES: Final = (1, 1, 5, 20)
_BODY_TAIL: Final = b"." * 100


class Healthy:
    """The client and what it has seen.  `trip` is told how long each round trip took."""

    def __init__(self, client: Client, trip: Callable[[float], None]) -> None:
        self._client = client
        self._trip = trip
        self.trip_count = 0
        self._published_count = 0
        self._confirmed: set[int] = set()
        self._delivered_count = 0

    async def live(self, stop: trio.Event) -> None:
        """Make round trips until *stop* is set; raises `Lost` when one goes wrong."""
        client = self._client
        await client.open()
        await client.send(m.QueueDeclare(0, "", exclusive=True))
        queue = (await client.expect("queue.declare-ok")).values[0]
        assert isinstance(queue, bytes)
        await client.send(m.ConfirmSelect())
        await client.expect("confirm.select-ok")
        await client.send(m.BasicConsume(0, queue.decode(), "healthy"))
        await client.expect("basic.consume-ok")
        while not stop.is_set():
            began = time.monotonic()
            with trio.move_on_after(HANG_SECONDS) as scope:
                await self._round_trip(queue.decode())
            if scope.cancelled_caught:
                raise Lost(f"a client that does nothing wrong had no answer in {HANG_SECONDS:g} s")
            self.trip_count += 1
            self._trip(time.monotonic() - began)
            await trio.sleep(REST_SECONDS)

    async def _round_trip(self, queue_name: str) -> None:
        count = _BATCHES[self.trip_count % len(_BATCHES)]
        first = self._published_count + 1
        self._published_count += count
        numbers = range(first, first + count)
        await self._client.publish(queue_name, *(self._body(number) for number in numbers))
        while len(self._confirmed) < count or self._delivered_count < self._published_count:
            said = await self._client.receive()
            if said.name == "basic.deliver":
                self._delivered_count += 1
                if said.body != self._body(self._delivered_count):
                    raise Lost(
                        f"message {self._delivered_count} was due, and {said.body[:20]!r} came"
                    )
            elif said.name == "basic.ack":
                self._confirm(said.values, numbers)
            else:
                raise Lost(f"a client that does nothing wrong was sent {said}")
        self._confirmed.clear()
        await self._client.send(m.BasicAck(self._delivered_count, multiple=True))

    def _confirm(self, values: tuple[int | bytes, ...], numbers: range) -> None:
        tag, multiple = values
        assert isinstance(tag, int)
        confirmed = {one for one in numbers if one <= tag} if multiple else {tag}
        if tag not in numbers or confirmed <= self._confirmed:
            raise Lost(f"a confirm of {tag}, and {numbers} were published")
        self._confirmed |= confirmed

    @staticmethod
    def _body(number: int) -> bytes:
        return b"%d" % number + _BODY_TAIL


class Lateness:
    """How long a process has waited for a processor, which is nobody's fault here."""

    def __init__(self, process_ids: tuple[int, ...]) -> None:
        self._paths = [f"/proc/{process_id}/schedstat" for process_id in process_ids]
        self._waited_seconds = self._read()

    def since_last(self) -> float:
        """How long the processes together have waited since this was asked last, in seconds."""
        before, self._waited_seconds = self._waited_seconds, self._read()
        return self._waited_seconds - before

    def _read(self) -> float:
        total_ns = 0
        for path in self._paths:
            try:
                total_ns += int(Path(path).read_text(encoding="ascii").split()[1])
            except OSError:  # it is over, or this is no Linux
                pass
        return total_ns / 1e9


async def _watch(url: str, broker_id: int | None) -> None:
    """Live beside whatever else goes on, until standard input ends; say how it went."""
    address = ServerAddress.of(url)
    lateness = Lateness((os.getpid(), *([broker_id] if broker_id else [])))
    slowest_seconds = 0.0

    def trip(seconds: float) -> None:
        nonlocal slowest_seconds
        late_seconds = lateness.since_last()
        if seconds > LIMIT_SECONDS:
            seconds = max(seconds - late_seconds, 0.0)
        slowest_seconds = max(slowest_seconds, seconds)
        if seconds > LIMIT_SECONDS:
            print(f"slow {seconds:.3f}", flush=True)

    stop = trio.Event()
    healthy: Healthy | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_wait_for_end, stop)
        try:
            async with await trio.open_tcp_stream(address.host, address.port) as stream:
                login = Login(address.user, address.password, address.virtual_host)
                healthy = Healthy(Client(stream, login), trip)
                await healthy.live(stop)
        except (Lost, Fault, OSError) as error:
            print(f"lost {error}", flush=True)
        nursery.cancel_scope.cancel()
    count = 0 if healthy is None else healthy.trip_count
    print(f"trips {count} {slowest_seconds:.3f}", flush=True)


async def _wait_for_end(stop: trio.Event) -> None:
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        while await stream.receive_some(100):
            pass
    stop.set()


def main() -> None:
    """`python -m amqpbroker.testing.fuzz.healthy URL [PROCESS-ID]`: what `remote.py` starts."""
    url, *rest = sys.argv[1:]
    try:
        trio.run(_watch, url, int(rest[0]) if rest else None)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
