"""Fanout exchanges: a message goes to whatever is bound (S-125)."""

from collections.abc import Hashable, Iterable
from typing import ClassVar

from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.tally import Tally
from amqpbroker.spec.properties import Properties


class FanoutRouter:
    """Knows all destinations, in the order in which they were bound.

    Cost: a copy of the list of destinations.
    """

    uses_properties: ClassVar[bool] = False

    _destinations: Tally

    def __init__(self) -> None:
        self._destinations = Tally()

    def check(self, binding: Binding) -> None:
        """Refuse nothing: key and arguments mean nothing, except that bindings differ by them."""

    def bind(self, binding: Binding) -> None:
        self._destinations.add(binding.destination)

    def unbind(self, binding: Binding) -> None:
        self._destinations.remove(binding.destination)

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        return tuple(self._destinations)

    def __repr__(self) -> str:
        return f"<FanoutRouter destinations={len(self._destinations)}>"
