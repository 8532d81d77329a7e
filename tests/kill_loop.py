"""Kills a broker again and again while clients publish and settle, and checks the books each time.

    python tests/kill_loop.py --kills 200 --seed 1

A real process, real clients (pika), kill -9 at random points of the traffic.  Messages are numbers.
They are published to an exchange that hands them to two queues; from one of these a consumer
acks most, and rejects some, which are dead-lettered.  After each kill the next process must have,
by what the clients were told:

(B1) every confirmed message that was neither acked nor rejected, in each queue, once;
(B2) none whose ack was safe: something was confirmed behind it on the same channel;
(B3) of what was rejected, each in its queue or with the dead letters, never in both or neither;
(B4) all in the order in which they were published.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress

import attrs
import pika
from broker_process import BrokerProcess
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

PERSISTENT = pika.BasicProperties(delivery_mode=2)
#: How long there is traffic before a kill, at most, in seconds.
TRAFFIC_SECONDS_MAX = 0.25


@attrs.define
class Books:
    """What the clients have done, and what they were told about it."""

    sent: set[int] = attrs.field(factory=set)
    confirmed: set[int] = attrs.field(factory=set)
    settled: set[int] = attrs.field(factory=set)  # acked or rejected, whether or not it arrived
    rejected: set[int] = attrs.field(factory=set)
    safely_settled: set[int] = attrs.field(factory=set)
    next_number: int = 1

    def faults(self, work: Sequence[int], copy: Sequence[int], dead: Sequence[int]) -> list[str]:
        """What is wrong with what the queues hold."""
        faults: list[str] = []
        for name, found in (("work", work), ("copy", copy)):
            if list(found) != sorted(set(found)):
                faults.append(f"{name} is out of order, or has doubles: {found[:20]}")
            if alien := set(found) - self.sent:
                faults.append(f"{name} has what nobody sent: {sorted(alien)}")
        if lost := self.confirmed - set(copy):
            faults.append(f"copy has lost {sorted(lost)[:20]} (B1)")
        if lost := self.confirmed - self.settled - set(work):
            faults.append(f"work has lost {sorted(lost)[:20]} (B1)")
        if back := (self.safely_settled & set(work)):
            faults.append(f"work has back {sorted(back)[:20]} (B2)")
        if doubled := set(work) & set(dead):
            faults.append(f"in work and dead: {sorted(doubled)} (B3)")
        if lost := (self.rejected & self.confirmed) - set(work) - set(dead):
            faults.append(f"rejected and gone: {sorted(lost)} (B3)")
        if wrong := set(dead) - self.rejected:
            faults.append(f"dead, though nobody rejected it: {sorted(wrong)} (B3)")
        if len(dead) != len(set(dead)):
            faults.append("doubles among the dead (B3)")
        return faults


@contextmanager
def a_channel(url: str) -> Generator[BlockingChannel]:
    """A channel on a connection of its own, which may be lost."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 0
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection.channel()
    finally:
        with suppress(AMQPError, OSError):
            connection.close()


def declare(channel: BlockingChannel) -> None:
    channel.exchange_declare("all", "fanout", durable=True)
    channel.queue_declare("dead", durable=True)
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("work", durable=True, arguments=to_dead)
    channel.queue_declare("copy", durable=True)
    channel.queue_declare("notes", durable=True)
    for name in ("work", "copy"):
        channel.queue_bind(name, "all")


def publish(url: str, books: Books, burst_count: int) -> None:
    """Publish until the connection is lost: in transactions, and one by one with confirms."""
    with (
        suppress(AMQPError, OSError),
        a_channel(url) as channel,
        a_channel(url) as transactional,
    ):
        channel.confirm_delivery()
        transactional.tx_select()
        while True:
            number = books.next_number
            books.next_number += 1
            books.sent.add(number)
            channel.basic_publish("all", "", str(number).encode(), PERSISTENT)
            books.confirmed.add(number)
            if number % 10 == 0:
                burst = range(books.next_number, books.next_number + burst_count)
                books.next_number = burst.stop
                books.sent.update(burst)
                for one in burst:
                    transactional.basic_publish("all", "", str(one).encode(), PERSISTENT)
                transactional.tx_commit()
                books.confirmed.update(burst)


def consume(url: str, books: Books) -> None:
    """Ack and reject until the connection is lost; a confirm behind it says that it is safe."""
    with suppress(AMQPError, OSError), a_channel(url) as channel:
        channel.confirm_delivery()
        since: list[int] = []
        while True:
            method, _, body = channel.basic_get("work")
            if method is None:
                continue
            number = int(body or b"")
            books.settled.add(number)
            if number % 7 == 0:
                books.rejected.add(number)
                channel.basic_reject(method.delivery_tag, requeue=False)
            else:
                channel.basic_ack(method.delivery_tag)
            since.append(number)
            if len(since) == 5:
                channel.basic_publish("", "notes", b"settled", PERSISTENT)
                books.safely_settled.update(since)
                since.clear()


def numbers_in(channel: BlockingChannel, queue_name: str) -> list[int]:
    """What a queue holds; it goes back when the channel closes."""
    numbers: list[int] = []
    while True:
        method, _, body = channel.basic_get(queue_name)
        if method is None:
            return numbers
        numbers.append(int(body or b""))


def trim(channel: BlockingChannel, books: Books, copy: Sequence[int], dead: Sequence[int]) -> None:
    """Keep the queues short, so that a check stays quick."""
    if len(copy) > 300 or len(dead) > 100:
        for name in ("copy", "dead", "work", "notes"):
            channel.queue_purge(name)
        books.confirmed.clear()
        books.rejected.clear()


def round_of(directory: str, books: Books, dice: random.Random) -> list[str]:
    """Start, check, have some traffic, kill; what was wrong at the start."""
    broker = BrokerProcess("--data-dir", directory, environment={"AMQPBROKER_MEMORY": "off"})
    try:
        with a_channel(broker.url) as channel:
            declare(channel)
            found = [numbers_in(channel, name) for name in ("work", "copy", "dead")]
            faults = books.faults(*found)
        with a_channel(broker.url) as channel:
            trim(channel, books, found[1], found[2])
        clients = [
            threading.Thread(target=publish, args=(broker.url, books, dice.randint(1, 30))),
            threading.Thread(target=consume, args=(broker.url, books)),
        ]
        for client in clients:
            client.start()
        seconds = dice.uniform(0.0, TRAFFIC_SECONDS_MAX)
        killer = threading.Timer(seconds, broker.signal, (signal.SIGKILL,))
        killer.start()
        for client in clients:
            client.join()
        killer.join()
    finally:
        broker.close()
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loop; the exit status is 1 when the books were wrong."""
    parser = argparse.ArgumentParser(description="Kill a broker again and again; check the books.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=900.0, help="give up after so long")
    values = parser.parse_args(arguments)
    dice, books = random.Random(values.seed), Books()
    directory = tempfile.mkdtemp(prefix="kill-loop-")
    began = time.monotonic()
    try:
        for kill in range(1, values.kills + 2):  # the last one is there to be checked
            faults = round_of(directory, books, dice)
            for fault in faults:
                print(f"after kill {kill - 1} of seed {values.seed}: {fault}")
            if faults:
                return 1
            if time.monotonic() - began > values.seconds:
                print(f"only {kill} kills in {values.seconds:.0f} s")
                return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(
        f"{values.kills} kills in {time.monotonic() - began:.0f} s; {len(books.sent)} messages "
        f"sent, {len(books.settled)} settled, {len(books.safely_settled)} of them safely; the "
        "books are right"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
