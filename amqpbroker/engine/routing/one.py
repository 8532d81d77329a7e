"""What exchange types that pass each message to one destination have in common.

Such a type chooses once a message, whatever number of keys it is routed by: keys in CC and BCC
make no further choices (S-137, S-139).
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import ClassVar

from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.constants import SHORTSTR_BYTES_MAX
from amqpbroker.spec.properties import Properties


class OneDestinationRouter(ABC):
    """Chooses among all bindings; a subclass says how.

    A destination stands in for each of its bindings, as in RabbitMQ: who is bound twice is chosen
    twice as often (4.0.5: 882 of 1,000 messages for nine bindings of ten).
    """

    uses_properties: ClassVar[bool] = False

    _bound: dict[Hashable, Hashable]  # {Binding.identity: destination}, in the order they came
    _destinations: tuple[Hashable, ...] | None  # the same to choose from, once it is needed

    def __init__(self) -> None:
        self._bound = {}
        self._destinations = None

    def check(self, binding: Binding) -> None:  # noqa: B027  not to be overridden by all
        """Refuse nothing: key and arguments mean nothing."""

    def bind(self, binding: Binding) -> None:
        self._bound[binding.identity] = binding.destination
        self._destinations = None

    def unbind(self, binding: Binding) -> None:
        del self._bound[binding.identity]
        self._destinations = None

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        return self.choose((routing_key,), properties)

    def choose(self, routing_keys: Sequence[str], properties: Properties) -> Iterable[Hashable]:
        """The destination for a message with these keys, of which there is at least one."""
        choices = self._choices()
        if not choices:
            return ()
        return (choices[self._index(len(choices), routing_keys, properties)],)

    def _choices(self) -> Sequence[Hashable]:
        """The destinations to choose from, some of them several times."""
        if self._destinations is None:
            self._destinations = tuple(self._bound.values())
        return self._destinations

    @abstractmethod
    def _index(self, count: int, routing_keys: Sequence[str], properties: Properties) -> int:
        """Which of *count* choices, of which there is at least one."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} bindings={len(self._bound)}>"


def raw_keys(routing_keys: Sequence[str]) -> bytes:
    """Bytes that are equal for equal lists of keys.  Those in CC may be longer than others."""
    raws = [key.encode("utf-8", "surrogateescape") for key in routing_keys]
    return b"".join(bytes((min(len(raw), SHORTSTR_BYTES_MAX),)) + raw for raw in raws)


def hash_of(raw: bytes) -> int:
    """A number of 64 bits, the same in every process; RabbitMQ's would be another one."""
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big")
