"""A vhost's entries in the journal: what of its topology outlives the process, by which key.

    vhost      (name)
    exchange   (vhost, name)
    queue      (vhost, name)
    binding    (vhost, source, "queue" or "exchange", destination, routing key, arguments)

A binding is kept when both its ends are (S-110), an exclusive queue never is (S-153), and what
every vhost has from the start need not be.  Arguments keep the types that they had on the wire.

To make a vhost anew is to declare what was kept; the journal, which has it already, takes what it
is told then for nothing.
"""

from typing import TYPE_CHECKING, Final

from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.kept_order import KeptFifoOrder
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.table import Table, decode_table, encode_table

if TYPE_CHECKING:
    from amqpbroker.engine.ports import Journal, Json, RecordKey

VHOST: Final = "vhost"
EXCHANGE: Final = "exchange"
QUEUE: Final = "queue"
BINDING: Final = "binding"
#: Of a queue whose broker ended in peace: entries from this id on were never delivered.
FRESH_ID: Final = "fresh_id"


class Register:
    """Tells the journal what is declared, bound, unbound and deleted in one vhost."""

    __slots__ = ("_journal", "_vhost_name")

    def __init__(self, journal: "Journal", vhost_name: str) -> None:
        self._journal = journal
        self._vhost_name = vhost_name

    def opened(self) -> None:
        """The vhost is there."""
        self._journal.put(VHOST, (self._vhost_name,), {})

    def closed(self) -> None:
        """The vhost is gone."""
        self._journal.remove(VHOST, (self._vhost_name,))

    def declared(self, part: Exchange | Queue) -> None:
        """An exchange or a queue is there."""
        if not self._keeps(part):
            return
        if isinstance(part, Queue):
            self._journal.put(QUEUE, (self._vhost_name, part.name), _queue_record(part))
            return
        record = {
            "type": part.type,
            "auto_delete": part.auto_delete,
            "internal": part.internal,
            "arguments": written(part.arguments),
        }
        self._journal.put(EXCHANGE, (self._vhost_name, part.name), record)

    def deleted(self, part: Exchange | Queue) -> None:
        """An exchange or a queue is gone, a queue with all that was in it."""
        if self._keeps(part):
            kind = QUEUE if isinstance(part, Queue) else EXCHANGE
            self._journal.remove(kind, (self._vhost_name, part.name))

    def bound(self, source: Exchange, binding: Binding) -> None:
        """A binding is there."""
        if self._keeps(source) and self._keeps(binding.destination):
            self._journal.put(BINDING, self._key(binding), {})

    def unbound(self, source: Exchange, binding: Binding) -> None:
        """A binding is gone."""
        if self._keeps(source) and self._keeps(binding.destination):
            self._journal.remove(BINDING, self._key(binding))

    def left(self, queue: Queue) -> None:
        """The broker comes to its end in peace: note what of the queue was never delivered."""
        fresh_id = _fresh_id(queue) if self._keeps(queue) else None
        if fresh_id is not None:
            record = {**_queue_record(queue), FRESH_ID: fresh_id}
            self._journal.put(QUEUE, (self._vhost_name, queue.name), record)

    def _keeps(self, part: object) -> bool:
        if not self._journal.keeps:
            return False
        assert isinstance(part, Exchange | Queue), part
        return part.durable

    def _key(self, binding: Binding) -> "RecordKey":
        """The key of a binding, which says everything."""
        destination = binding.destination
        assert isinstance(destination, Exchange | Queue), destination
        return (
            self._vhost_name,
            binding.source_name,
            QUEUE if isinstance(destination, Queue) else EXCHANGE,
            destination.name,
            binding.routing_key,
            written(binding.arguments),
        )


def _fresh_id(queue: Queue) -> int | None:
    """The id of the first entry that was never delivered; None where that is not known."""
    order = queue.order
    if not isinstance(order, KeptFifoOrder) or order.recovered_count:
        return None if queue.delivered_count or order.are_redelivered else 0
    position = order.fresh_position
    return queue.broker.journal.reserve(1) if position is None else position


def _queue_record(queue: Queue) -> "dict[str, Json]":
    assert queue.entries is not None, queue
    return {
        "id": queue.entries.queue_id,
        "auto_delete": queue.auto_delete,
        "arguments": written(queue.arguments),
        "has_expirations": queue.entries.has_expirations,
    }


def written(table: Table) -> str:
    """A field table as text."""
    return encode_table(table).hex()


def read_table(text: object) -> Table:
    """The field table that `written` wrote."""
    assert isinstance(text, str), text
    raw = bytes.fromhex(text)
    return decode_table(raw, 0, len(raw))[0]
