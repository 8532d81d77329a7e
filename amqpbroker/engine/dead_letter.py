"""Dead letters: what is written on a message that died, and where it goes then.

A message dies when it is rejected, expires, or is one too many; where its queue has a dead-letter
exchange, it is published there with a record of its deaths.  The record that counts is the one
that the broker keeps (`DeadLetter.deaths`); the headers show it, and what a client writes into
such headers itself means nothing (S-274 to S-291; S-285: 4.0 and later).

    x-death            the deaths, the latest first, one entry for each queue and reason
    x-first-death-*    reason, queue and exchange of the first one
    x-last-death-*     of the latest one

(D1) A message that has died is in exactly one place: `Broker.deaths`, in the order of the deaths,
     until `Broker.dispatch` routes it by the rules under which it died; it is in no queue until
     then.  The journal has it where it died until it has it where it goes.
(D2) A message that nobody rejected does not go round: it skips queues that it has died in since
     (S-286).
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

import attrs

from amqpbroker.engine.queue_arguments import QueueRules
from amqpbroker.spec.constants import SHORTSTR_BYTES_MAX
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.table import Field, Table, longstr

if TYPE_CHECKING:
    from amqpbroker.engine.queue import Queue

Reason = Literal["rejected", "expired", "maxlen", "delivery_limit"]


class Dead(NamedTuple):
    """A message that has died and is to be routed."""

    message: Message
    queue: "Queue"  # in which it died
    reason: Reason
    position: int | None  # there; None: it was refused, and never stood in it
    rules: QueueRules  # the queue's when it died: policies may change them


@attrs.frozen
class Death:
    """One or several deaths of a message in one queue, for one reason."""

    reason: Reason
    queue_name: str
    exchange_name: str  # where it had been published to, the first time
    routing_keys: tuple[str, ...]  # by which, without BCC's
    time_s: int  # of the first time, seconds since 1970
    original_expiration: str | None  # that it had, the first time
    count: int = 1


class DeadLetter(Publish):
    """The publish that a death leads to."""

    __slots__ = ("deaths", "first")

    def __init__(
        self,
        exchange_name: str,
        routing_key: str,
        *,
        channel_number: int,
        cc_keys: tuple[str, ...],
        bcc_keys: tuple[str, ...],
        deaths: tuple[Death, ...],
        first: Death,
    ) -> None:
        is_possible = len(exchange_name.encode("utf-8", "surrogateescape")) <= SHORTSTR_BYTES_MAX
        super().__init__(
            exchange_name if is_possible else "",
            routing_key,
            channel_number=channel_number,
            cc_keys=cc_keys,
            bcc_keys=bcc_keys,
        )
        self.exchange_name = exchange_name  # of no exchange, if it is longer: it goes nowhere
        self.deaths = deaths  # the latest first
        self.first = first


def dead_letter(
    message: Message,
    queue: "Queue",
    reason: Reason,
    now_ms: int,
    rules: QueueRules | None = None,
) -> Message:
    """The message that *message*, which died in *queue*, is published as.

    `rules` are those under which it died, by default those that the queue has.
    """
    rules = rules or queue.rules
    exchange_name = rules.dead_letter_exchange
    assert exchange_name is not None, queue
    publish, properties = message.publish, message.properties
    previous = publish.deaths if isinstance(publish, DeadLetter) else ()
    deaths = _with_death(previous, message, queue.name, reason, now_ms)
    first = publish.first if isinstance(publish, DeadLetter) else deaths[0]
    headers = dict(properties.headers)
    headers["x-death"] = Field("A", [Field("F", _entry(death)) for death in deaths])
    for which, death in ("first", first), ("last", _last(message, queue.name, reason)):
        headers[f"x-{which}-death-reason"] = longstr(death.reason)
        headers[f"x-{which}-death-queue"] = longstr(death.queue_name)
        headers[f"x-{which}-death-exchange"] = longstr(death.exchange_name)
    routing_key = rules.dead_letter_routing_key
    has_own_key = routing_key is not None
    letter = DeadLetter(
        exchange_name,
        publish.routing_key if routing_key is None else routing_key,
        channel_number=publish.channel_number,
        cc_keys=() if has_own_key else publish.cc_keys,
        bcc_keys=() if has_own_key else publish.bcc_keys,
        deaths=deaths,
        first=first,
    )
    edited = properties.edited(headers=dict(sorted(headers.items())), expiration=None)
    return message.with_properties(edited)._replace(publish=letter)


def targets(letter: Message, queues: Iterable["Queue"]) -> list["Queue"]:
    """Those of *queues* that a dead letter may go to (D2)."""
    publish = letter.publish
    assert isinstance(publish, DeadLetter), publish
    return [queue for queue in queues if not _goes_round(publish.deaths, queue.name)]


def _goes_round(deaths: Iterable[Death], queue_name: str) -> bool:
    for death in deaths:
        if death.reason == "rejected":
            return False
        if death.queue_name == queue_name:
            return True
    return False


def _with_death(
    previous: tuple[Death, ...], message: Message, queue_name: str, reason: Reason, now_ms: int
) -> tuple[Death, ...]:
    """The record with one more death: at the front, counted up where there was such a one."""
    others = tuple(
        death for death in previous if (death.queue_name, death.reason) != (queue_name, reason)
    )
    if len(others) < len(previous):
        known = next(death for death in previous if death not in others)
        return (attrs.evolve(known, count=known.count + 1), *others)
    publish = message.publish
    death = Death(
        reason,
        queue_name,
        publish.exchange_name,
        (publish.routing_key, *publish.cc_keys),
        now_ms // 1000,
        message.properties.text("expiration"),
    )
    return (death, *others)


def _last(message: Message, queue_name: str, reason: Reason) -> Death:
    """The death that has just happened, whether or not it is the first of its kind."""
    return Death(reason, queue_name, message.publish.exchange_name, (), 0, None)


def _entry(death: Death) -> Table:
    entry: dict[str, Field] = {}
    if death.original_expiration is not None:
        entry["original-expiration"] = longstr(death.original_expiration)
    entry["count"] = Field("l", death.count)
    entry["reason"] = longstr(death.reason)
    entry["queue"] = longstr(death.queue_name)
    entry["time"] = Field("T", death.time_s)
    entry["exchange"] = longstr(death.exchange_name)
    entry["routing-keys"] = Field("A", [longstr(key) for key in death.routing_keys])
    return entry
