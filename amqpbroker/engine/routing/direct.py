"""Direct exchanges: a message goes where the binding key is its routing key (S-124)."""

from collections.abc import Hashable, Iterable
from typing import ClassVar

from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.tally import Tally
from amqpbroker.spec.properties import Properties


class DirectRouter:
    """Finds destinations by the whole key, in the order in which they were bound.

    Cost: one dict lookup, whatever the number of keys.
    """

    uses_properties: ClassVar[bool] = False

    _destinations: dict[str, Tally]  # {binding key: its destinations}

    def __init__(self) -> None:
        self._destinations = {}

    def check(self, binding: Binding) -> None:
        """Refuse nothing: any key will do, and arguments mean nothing."""

    def bind(self, binding: Binding) -> None:
        self._destinations.setdefault(binding.routing_key, Tally()).add(binding.destination)

    def unbind(self, binding: Binding) -> None:
        destinations = self._destinations[binding.routing_key]
        destinations.remove(binding.destination)
        if not destinations:
            del self._destinations[binding.routing_key]

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        return tuple(self._destinations.get(routing_key, ()))

    def __repr__(self) -> str:
        return f"<DirectRouter keys={len(self._destinations)}>"
