"""Why a message was routed nowhere, and which binding it missed by the least.

    no binding of exchange 'x' matches 'orders.new'; closest: 'orders.#.eu' of queue 'q'

The answer is for people: it is worked out only where somebody asks, and looks at no more than
`BINDINGS_MAX` bindings.  How far a binding is from a message depends on the exchange's type:

    topic     words to be replaced, inserted or left out; a word that is like another counts less
    direct    how much the two keys differ
    headers   the share of conditions that do not hold

Between bindings that are equally far, the one that was bound first is named.
"""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from amqpbroker.engine.routing.headers import PRESENCE, read_conditions, value_sent
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.topic import words_of
from amqpbroker.engine.routing.types import (
    DEDUPLICATING,
    DELAYED,
    RECENT_HISTORY,
    delayed_type,
)
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.exchange import Exchange

#: How many bindings, or queues of the default exchange, are looked at.
BINDINGS_MAX: Final = 200
#: What is further than this is no near miss, where 0 is a match and 1 has nothing in common.
_DISTANCE_MAX: Final = 0.75


@attrs.frozen
class NearMiss:
    """The binding that a message missed by the least."""

    binding: Binding
    distance: float  # 0: it matches; 1: nothing in common
    reason: str  # what is missing, in words; may be empty where the keys say it all


def explain(exchange: "Exchange", routing_keys: Sequence[str], properties: Properties) -> str:
    """One sentence on why a message goes nowhere from *exchange*, with the nearest miss."""
    keys = " nor ".join(map(repr, routing_keys))
    if not exchange.name:
        closest = closest_text(routing_keys[0], exchange.vhost.queues)
        hint = "" if closest is None else f"; closest: '{closest}'"
        return f"no queue {keys} in vhost '{exchange.vhost.name}'{hint}"
    name = f"exchange '{exchange.name}'"
    if not exchange.bindings:
        return f"{name} has no bindings"
    type_ = _routing_type(exchange)
    subject = "the headers" if type_ == "headers" else keys
    sentence = f"no binding of {name} matches {subject}"
    miss = nearest(type_, exchange.bindings, routing_keys, properties)
    if miss is None:
        return sentence
    what = "that" if type_ == "headers" else f"'{miss.binding.routing_key}'"
    destination = str(miss.binding.destination).partition(" in vhost ")[0]
    reason = f" ({miss.reason})" if miss.reason else ""
    return f"{sentence}; closest: {what} of {destination}{reason}"


def nearest(
    type_name: str, bindings: Iterable[Binding], routing_keys: Sequence[str], properties: Properties
) -> NearMiss | None:
    """The nearest of *bindings* of an exchange of this type; None where none is near."""
    best: NearMiss | None = None
    for binding in islice(bindings, BINDINGS_MAX):
        miss = _miss(type_name, binding, routing_keys, properties)
        if miss.distance <= _DISTANCE_MAX and (best is None or miss.distance < best.distance):
            best = miss
    return best


def closest_text(text: str, choices: Iterable[str]) -> str | None:
    """The one of *choices* that looks most like *text*; None where none does."""
    best, best_distance = None, _DISTANCE_MAX
    for choice in islice(choices, BINDINGS_MAX):
        distance = text_distance(text, choice)
        if distance < best_distance:
            best, best_distance = choice, distance
    return best


def _miss(
    type_name: str, binding: Binding, routing_keys: Sequence[str], properties: Properties
) -> NearMiss:
    if type_name == "topic":
        distance = min(topic_distance(binding.routing_key, key) for key in routing_keys)
        return NearMiss(binding, distance, "")
    if type_name == "direct":
        distance = min(text_distance(binding.routing_key, key) for key in routing_keys)
        return NearMiss(binding, distance, "")
    if type_name == "headers":
        distance, reason = headers_distance(binding.arguments, properties.headers)
        return NearMiss(binding, distance, reason)
    return NearMiss(binding, 1.0, "")


def text_distance(one: str, other: str) -> float:
    """How much two texts differ: 0 when they are equal, little when only their case is not."""
    if one == other:
        return 0.0
    ratio = SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio()
    return max(1.0 - ratio, 0.05)


def topic_distance(pattern: str, key: str) -> float:
    """How far a key is from a pattern: the words to change, as a share of the longer one's.

    The edit distance of the words, where `*` is like every word and `#` like any number of them.
    """
    wanted, words = words_of(pattern), words_of(key)
    row = [float(count) for count in range(len(words) + 1)]  # nothing wanted: leave all words out
    for edge in wanted:
        below = row
        row = [below[0] if edge == "#" else below[0] + 1]
        for index, word in enumerate(words, start=1):
            if edge == "#":
                row.append(min(below[index], row[index - 1]))
                continue
            change = 0.0 if edge == "*" else text_distance(edge, word)
            row.append(min(below[index - 1] + change, below[index] + 1, row[index - 1] + 1))
    return row[-1] / max(len(wanted), len(words), 1)


def headers_distance(arguments: Table, headers: Table) -> tuple[float, str]:
    """The share of a binding's conditions that do not hold, and which of them."""
    is_any, conditions = read_conditions(arguments)
    if not conditions:
        return (1.0, "it has no conditions") if is_any else (0.0, "")
    failed: list[str] = []
    for name, wanted in conditions:
        if name not in headers:
            failed.append(f"no header '{name}'")
        elif wanted is not PRESENCE and value_sent(headers[name]) != wanted:
            failed.append(
                f"header '{name}' is {_shown(headers, name)}, not {_shown(arguments, name)}"
            )
    if is_any and len(failed) < len(conditions):
        return 0.0, ""
    # Between bindings of which nothing holds, one whose header is there is nearer.
    absent_count = sum(text.startswith("no header") for text in failed)
    return (len(failed) + absent_count) / (2 * len(conditions)), ", ".join(failed)


def _shown(table: Table, name: str) -> str:
    field = table[name]
    return repr(field.text) if field.kind == "S" else f"{field.kind_name} {field.value!r}"


def matching(
    exchange: "Exchange", routing_keys: Sequence[str], properties: Properties
) -> list[Binding]:
    """The bindings that a message follows from *exchange*, through others as well.

    Of types that choose by chance or by a hash none can be named.
    """
    found: list[Binding] = []
    to_visit = [exchange]
    for current in to_visit:
        type_ = _routing_type(current)
        exchanges = current.vhost.exchanges
        for binding in islice(current.bindings, BINDINGS_MAX):
            if type_ != "fanout" and _miss(type_, binding, routing_keys, properties).distance:
                continue
            found.append(binding)
            further = exchanges.get(getattr(binding.destination, "name", ""))
            if further is not None and further is binding.destination and further not in to_visit:
                to_visit.append(further)
    return found


def _routing_type(exchange: "Exchange") -> str:
    """The type by which an exchange routes, which of some is not the one in its name."""
    if exchange.type == DELAYED:
        return delayed_type(exchange.arguments)
    return "fanout" if exchange.type in {DEDUPLICATING, RECENT_HISTORY} else exchange.type
