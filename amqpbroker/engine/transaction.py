"""What a transactional channel has said and not yet committed."""

import attrs

from amqpbroker.engine.ledger import Unacked
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message


@attrs.define
class Settlement:
    """An ack, or a nack or reject, that waits for its commit."""

    entries: list[tuple[int, Unacked]]  # (delivery_tag, delivery), oldest first
    is_ack: bool
    requeue: bool = False


@attrs.define
class Transaction:
    """Publishes and settlements in the order in which they were made.

    A publish has been checked and routed already; what is put off is its effect (S-217, S-218).
    """

    publishes: list[tuple[Message, tuple[Queue, ...]]] = attrs.field(factory=list)
    settlements: list[Settlement] = attrs.field(factory=list)
    held_bytes: int = 0  # what the publishes occupy
