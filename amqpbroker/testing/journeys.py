"""Journeys: what happened to each message, and why.

    published by 'web' (guest, channel 1) to exchange 'shop' with routing key 'orders.new'
          0 ms  followed 'orders.*' to queue 'orders'
          0 ms  enqueued in queue 'orders'
          2 ms  delivered to consumer 'w1' of 'worker' (guest, channel 1)
         40 ms  rejected by 'worker' (guest, channel 1)
         40 ms  died in queue 'orders' (rejected): sent to exchange 'dead' with key 'orders.new'
         40 ms  unroutable: exchange 'dead' has no bindings

Journeys are a witness of the engine: off, they cost nothing; on, a few steps are noted for each
message, and put into words when somebody reads them.  They are used in the broker's thread only.

(J1) No more than `limit` journeys and `CONTENT_BYTES_MAX` bytes of messages are kept; the oldest
     are forgotten first.  A journey has `STEPS_MAX` steps at most; the last of them says so.
(J2) A journey knows its message by the content, the very object, and by its places in queues.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import Factory, define, field

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.consumer import Consumer
from amqpbroker.engine.dead_letter import Reason
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.near_miss import explain, matching
from amqpbroker.engine.ports import EventWitness, Witness
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message

#: How many journeys are kept, unless told otherwise.
JOURNEYS_MAX: Final = 10_000
#: How much the messages of all journeys may have, in bytes.
CONTENT_BYTES_MAX: Final = 64 * 1024 * 1024
#: How many steps a journey has at most.
STEPS_MAX: Final = 100
#: How many explained routes are remembered.
_ROUTES_MAX: Final = 1024


@define(eq=False)
class Journey:
    """One message's way through the broker, from its publisher."""

    message: Message  # as it was published
    vhost_name: str
    began_ms: int
    published_by: str
    steps: list[tuple[int, str, str]] = Factory(list[tuple[int, str, str]])
    _contents: list[bytes] = field(factory=list[bytes])  # kept: as long as they live their ids are
    places: set[tuple[Queue, int]] = Factory(set[tuple[Queue, int]])
    is_held: bool = False  # by an exchange, until its time has come

    def add(self, now_ms: int, verb: str, text: str) -> None:
        """Note a step."""
        if len(self.steps) < STEPS_MAX:
            self.steps.append((now_ms, verb, text))
        elif len(self.steps) == STEPS_MAX:
            self.steps.append((now_ms, "cut", f"more than {STEPS_MAX} steps: the rest is not kept"))

    def know(self, content: bytes) -> None:
        """Keep a content that the message is known by."""
        self._contents.append(content)

    @property
    def contents(self) -> Sequence[bytes]:
        """All that it is, or was, known by."""
        return self._contents

    @property
    def verbs(self) -> list[str]:
        """The steps in one word each: enqueued, delivered, acked, ..."""
        return [verb for _, verb, _ in self.steps]

    @property
    def queue_names(self) -> list[str]:
        """The queues that have it now, ready or unacked."""
        return sorted({queue.name for queue, _ in self.places})

    def lines(self) -> list[str]:
        """The story, a line for each step."""
        publish = self.message.publish
        where = _exchange_text(publish.exchange_name)
        head = f"published by {self.published_by} to {where} with routing key"
        return [
            f"{head} '{publish.routing_key}'",
            *(f"{at_ms - self.began_ms:>8} ms  {text}" for at_ms, _, text in self.steps),
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())


