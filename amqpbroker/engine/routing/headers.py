"""Headers exchanges: binding arguments are conditions on a message's headers (S-128 to S-132).

The argument `x-match` says how they combine; it is no condition itself:

    all (or no x-match)   every condition holds; arguments x-... are none
    any                   one condition holds; arguments x-... are none
    all-with-x            every condition holds
    any-with-x            one condition holds

A condition holds when the message has a header of that name and its value is the argument's
(`equality.py`); for an argument of type void the name is enough.  A header of type timestamp is
compared as milliseconds, an argument is not (S-131).  With no condition at all, `all` matches
every message and `any` none (S-130).

A message does not try every binding.  A binding is filed under its conditions, and found by the
headers that a message has:

(H1) A binding for any condition is filed under each: found, it matches.
(H2) A binding for all is filed under one, that with the fewest others at the time; found, its
     conditions are tried.

Cost of `route`: two dict lookups a header, and a trial for each binding of (H2) found.  At worst
all bindings are filed under one condition; with values that differ from binding to binding, or a
few bindings, it is some microseconds.  `bind` and `unbind` take a few dict operations a condition.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import ClassVar, Final

import attrs

from amqpbroker.engine.routing.equality import comparable
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.tally import Tally
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import Field, Table
from amqpbroker.spec.terms import binary_term, value_term

_MATCHES: Final = (b"all", b"any", b"all-with-x", b"any-with-x")

#: What a void argument asks for: no `comparable` is equal to it.
PRESENCE: Final = ("presence",)

Condition = tuple[str, Hashable]  # header name, and what `comparable` must give or PRESENCE


@attrs.frozen(eq=False)
class _Filed:
    """A binding as it is filed."""

    destination: Hashable
    is_any: bool
    conditions: tuple[Condition, ...]
    places: tuple[Condition, ...]  # the conditions that it is filed under

    def holds_for(self, values: Mapping[str, Hashable]) -> bool:
        """Whether all conditions hold for {header name: its comparable}."""
        for name, wanted in self.conditions:
            if name not in values or (wanted is not PRESENCE and values[name] != wanted):
                return False
        return True


class HeadersRouter:
    """Finds the bindings whose conditions a message's headers fulfil.

    The destinations come in an order that depends on nothing but the bindings, their history and
    the order of the headers.
    """

    uses_properties: ClassVar[bool] = True

    _filed: dict[Hashable, _Filed]  # {Binding.identity: how it is filed}
    _unconditional: Tally  # destinations of bindings that match every message
    _places: dict[Condition, dict[_Filed, None]]  # {condition: the bindings filed under it}
    _names: Tally  # the headers that conditions are about

    def __init__(self) -> None:
        self._filed = {}
        self._unconditional = Tally()
        self._places = {}
        self._names = Tally()

    def check(self, binding: Binding) -> None:
        """Refuse an x-match that says nothing known (S-132)."""
        match = binding.arguments.get("x-match")
        if match is None:
            return
        value = match.value
        if match.kind != "S" or not isinstance(value, bytes):
            raise precondition_failed(
                f"Invalid x-match field type {match.kind_name} (value {value_term(match)});"
                " expected longstr"
            )
        if value not in _MATCHES:
            raise precondition_failed(
                f"Invalid x-match field value {binary_term(value)};"
                " expected all, any, all-with-x, or any-with-x"
            )

    def bind(self, binding: Binding) -> None:
        is_any, conditions = read_conditions(binding.arguments)
        places = conditions if is_any else self._emptiest(conditions)
        filed = _Filed(binding.destination, is_any, conditions, places)
        self._filed[binding.identity] = filed
        if not conditions and not is_any:
            self._unconditional.add(binding.destination)
        for name, _ in conditions:
            self._names.add(name)
        for place in places:
            self._places.setdefault(place, {})[filed] = None

    def unbind(self, binding: Binding) -> None:
        filed = self._filed.pop(binding.identity)
        if not filed.conditions and not filed.is_any:
            self._unconditional.remove(binding.destination)
        for name, _ in filed.conditions:
            self._names.remove(name)
        for place in filed.places:
            del self._places[place][filed]
            if not self._places[place]:
                del self._places[place]

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        found = dict.fromkeys(self._unconditional)
        names = self._names
        values = {
            name: value_sent(field) for name, field in properties.headers.items() if name in names
        }
        for name, value in values.items():
            for place in ((name, value), (name, PRESENCE)):
                for filed in self._places.get(place, ()):
                    if filed.is_any or filed.holds_for(values):
                        found[filed.destination] = None
        return tuple(found)

    def _emptiest(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """The condition under which the fewest bindings are filed; none of none."""
        if not conditions:
            return ()
        return (min(conditions, key=lambda place: len(self._places.get(place, ()))),)

    def __repr__(self) -> str:
        bindings, places, names = len(self._filed), len(self._places), len(self._names)
        return f"<HeadersRouter bindings={bindings} places={places} names={names}>"


def read_conditions(arguments: Table) -> tuple[bool, tuple[Condition, ...]]:
    """A binding's arguments: whether one condition is enough, and the conditions."""
    match = arguments.get("x-match")
    way = b"all" if match is None else match.value
    with_x = way in {b"all-with-x", b"any-with-x"}
    conditions = tuple(
        (name, PRESENCE if field.kind == "V" else comparable(field))
        for name, field in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    return way in {b"any", b"any-with-x"}, conditions


def value_sent(field: Field) -> Hashable:
    """What a message's header is compared as."""
    value = field.value
    # RabbitMQ: timestamps of messages are milliseconds inside.
    if field.kind == "T" and isinstance(value, int):
        return value * 1000
    return comparable(field)
