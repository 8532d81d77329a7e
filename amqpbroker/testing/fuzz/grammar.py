"""What clients say to a broker: traffic that a broker may well be sent, at random.

The names are few, so that what one connection declares the next one uses, and they carry the
case's seed: cases do not meet, so that each can be replayed alone.  Much of it is refused all the
same (a queue that is not there, an ack of nothing): that is traffic too.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from amqpbroker.spec import methods as m
from amqpbroker.spec.method import Method
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, longstr
from amqpbroker.testing.fuzz import values
from amqpbroker.testing.fuzz.units import Unit, content_units, method_unit

EXCHANGE_TYPES: Final = (
    "direct", "fanout", "topic", "headers", "x-consistent-hash", "x-modulus-hash", "x-random",
    "x-local-random", "x-recent-history", "x-message-deduplication", "x-delayed-message",
    "x-jms-topic", "nonsense",
)  # fmt: skip
STANDARD_EXCHANGES: Final = (
    "",
    "amq.direct",
    "amq.fanout",
    "amq.topic",
    "amq.headers",
    "amq.match",
)
KEYS: Final = ("", "a", "a.b", "a.b.c", "#", "*", "a.#", "#.#", "*.b", "7", "-1", "1000")
REPLY_TO: Final = "amq.rabbitmq.reply-to"
_INTEGER_KINDS: Final = "bBsuIilL"
_TEXTS: Final = {
    "x-overflow": ("drop-head", "reject-publish", "reject-publish-dlx", "nonsense"),
    "x-queue-type": ("classic", "quorum", "stream", "nonsense"),
    "x-queue-mode": ("lazy", "default"),
    "x-dead-letter-strategy": ("at-most-once", "at-least-once"),
    "x-dead-letter-routing-key": (*KEYS, "k" * 255, "k" * 256, "\udcff"),
    "x-delayed-type": EXCHANGE_TYPES,
    "x-match": ("all", "any", "all-with-x", "any-with-x", "nonsense"),
    "hash-header": ("a", "b"),
    "hash-property": ("correlation_id", "message_id", "timestamp", "nonsense"),
}
_NUMBERS: Final = (
    "x-max-length", "x-max-length-bytes", "x-message-ttl", "x-expires", "x-max-priority",
    "x-delivery-limit", "x-cache-size", "x-cache-ttl", "x-recent-history-length", "x-priority",
    "x-delay", "x-stream-offset",
)  # fmt: skip
_SWITCHES: Final = ("x-single-active-consumer", "x-message-deduplication")
_QUEUE_ARGUMENTS: Final = (
    "x-max-length", "x-max-length-bytes", "x-message-ttl", "x-expires", "x-max-priority",
    "x-delivery-limit", "x-overflow", "x-queue-type", "x-queue-mode", "x-dead-letter-exchange",
    "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-single-active-consumer",
    "x-message-deduplication",
)  # fmt: skip
_EXCHANGE_ARGUMENTS: Final = (
    "alternate-exchange", "hash-header", "hash-property", "x-delayed-type", "x-cache-size",
    "x-cache-ttl", "x-recent-history-length",
)  # fmt: skip
#: Arguments that queues are declared with when a case needs one that is there.
_SOUND_QUEUES: Final[tuple[Table, ...]] = (
    {}, {"x-max-length": Field("I", 3)}, {"x-message-ttl": Field("l", 20)},
    {"x-max-length": Field("b", 1), "x-overflow": longstr("reject-publish")},
    {"x-max-priority": Field("B", 5)}, {"x-single-active-consumer": Field("t", True)},
    {"x-queue-type": longstr("quorum"), "x-delivery-limit": Field("I", 1)},
    {"x-expires": Field("I", 30)}, {"x-message-deduplication": Field("t", True)},
    {"x-dead-letter-exchange": longstr(""), "x-max-length": Field("I", 1)},
    {"x-dead-letter-exchange": longstr("amq.fanout"), "x-message-ttl": Field("I", 0)},
)  # fmt: skip
_SOUND_EXCHANGES: Final[tuple[tuple[str, Table], ...]] = (
    ("direct", {}), ("fanout", {}), ("topic", {}), ("headers", {}), ("x-consistent-hash", {}),
    ("x-consistent-hash", {"hash-header": longstr("a")}), ("x-random", {}),
    ("x-recent-history", {"x-recent-history-length": Field("I", 2)}),
    ("x-message-deduplication", {"x-cache-size": Field("I", 2)}),
    ("x-delayed-message", {"x-delayed-type": longstr("fanout")}),
    ("direct", {"alternate-exchange": longstr("amq.fanout")}),
)  # fmt: skip
BODY_BYTES: Final = (0, 0, 1, 1, 10, 100, 1000)
LARGE_BODY_BYTES: Final = (4088, 4089, 20_000, 131_064, 131_065, 200_000)


class Names:
    """The names of one case, and what is mostly declared by them."""

    def __init__(self, seed: int) -> None:
        self.queues = [f"q{number}.{seed}" for number in range(4)]
        self.exchanges = [f"x{number}.{seed}" for number in range(4)]
        self.tags = ["t0", "t1", "t2"]
        self.declares: dict[str, Method] = {}  # {queue or exchange: its first declaration}


class Speaker:
    """One client: knows which channels it has opened, and says something on one of them."""

    def __init__(self, random: Random, names: Names, frame_max: int) -> None:
        self._random = random
        self._names = names
        self._piece_bytes = frame_max - 8
        self.channels: list[int] = []
        self._with_deliveries: set[int] = set()  # the channels that may have something to settle

    def open_channel(self) -> list[Unit]:
        """A channel that is not open yet, or seldom is."""
        number = self._random.choice((1, 1, 1, 2, 3, 4, 7, 2047, 2048, 65535))
        if number in self.channels and self._random.random() < 0.95:
            number = next(one for one in range(1, 100) if one not in self.channels)
        if number not in self.channels:
            self.channels.append(number)
        return [method_unit(number, m.ChannelOpen())]

    def set_out(self) -> list[Unit]:
        """Queues and an exchange that are there, and bound, and something in them."""
        channel, (queue, other, *_), exchange = (
            self.channels[0], self._names.queues, self._names.exchanges[0]
        )  # fmt: skip
        random, declares = self._random, self._names.declares
        type_, its_arguments = random.choice(_SOUND_EXCHANGES)
        sound: list[Method] = [
            m.QueueDeclare(0, queue),
            m.QueueDeclare(0, other, durable=True, arguments=random.choice(_SOUND_QUEUES)),
            m.ExchangeDeclare(0, exchange, type_, arguments=its_arguments),
        ]
        for name, declare in zip((queue, other, exchange), sound, strict=True):
            declares.setdefault(name, declare)
        binds = [m.QueueBind(0, one, exchange, "7") for one in (queue, other)]
        methods = [*(declares[name] for name in (queue, other, exchange)), *binds]
        return [*(method_unit(channel, one) for one in methods), *self.publish(channel)]

    def say(self) -> list[Unit]:
        """A request, or a message with its content, on one of the channels."""
        random = self._random
        channel = random.choice(self.channels)
        make = random.choices(_CHOICES, _WEIGHTS)[0]
        said = make(self, channel)
        units = [method_unit(channel, said)] if isinstance(said, Method) else said
        if isinstance(said, m.ChannelClose) and random.random() < 0.8:
            self.channels.remove(channel)
            if not self.channels:
                units += self.open_channel()
        return units

    # Names and arguments

    def _queue(self) -> str:
        random = self._random
        return self._one_of(self._names.queues) if random.random() < 0.95 else self._odd_name()

    def _exchange(self) -> str:
        random = self._random
        if random.random() < 0.2:
            return ""
        if random.random() < 0.2:
            return random.choice(STANDARD_EXCHANGES)
        return self._one_of(self._names.exchanges) if random.random() < 0.95 else self._odd_name()

    def _one_of(self, names: list[str]) -> str:
        """Most often the first two: those are there, if any is."""
        first = 0 if names is self._names.exchanges else self._random.choice((0, 1))
        return names[first if self._random.random() < 0.9 else self._random.randrange(4)]

    def _key(self) -> str:
        random = self._random
        if random.random() < 0.3:
            return self._one_of(self._names.queues)
        if random.random() < 0.3:
            return "7"
        return random.choice(KEYS) if random.random() < 0.9 else self._odd_name()

    def _odd_name(self) -> str:
        """Text of any bytes, empty and REPLY_TO among it."""
        random = self._random
        if random.random() < 0.4:
            return random.choice(("", REPLY_TO))
        return values.name(random).decode("utf-8", "surrogateescape")

    def _arguments(self, names: tuple[str, ...], odds: float) -> Table:
        random = self._random
        if random.random() > odds:
            return EMPTY_TABLE
        chosen = random.sample(names, random.choice((1, 1, 2, 3)))
        return {name: self._argument(name) for name in chosen}

    def _argument(self, name: str) -> Field:
        """A value of the sort that belongs to this argument, or sometimes not."""
        random = self._random
        sort = name if random.random() < 0.9 else random.choice((*_TEXTS, *_NUMBERS, *_SWITCHES))
        if sort in _TEXTS:
            return longstr(random.choice(_TEXTS[sort]))
        if sort in _NUMBERS:
            kind = random.choice(_INTEGER_KINDS)
            number = random.choice((0, 1, 1, 2, 5, 10, 100, 127, -1))
            return Field(kind, number if number >= 0 or kind not in "Bui" else 3)
        if sort in _SWITCHES:
            return Field("t", bool(random.getrandbits(1)))
        if sort in ("x-dead-letter-exchange", "alternate-exchange"):
            return longstr(self._exchange() if random.random() < 0.95 else "e" * 300)
        return random.choice((
            Field("A", []), Field("F", {}), Field("V", None), Field("T", 2**63), Field("d", 1.5),
        ))  # fmt: skip

    # Topology

    def declare_queue(self, _channel: int) -> Method:
        random = self._random
        name = self._queue()
        if name in self._names.declares and random.random() < 0.85:
            return self._names.declares[name]
        declare = m.QueueDeclare(
            0, name, random.random() < 0.1, random.random() < 0.3,
            exclusive=not name or random.random() < 0.2,
            auto_delete=random.random() < 0.2, no_wait=random.random() < 0.1,
            arguments=self._queue_arguments(),
        )  # fmt: skip
        return self._names.declares.setdefault(name, declare)

    def _queue_arguments(self) -> Table:
        return self._arguments(_QUEUE_ARGUMENTS, 0.5)

    def declare_exchange(self, _channel: int) -> Method:
        random = self._random
        name = self._exchange()
        if name in self._names.declares and random.random() < 0.85:
            return self._names.declares[name]
        declare = m.ExchangeDeclare(
            0, name, random.choice(EXCHANGE_TYPES), random.random() < 0.1,
            random.random() < 0.2, random.random() < 0.2, random.random() < 0.1,
            random.random() < 0.1, self._arguments(_EXCHANGE_ARGUMENTS, 0.5),
        )  # fmt: skip
        return self._names.declares.setdefault(name, declare)

    def bind(self, _channel: int) -> Method:
        random = self._random
        headers = self._arguments(("x-match", "hash-header", "x-delay", "x-priority"), 0.3)
        no_wait = random.random() < 0.1
        if random.random() < 0.3:
            bind = random.choice((m.ExchangeBind, m.ExchangeBind, m.ExchangeUnbind))
            return bind(0, self._exchange(), self._exchange(), self._key(), no_wait, headers)
        if random.random() < 0.25:
            return m.QueueUnbind(0, self._queue(), self._exchange(), self._key(), headers)
        return m.QueueBind(0, self._queue(), self._exchange(), self._key(), no_wait, headers)

    def delete(self, _channel: int) -> Method:
        random = self._random
        choice = random.random()
        if choice < 0.3:
            return m.QueuePurge(0, self._queue(), random.random() < 0.1)
        if choice < 0.7:
            return m.QueueDelete(0, self._queue(), random.random() < 0.2, random.random() < 0.2)
        return m.ExchangeDelete(0, self._exchange(), random.random() < 0.3)

    # Messages

    def publish(self, channel: int) -> list[Unit]:
        random = self._random
        exchange = self._exchange()
        key = self._one_of(self._names.queues) if not exchange else self._key()
        method = m.BasicPublish(0, exchange, key, random.random() < 0.2, random.random() < 0.02)
        sizes = BODY_BYTES if random.random() < 0.95 else LARGE_BODY_BYTES
        body = random.randbytes(1) * random.choice(sizes)
        units: list[Unit] = []
        for _ in range(random.choice((1, 1, 1, 2, 5))):
            units.append(method_unit(channel, method))
            units += content_units(channel, self._properties(), self._cut(body))
        return units

    def _cut(self, body: bytes) -> list[bytes]:
        """The body in as few pieces as frame-max allows, or in more."""
        random = self._random
        step = self._piece_bytes
        if body and random.random() < 0.2:
            step = min(step, max(1, len(body) // random.choice((1, 2, 3, 50))))
        pieces = [body[start : start + step] for start in range(0, len(body), step)]
        if random.random() < 0.05:
            pieces.insert(random.randrange(len(pieces) + 1), b"")
        return pieces

    def _properties(self) -> bytes:
        random = self._random
        if random.random() < 0.4:
            return b"\0\0"
        changes: dict[str, str | int | Table | None] = {}
        for name, make in (
            ("delivery_mode", lambda: random.choice((1, 2, 2, 0, 255))),
            ("priority", lambda: random.choice((0, 1, 9, 255))),
            ("expiration", lambda: random.choice(("0", "1", "60000", "-1", "x", "", "9" * 30))),
            ("reply_to", lambda: random.choice((REPLY_TO, f"{REPLY_TO}.g1.x", "", "q"))),
            ("correlation_id", lambda: random.choice(("", "1", "x" * 255))),
            ("user_id", lambda: random.choice(("guest", "root"))),
            ("timestamp", lambda: random.choice((0, 2**32, 2**63, 2**64 - 1))),
            ("content_type", lambda: "text/plain"),
            ("message_id", lambda: "\udcff\udcfe"),
        ):
            if random.random() < (0.05 if name == "user_id" else 0.2):
                changes[name] = make()
        if random.random() < 0.4:
            changes["headers"] = self._headers()
        return properties_of(**changes).raw if changes else b"\0\0"  # type: ignore[arg-type]

    def _headers(self) -> Table:
        random = self._random
        names = (
            "CC", "BCC", "x-death", "x-delay", "x-deduplication-header", "x-delivery-count", "a",
            "x-first-death-queue", "x-match", "hash-header", "x-cache-ttl",
        )  # fmt: skip
        chosen = random.sample(names, random.choice((1, 1, 2, 4)))
        return {name: self._header(name) for name in chosen}

    def _header(self, name: str) -> Field:
        random = self._random
        if name in {"CC", "BCC"} and random.random() < 0.8:
            keys = [longstr(self._key()) for _ in range(random.choice((0, 1, 2, 20)))]
            return Field("A", keys if random.random() < 0.9 else [*keys, Field("I", 1)])
        if name == "x-death" and random.random() < 0.8:
            death: Table = {
                "queue": longstr(self._queue()), "reason": longstr("expired"),
                "exchange": longstr(""), "count": Field("l", random.choice((1, 2**62, -1))),
                "routing-keys": Field("A", [longstr("a")]), "time": Field("T", 1),
            }  # fmt: skip
            some = random.sample(sorted(death), random.randrange(len(death) + 1))
            table = {key: death[key] for key in some}
            return Field("A", [Field("F", table)] * random.choice((0, 1, 1, 2, 50)))
        return self._argument(name)

    # Consumers

    def consume(self, channel: int) -> Method:
        random = self._random
        self._with_deliveries.add(channel)
        tag = random.choice(self._names.tags) if random.random() < 0.8 else self._odd_name()
        queue = self._queue() if random.random() < 0.9 else REPLY_TO
        return m.BasicConsume(
            0, queue, tag, random.random() < 0.1, random.random() < 0.4, random.random() < 0.1,
            random.random() < 0.2,
            self._arguments(("x-priority", "x-stream-offset", "x-cancel-on-ha-failover"), 0.2),
        )  # fmt: skip

    def cancel(self, _channel: int) -> Method:
        random = self._random
        return m.BasicCancel(random.choice(self._names.tags), random.random() < 0.2)

    def get(self, channel: int) -> Method:
        self._with_deliveries.add(channel)
        return m.BasicGet(0, self._queue(), bool(self._random.getrandbits(1)))

    def settle(self, channel: int) -> Method:
        random = self._random
        if channel not in self._with_deliveries and random.random() < 0.9:
            return self.get(channel)
        tag = random.choice((0, 1, 1, 2, 3, 5, 10))
        multiple, requeue = random.random() < 0.5, random.random() < 0.5
        settle = random.randrange(4)
        if settle == 0:
            return m.BasicNack(tag, multiple, requeue)
        return m.BasicReject(tag, requeue) if settle == 1 else m.BasicAck(tag, multiple)

    def acks(self, channel: int) -> list[Unit]:
        """Several acks in a row, as the express lane takes them."""
        if channel not in self._with_deliveries:
            return self.publish(channel)
        count = self._random.choice((2, 3, 20))
        return [method_unit(channel, m.BasicAck(tag)) for tag in range(1, count + 1)]

    def recover(self, _channel: int) -> Method:
        requeue = bool(self._random.getrandbits(1))
        return self._random.choice((m.BasicRecover, m.BasicRecoverAsync))(requeue)

    def limit(self, _channel: int) -> Method:
        random = self._random
        count = random.choice((0, 1, 1, 2, 10, 65535))
        return m.BasicQos(0 if random.random() < 0.9 else 1, count, random.random() < 0.3)

    # Channels

    def select(self, _channel: int) -> Method:
        random = self._random
        if random.random() < 0.5:
            return m.ConfirmSelect(random.random() < 0.3)
        return random.choice((m.TxSelect, m.TxCommit, m.TxCommit, m.TxRollback))()

    def rare(self, _channel: int) -> Method:
        random = self._random
        return random.choice((
            m.ChannelFlow(True), m.ChannelFlow(False), m.AccessRequest(), m.ChannelOpen(),
            m.ChannelCloseOk(), m.ChannelClose(200, "enough", 0, 0),
            m.ChannelClose(200, "enough", 0, 0), m.BasicCredit("t0", 100, True),
        ))  # fmt: skip

    def other(self, channel: int) -> list[Unit]:
        """A method that only a server sends, or one of the connection's, or a heartbeat."""
        random = self._random
        if random.random() < 0.5:
            return [Unit(8, 0)]
        method = random.choice((
            m.BasicDeliver("t0", 1, False, "", "a"), m.BasicReturn(312, "NO_ROUTE", "", "a"),
            m.QueueDeclareOk("q", 0, 0), m.BasicGetEmpty(), m.ConnectionBlocked("no"),
            m.ConnectionUpdateSecret(b"secret", "why not"), m.ConnectionStart(), m.ChannelOpenOk(),
            m.ConnectionTuneOk(0, 0, 0), m.ConnectionCloseOk(),
        ))  # fmt: skip
        return [method_unit(random.choice((0, channel)), method)]


_SAYINGS: Final[dict[Callable[[Speaker, int], Method | list[Unit]], int]] = {
    Speaker.declare_queue: 12, Speaker.declare_exchange: 6, Speaker.bind: 10, Speaker.delete: 3,
    Speaker.publish: 25, Speaker.consume: 8, Speaker.cancel: 2, Speaker.get: 6,
    Speaker.settle: 6, Speaker.acks: 3, Speaker.recover: 2, Speaker.limit: 3, Speaker.select: 5,
    Speaker.rare: 3, Speaker.other: 2,
}  # fmt: skip
_CHOICES: Final = list(_SAYINGS)
_WEIGHTS: Final = list(_SAYINGS.values())
