"""A broker on a journal, on a simulated disk: stopped, killed, without power, started again."""

from __future__ import annotations

import random
from itertools import count

from brokers import GUEST, Client
from recording import Told

from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.restoring import restore
from amqpbroker.storage.journal import FileJournal
from amqpbroker.storage.recovery import open_log
from amqpbroker.testing.simulated_disk import SimulatedDisk


class Stage:
    """The broker that runs now; `write` is what the writer's thread does otherwise."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        self.now_ms = 1_000_000
        self.start()

    def start(self) -> None:
        """Start a broker on what the disk has."""
        numbers = count(1)
        self.journal = FileJournal(open_log(self.disk))
        self.broker = Broker(
            lambda: f"name-{next(numbers)}",
            users=Users((GUEST,)),
            vhost_names=(),
            journal=self.journal,
        )
        self.broker.advance(self.now_ms)
        restore(self.broker)
        self.broker.add_vhost("/")
        self.broker.permissions.set("guest", "/")
        self.client = Client(self.broker)

    def open(self, number: int = 1) -> Channel:
        return self.client.open(number)

    def finish_round(self) -> list[Told]:
        """End a round; nothing is written yet."""
        told = self.client.finish_pass()
        self.journal.end_round()
        return told

    def write(self) -> list[Told]:
        """Write what was told, and tell who waited for it."""
        self.journal.end_round()
        while self.journal.write_some():
            pass
        self.broker.tell_safe()
        return self.client.finish_pass()

    def advance(self, milliseconds: int) -> None:
        self.now_ms += milliseconds
        self.broker.advance(self.now_ms)

    def stop(self) -> None:
        """A peaceful end, and another start."""
        self.client.connection.close()
        self.broker.dispatch()
        for vhost in self.broker.vhosts.values():
            vhost.leave()
        self.journal.close()
        self.start()

    def kill(self, seed: int = 1) -> None:
        """Pull the plug, and start again."""
        self.disk = self.disk.after_power_cut(random.Random(seed))
        self.start()