class Journeys(Witness, EventWitness):
    """The journeys of a broker's messages.  They begin with `start`."""

    def __init__(self, broker: Broker, limit: int = JOURNEYS_MAX) -> None:
        self._broker = broker
        self._limit = limit
        self._journeys: deque[Journey] = deque()
        self._content_bytes = 0
        self._by_content: dict[int, Journey] = {}  # {id of a content that the journey keeps}
        self._by_place: dict[Queue, dict[int, Journey]] = {}  # {queue: {position: journey}}
        self._unconfirmed: dict[Channel, dict[int, Journey]] = {}  # {channel: {publish tag: ...}}
        self._routes: dict[tuple[Exchange, tuple[str, ...]], tuple[int, list[str]]] = {}

    def __repr__(self) -> str:
        return f"<Journeys {len(self._journeys)} of at most {self._limit}>"

    def start(self) -> None:
        """Note what happens from now on."""
        self._broker.watch(self)
        self._broker.watch_events(self)

    def stop(self) -> None:
        """Note nothing more, and keep what there is."""
        self._broker.unwatch(self)
        self._broker.unwatch_events(self)

    def clear(self) -> None:
        """Forget all journeys."""
        while self._journeys:
            self._forget(self._journeys.popleft())

    # What is asked

    def __iter__(self) -> Iterator[Journey]:
        return iter(self._journeys)

    def __len__(self) -> int:
        return len(self._journeys)

    def of_content(self, content: bytes) -> Journey | None:
        """The journey of the message that has this content, the very object."""
        return self._by_content.get(id(content))

    # What the engine tells, in the order in which a message meets it

    def published(
        self, channel: Channel, first_tag: int | None, messages: Sequence[Message]
    ) -> None:
        who, vhost_name, now_ms = client_text(channel), channel.vhost.name, self._broker.now_ms
        for index, message in enumerate(messages):
            journey = Journey(message, vhost_name, now_ms, who)
            self._journeys.append(journey)
            self._content_bytes += len(message.content)
            self._learn(journey, message)
            if first_tag is not None:
                self._unconfirmed.setdefault(channel, {})[first_tag + index] = journey
        while len(self._journeys) > self._limit or self._content_bytes > CONTENT_BYTES_MAX:
            self._forget(self._journeys.popleft())

    def routed(
        self, channel: Channel | None, messages: Sequence[Message], queues: Sequence[Queue]
    ) -> None:
        for journey, message in self._known(messages):
            if journey.is_held:
                continue
            if queues:
                for text in self._followed(journey, message):
                    self._note(journey, "routed", text)
            else:
                self._note(journey, "unroutable", f"unroutable: {self._missed(journey, message)}")

    def withdrawn(self, channel: Channel, messages: Sequence[Message]) -> None:
        self._note_all(messages, "withdrawn", "dropped: its transaction was not committed")

    def returned(self, channel: Channel, messages: Sequence[Message]) -> None:
        self._note_all(messages, "returned", "returned to its publisher, since it was mandatory")

    def delayed(self, exchange: Exchange, message: Message) -> None:
        for journey, _ in self._known((message,)):
            journey.is_held = True
            self._note(journey, "delayed", f"held back by exchange '{exchange.name}'")

    def released(self, exchange: Exchange, held: Message, message: Message) -> None:
        for journey, _ in self._known((held,)):
            journey.is_held = False
            self._learn(journey, message)
            self._note(journey, "released", f"exchange '{exchange.name}' lets it go on")

    def enqueued(self, queue: Queue, positions: Sequence[int], messages: Sequence[Message]) -> None:
        text = f"enqueued in queue '{queue.name}'"
        places = self._by_place.setdefault(queue, {})
        for position, message in zip(positions, messages, strict=True):
            journey = self._by_content.get(id(message.content))
            if journey is not None:
                places[position] = journey
                journey.places.add((queue, position))
                self._note(journey, "enqueued", text)

    def refused(self, queue: Queue, message: Message) -> None:
        self._note_all((message,), "refused", f"refused by queue '{queue.name}': it is full")

    def duplicated(self, queue: Queue, message: Message) -> None:
        text = f"dropped: queue '{queue.name}' has a message like it, and deduplicates"
        self._note_all((message,), "duplicated", text)

    def delivered(
        self,
        consumer: Consumer,
        first_tag: int,
        positions: Sequence[int],
        messages: Sequence[Message],
        redelivered: bool,
    ) -> None:
        verb = "redelivered" if redelivered else "delivered"
        text = f"{verb} to consumer '{consumer.consumer_tag}' of {client_text(consumer.channel)}"
        if consumer.no_ack:
            text += ", who need not ack"
        self._note_places(consumer.queue, positions, verb, text, leave=consumer.no_ack)

    def got(
        self,
        channel: Channel,
        queue: Queue,
        delivery_tag: int,
        position: int,
        message: Message,
        *,
        redelivered: bool,
        no_ack: bool,
    ) -> None:
        verb = "redelivered" if redelivered else "delivered"
        text = f"{verb} to {client_text(channel)}, by basic.get"
        self._note_places(queue, (position,), verb, text, leave=no_ack)

    def replied(
        self, publisher: Channel, channel: Channel, consumer_tag: str, message: Message
    ) -> None:
        text = f"delivered to {client_text(channel)}, as a direct reply"
        self._note_all((message,), "delivered", text)

    def acked(self, channel: Channel, queue: Queue, held: Sequence[tuple[int, Message]]) -> None:
        text = f"acked by {client_text(channel)}"
        self._note_places(queue, _positions(held), "acked", text, leave=True)

    def rejected(self, channel: Channel, queue: Queue, held: Sequence[tuple[int, Message]]) -> None:
        text = f"rejected by {client_text(channel)}"
        self._note_places(queue, _positions(held), "rejected", text)

    def requeued(self, channel: Channel, queue: Queue, held: Sequence[tuple[int, Message]]) -> None:
        text = f"back in queue '{queue.name}', from {client_text(channel)}"
        self._note_places(queue, _positions(held), "requeued", text)

    def died(self, queue: Queue, position: int, message: Message, reason: Reason) -> None:
        journey = self._by_place.get(queue, {}).get(position)
        if journey is None:
            return
        self._leave(journey, queue, position)
        self._learn(journey, message)  # by which it is known until it is a dead letter
        if queue.rules.dead_letter_exchange is None:
            text = f"dropped from queue '{queue.name}' ({reason}): no dead-letter exchange"
            self._note(journey, reason, text)

    def dead_lettered(
        self, queue: Queue, message: Message, reason: Reason, letter: Message
    ) -> None:
        for journey, _ in self._known((message,)):
            self._learn(journey, letter)
            publish = letter.publish
            text = f"died in queue '{queue.name}' ({reason}): sent to"
            where = f"{_exchange_text(publish.exchange_name)} with routing key"
            self._note(journey, reason, f"{text} {where} '{publish.routing_key}'")

    def purged(self, queue: Queue, positions: Sequence[int], messages: Sequence[Message]) -> None:
        text = f"dropped: queue '{queue.name}' was purged"
        self._note_places(queue, positions, "purged", text, leave=True)

    def discarded(self, queue: Queue) -> None:
        positions = list(self._by_place.get(queue, ()))
        text = f"dropped: queue '{queue.name}' was deleted"
        self._note_places(queue, positions, "discarded", text, leave=True)
        self._by_place.pop(queue, None)

    def confirmed(self, channel: Channel, publish_tag: int, multiple: bool) -> None:
        self._tell(channel, publish_tag, multiple, "confirmed", "confirmed to its publisher")

    def nacked(self, channel: Channel, publish_tag: int, multiple: bool) -> None:
        self._tell(channel, publish_tag, multiple, "nacked", "nacked to its publisher")

    def channel_closed(self, channel: Channel) -> None:
        """What was not confirmed on it never will be."""
        self._unconfirmed.pop(channel, None)

    # Parts

    def _note(self, journey: Journey, verb: str, text: str) -> None:
        journey.add(self._broker.now_ms, verb, text)

    def _known(self, messages: Iterable[Message]) -> Iterator[tuple[Journey, Message]]:
        for message in messages:
            journey = self._by_content.get(id(message.content))
            if journey is not None:
                yield journey, message

    def _note_all(self, messages: Iterable[Message], verb: str, text: str) -> None:
        for journey, _ in self._known(messages):
            self._note(journey, verb, text)

    def _note_places(
        self, queue: Queue, positions: Iterable[int], verb: str, text: str, *, leave: bool = False
    ) -> None:
        places = self._by_place.get(queue)
        if places is None:
            return
        for position in positions:
            journey = places.get(position)
            if journey is not None:
                self._note(journey, verb, text)
                if leave:
                    self._leave(journey, queue, position)

    def _leave(self, journey: Journey, queue: Queue, position: int) -> None:
        self._by_place[queue].pop(position, None)
        journey.places.discard((queue, position))

    def _tell(self, channel: Channel, tag: int, multiple: bool, verb: str, text: str) -> None:
        unconfirmed = self._unconfirmed.get(channel)
        if unconfirmed is None:
            return
        tags = [one for one in unconfirmed if one <= tag] if multiple else [tag]
        for one in tags:
            journey = unconfirmed.pop(one, None)
            if journey is not None:
                self._note(journey, verb, text)
        if not unconfirmed:
            del self._unconfirmed[channel]

    def _learn(self, journey: Journey, message: Message) -> None:
        """Know a journey by another content of its message."""
        journey.know(message.content)
        self._by_content[id(message.content)] = journey

    def _forget(self, journey: Journey) -> None:
        self._content_bytes -= len(journey.message.content)
        for content in journey.contents:
            self._by_content.pop(id(content), None)
        for queue, position in list(journey.places):
            self._leave(journey, queue, position)

    # Why

    def _exchange(self, journey: Journey, message: Message) -> Exchange | None:
        vhost = self._broker.vhosts.get(journey.vhost_name)
        return None if vhost is None else vhost.exchanges.get(message.publish.exchange_name)

    def _followed(self, journey: Journey, message: Message) -> list[str]:
        """The bindings that lead a message to its queues; none for the default exchange."""
        exchange = self._exchange(journey, message)
        if exchange is None or not exchange.name:
            return []
        keys = message.routing_keys
        place = (exchange, keys)
        known = self._routes.get(place)
        if known is not None and known[0] == exchange.vhost.generation:
            return known[1]
        lines = [
            f"followed '{one.routing_key}' from exchange '{one.source_name}' to "
            f"{str(one.destination).partition(' in vhost ')[0]}"
            for one in matching(exchange, keys, message.properties)
        ]
        if not exchange.router.uses_properties:
            if len(self._routes) >= _ROUTES_MAX:
                self._routes.clear()
            self._routes[place] = (exchange.vhost.generation, lines)
        return lines

    def _missed(self, journey: Journey, message: Message) -> str:
        exchange = self._exchange(journey, message)
        if exchange is None:
            return f"there is no exchange '{message.publish.exchange_name}'"
        return explain(exchange, message.routing_keys, message.properties)


def client_text(channel: Channel) -> str:
    """A client, by the name of its connection where it has one."""
    connection = channel.connection
    user = connection.user.name
    name = connection.client_name
    return (
        f"'{name}' ({user}, channel {channel.number})"
        if name
        else (f"{user} (channel {channel.number})")
    )


def _exchange_text(name: str) -> str:
    return f"exchange '{name}'" if name else "the default exchange"


def _positions(held: Sequence[tuple[int, Message]]) -> list[int]:
    return [position for position, _ in held]
