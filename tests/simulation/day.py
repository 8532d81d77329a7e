"""A day in the life of a broker: clients come, do what clients do, and go, all from one seed.

Every step is a request of some client, some bytes that arrive, or some that are read; where bytes
are cut, who is fast and who is slow is the seed's choice too.  The expectation checks each step.
`Day.trace` is a hash of all that the broker said, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

from brokers import make_broker
from expectation import Expectation
from peers import PROPERTIES, Desk, SimulatedClient, SimulatedSession

from amqpbroker.spec import methods as m

QUEUES = [f"q{number}" for number in range(8)] + ["auto-1", "auto-2"]
EXCHANGES = {
    "direct-1": "direct",
    "direct-auto": "direct",
    "fanout-1": "fanout",
    "fanout-auto": "fanout",
    "topic-1": "topic",
    "topic-2": "topic",
}
KEYS = ["a", "a.b", "b.a.b", "b"]
PATTERNS = ["a", "a.b", "b", "#", "*.b", "a.#", "*"]
CLIENTS_MAX = 12
CHANNELS = (1, 2, 3)


class Day:
    """One broker and its clients."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.broker = make_broker()
        self.expectation = Expectation()
        self.clients: list[SimulatedClient] = []
        self.client_count = self.message_count = self.consumer_count = self.request_count = 0
        self._trace = sha256()
        vhost = self.broker.vhosts["/"]
        self._predeclared = set(vhost.exchanges)

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    # The day

    def run(self, step_count: int) -> None:
        """Live through it, then close the shop, and see that nothing is left."""
        for _ in range(step_count):
            self.step()
            self.finish_pass()
        self.drain()
        self.check_that_nothing_is_left()

    def step(self) -> None:
        chance = self.random.random()
        if len(self.clients) < 2 or (chance < 0.01 and len(self.clients) < CLIENTS_MAX):
            self.welcome()
            return
        client = self.random.choice(self.clients)
        if chance < 0.45:
            self.request(client)
        elif chance < 0.75:
            self.arrive(client, self.some_bytes(len(client.on_the_way)))
        elif chance < 0.994:
            self.read(client, self.random.choice([10, 1000, 100_000]))
        elif chance < 0.997:
            self.lose(client)
        elif client.desks:
            client.is_leaving = True
            client.say(0, m.ConnectionClose(200))

    def some_bytes(self, most: int) -> int:
        """All, most of the time; else any part."""
        return most if self.random.random() < 0.6 else self.random.randint(0, most)

    def welcome(self) -> SimulatedClient:
        self.client_count += 1
        session = SimulatedSession(self.broker, self.expectation)
        client = SimulatedClient(f"client-{self.client_count}", session)
        self.clients.append(client)
        self.arrive(client, len(client.on_the_way))
        return client

    def arrive(self, client: SimulatedClient, byte_count: int) -> None:
        data = bytes(client.on_the_way[:byte_count])
        del client.on_the_way[:byte_count]
        client.session.receive(data)
        if client.session.is_over:
            self.forget(client)

    def read(self, client: SimulatedClient, byte_count: int) -> None:
        data = client.session.send(byte_count)
        self._trace.update(b"%d %b" % (self.client_count, data))
        client.read(data)

    def lose(self, client: SimulatedClient) -> None:
        """The connection is gone, whatever was on the way."""
        client.session.leave()
        self.forget(client)

    def forget(self, client: SimulatedClient) -> None:
        """What the broker sent before the end can still be read, and must be whole."""
        self.read(client, client.session.output.byte_count)
        assert not client.session.told or client.session.output.byte_count
        self.clients.remove(client)

    def finish_pass(self) -> None:
        """What a round of the server ends with, and what must hold then."""
        self.broker.dispatch()
        for client in self.clients:
            client.session.finish_pass()
        for (_, number), channel in self.expectation.channels.items():
            assert channel.to_return == [], number
            assert channel.confirmed_count == channel.publish_count, number
        vhost = self.broker.vhosts["/"]
        assert vhost.queues.keys() == self.expectation.queues.keys()
        assert set(vhost.exchanges) - set(
            self._predeclared
        ) == self.expectation.exchanges.keys() - {""}
        for name, queue in vhost.queues.items():
            expected = self.expectation.queues[name]
            ready_count = sum(copy.place == "ready" for copy in expected.copies.values())
            assert queue.ready_count == ready_count
            assert queue.unacked_count == len(expected.copies) - ready_count
            assert len(queue.consumers) == len(expected.consumers)
            if ready_count:
                assert all(consumer.credit() <= 0 for consumer in queue.consumers)

    # Requests

    def request(self, client: SimulatedClient) -> None:
        """One of the things that clients do."""
        self.request_count += 1
        if client.is_leaving:
            return
        number = self.random.choice(CHANNELS)
        desk = client.desks.get(number)
        if desk is None:
            client.open(number)
        elif desk.is_open:
            verbs, weights = zip(*_REQUESTS, strict=True)
            verb: Callable[[Day, SimulatedClient, Desk], None]
            (verb,) = self.random.choices(verbs, weights)
            verb(self, client, desk)

    def queue_name(self, client: SimulatedClient) -> str:
        own_name = f"own-{client.name}"
        stranger = f"own-client-{self.random.randint(1, self.client_count)}"
        name = self.random.choice([*QUEUES, own_name])
        return stranger if self.random.random() < 0.01 else name

    def declare_queue(self, client: SimulatedClient, desk: Desk) -> None:
        name = self.queue_name(client)
        if name.startswith("own") and name != f"own-{client.name}":
            return
        client.ask(
            desk.number,
            m.QueueDeclare(
                0, name, exclusive=name.startswith("own"), auto_delete=name.startswith("auto")
            ),
        )

    def check_queue(self, client: SimulatedClient, desk: Desk) -> None:
        name = self.known_queue_name(client)
        client.ask(desk.number, m.QueueDeclare(0, name, passive=True))

    def known_queue_name(self, client: SimulatedClient) -> str:
        """One that is there, most of the time."""
        names = [
            queue.name
            for queue in self.expectation.queues.values()
            if queue.owner in (None, client.session)
        ]
        if names and self.random.random() < 0.995:
            return self.random.choice(names)
        return self.queue_name(client)

    def exchange_name(self) -> str:
        """One that is there, most of the time."""
        names = [name for name in self.expectation.exchanges if name]
        if names and self.random.random() < 0.995:
            return self.random.choice(names)
        return self.random.choice(list(EXCHANGES))

    def delete_queue(self, client: SimulatedClient, desk: Desk) -> None:
        name, chance = self.known_queue_name(client), self.random.random()
        client.ask(
            desk.number, m.QueueDelete(0, name, if_unused=chance < 0.1, if_empty=chance > 0.9)
        )

    def purge_queue(self, client: SimulatedClient, desk: Desk) -> None:
        client.ask(desk.number, m.QueuePurge(0, self.known_queue_name(client)))

    def declare_exchange(self, client: SimulatedClient, desk: Desk) -> None:
        name = self.random.choice(list(EXCHANGES))
        method = m.ExchangeDeclare(0, name, EXCHANGES[name], auto_delete=name.endswith("auto"))
        client.ask(desk.number, method)

    def delete_exchange(self, client: SimulatedClient, desk: Desk) -> None:
        name = self.exchange_name()
        client.ask(desk.number, m.ExchangeDelete(0, name, if_unused=self.random.random() < 0.1))

    def bind_queue(self, client: SimulatedClient, desk: Desk) -> None:
        verb = self.random.choice([m.QueueBind, m.QueueBind, m.QueueUnbind])
        name, key = self.known_queue_name(client), self.random.choice(PATTERNS)
        client.ask(
            desk.number, verb(ticket=0, queue=name, exchange=self.exchange_name(), routing_key=key)
        )

    def bind_exchange(self, client: SimulatedClient, desk: Desk) -> None:
        verb = self.random.choice([m.ExchangeBind, m.ExchangeBind, m.ExchangeUnbind])
        source, key = self.exchange_name(), self.random.choice(PATTERNS)
        client.ask(
            desk.number,
            verb(ticket=0, destination=self.exchange_name(), source=source, routing_key=key),
        )

    def publish(self, client: SimulatedClient, desk: Desk) -> None:
        """Some messages, alike as those of most programs are."""
        random = self.random
        if random.random() < 0.6:
            exchange, key = "", self.known_queue_name(client)
        else:
            exchange, key = self.exchange_name(), random.choice(KEYS)
        method = m.BasicPublish(0, exchange, key, random.random() < 0.2, False)
        properties = random.choice(PROPERTIES)
        size = random.choice([0, 0, 50, 300, 9000])
        for _ in range(random.choice([1, 1, 3, 10])):
            self.message_count += 1
            body = b"%d." % self.message_count + b"x" * size
            client.publish(desk.number, method, body, properties)

    def consume(self, client: SimulatedClient, desk: Desk) -> None:
        if len(desk.consumers) >= 3:
            self.cancel(client, desk)
            return
        self.consumer_count += 1
        tag, no_ack = f"consumer-{self.consumer_count}", self.random.random() < 0.2
        desk.consumers[tag] = no_ack
        method = m.BasicConsume(0, self.known_queue_name(client), tag, no_ack=no_ack)
        client.ask(desk.number, method)

    def cancel(self, client: SimulatedClient, desk: Desk) -> None:
        if desk.consumers:
            tag = self.random.choice(list(desk.consumers))
            client.ask(desk.number, m.BasicCancel(tag))

    def get(self, client: SimulatedClient, desk: Desk) -> None:
        no_ack = self.random.random() < 0.3
        client.ask(desk.number, m.BasicGet(0, self.known_queue_name(client), no_ack))

    def settle(self, client: SimulatedClient, desk: Desk) -> None:
        """Ack what came, one after the other or together; sometimes refuse it."""
        tags, random = desk.tags, self.random
        if not tags:
            return
        count, chance = random.randint(1, len(tags)), random.random()
        settled, desk.tags = tags[:count], tags[count:]
        if chance < 0.6:
            for tag in settled:
                client.ask(desk.number, m.BasicAck(tag))
        elif chance < 0.8:
            client.ask(desk.number, m.BasicAck(settled[-1], multiple=True))
        elif chance < 0.9:
            requeue = random.random() < 0.7
            client.ask(desk.number, m.BasicNack(settled[-1], multiple=True, requeue=requeue))
        else:
            for tag in random.sample(settled, count):
                client.ask(desk.number, m.BasicReject(tag, requeue=random.random() < 0.7))

    def limit(self, client: SimulatedClient, desk: Desk) -> None:
        client.ask(desk.number, m.BasicQos(prefetch_count=self.random.choice([0, 1, 3, 10])))

    def recover(self, client: SimulatedClient, desk: Desk) -> None:
        desk.tags.clear()
        client.ask(desk.number, m.BasicRecover(requeue=True))

    def change_mode(self, client: SimulatedClient, desk: Desk) -> None:
        if not desk.mode:
            desk.mode = self.random.choice(["confirm", "confirm", "tx"])
        client.ask(desk.number, m.TxSelect() if desk.mode == "tx" else m.ConfirmSelect())

    def finish_transaction(self, client: SimulatedClient, desk: Desk) -> None:
        if desk.mode == "tx":
            commits = self.random.random() < 0.8
            client.ask(desk.number, m.TxCommit() if commits else m.TxRollback())

    def close_channel(self, client: SimulatedClient, desk: Desk) -> None:
        desk.is_open = False
        client.ask(desk.number, m.ChannelClose(200))

    def make_a_mistake(self, client: SimulatedClient, desk: Desk) -> None:
        mistakes = [
            m.BasicAck(10**9),
            m.QueueDeclare(0, "no such queue", passive=True),
            m.TxSelect() if desk.mode == "confirm" else m.BasicReject(0),
            m.TxCommit() if desk.mode != "tx" else m.ConfirmSelect(),
        ]
        client.ask(desk.number, self.random.choice(mistakes))

    # The evening

    def drain(self) -> None:
        """All clients go; then somebody gets what they have left, in the old order (E1)."""
        for client in list(self.clients):
            if self.random.random() < 0.5:
                self.arrive(client, len(client.on_the_way))
            if client in self.clients:
                self.lose(client)
            self.finish_pass()
        janitor = self.welcome()
        janitor.open(1)
        expected_names = list(self.expectation.queues)
        for name in expected_names:
            for _ in range(len(self.expectation.queues[name].copies) + 1):
                janitor.ask(1, m.BasicGet(0, name))
        janitor.ask(1, m.BasicAck(0, multiple=True))
        for name in expected_names:
            janitor.ask(1, m.QueueDelete(0, name, if_empty=True))
        for name in list(self.expectation.exchanges):
            if name:
                janitor.ask(1, m.ExchangeDelete(0, name))
        janitor.say(0, m.ConnectionClose(200))
        self.arrive(janitor, len(janitor.on_the_way))
        assert janitor not in self.clients

    def check_that_nothing_is_left(self) -> None:
        broker = self.broker
        vhost = broker.vhosts["/"]
        assert self.expectation.queues == {}
        assert self.expectation.bindings == {}
        assert vhost.queues == {}
        assert vhost.exchanges.keys() == self._predeclared
        assert [len(exchange.bindings) for exchange in vhost.exchanges.values()] == [0] * len(
            vhost.exchanges
        )
        assert broker.held_bytes == 0
        assert not broker.connections
        assert not broker.to_dispatch
        assert not broker.deaths


_REQUESTS: list[tuple[Callable[[Day, SimulatedClient, Desk], None], int]] = [
    (Day.publish, 40),
    (Day.settle, 40),
    (Day.consume, 10),
    (Day.get, 10),
    (Day.declare_queue, 12),
    (Day.check_queue, 3),
    (Day.bind_queue, 8),
    (Day.declare_exchange, 6),
    (Day.bind_exchange, 3),
    (Day.limit, 5),
    (Day.change_mode, 5),
    (Day.finish_transaction, 15),
    (Day.cancel, 3),
    (Day.recover, 1),
    (Day.purge_queue, 1),
    (Day.delete_queue, 2),
    (Day.delete_exchange, 1),
    (Day.close_channel, 1),
    (Day.make_a_mistake, 1),
]
