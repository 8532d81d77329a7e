"""Consistent hash exchanges: what is equal stays together, by weight (S-136 to S-138).

A binding's key is its weight: so many buckets its destination owns.  What is hashed decides on a
bucket, and so on exactly one destination:

    (nothing said)            the routing keys
    hash-header = NAME        the value of that header
    hash-property = NAME      correlation_id, message_id or timestamp

A message without the header or property is hashed like all others without.

(C1) A binding makes buckets for a destination that has none, and removing any binding of a
     destination removes all its buckets: so does RabbitMQ.
(C2) When a destination comes, messages only move to it.  When the last one goes, only its own
     messages move; when another does, those of the destinations that came later move, too.

The bucket is found by jump consistent hashing (Lamping and Veach, 2014), in time logarithmic in
the number of buckets.  RabbitMQ uses the same with another hash, so its choices are others.
"""

import re
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from itertools import accumulate
from typing import ClassVar, Final, overload

from amqpbroker.engine.routing.equality import comparable
from amqpbroker.engine.routing.one import OneDestinationRouter, hash_of, raw_keys
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import Table
from amqpbroker.spec.terms import binary_term, value_term

#: The largest weight, as in RabbitMQ 4.2; before that there was no limit.
WEIGHT_MAX: Final = 10_000
_WEIGHT: Final = re.compile(r"[+-]?[0-9]+")
_PROPERTIES: Final = ("correlation_id", "message_id", "timestamp")
_BITS_64: Final = (1 << 64) - 1


class ConsistentHashRouter(OneDestinationRouter):
    """Hashes the routing keys, so that its answers may be remembered."""

    _buckets: "_Buckets"

    def __init__(self) -> None:
        super().__init__()
        self._buckets = _Buckets()

    def check(self, binding: Binding) -> None:
        """Refuse a key that is no weight."""
        key = binding.routing_key
        if _WEIGHT.fullmatch(key) is None:
            raw_key = key.encode("utf-8", "surrogateescape")
            raise precondition_failed(f"The binding key must be an integer: {binary_term(raw_key)}")
        weight = int(key)
        if weight < 1:
            raise precondition_failed("The binding key must be greater than 0")
        if weight > WEIGHT_MAX:
            raise precondition_failed(f"The binding key must not exceed {WEIGHT_MAX}")

    def bind(self, binding: Binding) -> None:
        super().bind(binding)
        if binding.destination not in self._buckets.weights:
            self._buckets.add(binding.destination, int(binding.routing_key))

    def unbind(self, binding: Binding) -> None:
        super().unbind(binding)
        self._buckets.remove(binding.destination)

    def _choices(self) -> "_Buckets":
        return self._buckets

    def _index(self, count: int, routing_keys: Sequence[str], properties: Properties) -> int:
        return _jump(hash_of(self._hashed(routing_keys, properties)), count)

    def _hashed(self, routing_keys: Sequence[str], properties: Properties) -> bytes:
        """What is hashed of a message."""
        return raw_keys(routing_keys)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} bindings={len(self._bound)} buckets={len(self._buckets)}>"


class _Buckets(Sequence[Hashable]):
    """The owner of each bucket; takes as much room as there are owners, whatever their weights."""

    __slots__ = ("_ends", "_owners", "weights")

    def __init__(self) -> None:
        self.weights: dict[Hashable, int] = {}  # {owner: how many buckets}, in order
        self._owners: list[Hashable] = []  # the same as lists, made when they are needed ...
        self._ends: list[int] = []  # ... of each owner, where its buckets end

    def add(self, owner: Hashable, weight: int) -> None:
        """Give a new owner buckets behind all others."""
        self.weights[owner] = weight

    def remove(self, owner: Hashable) -> None:
        """Take the owner's buckets out, if it has any; those behind move up."""
        if self.weights.pop(owner, None) is not None:
            self._owners.clear()

    def __len__(self) -> int:
        if len(self._owners) != len(self.weights):
            self._owners = list(self.weights)
            self._ends = list(accumulate(self.weights.values()))
        return self._ends[-1] if self._owners else 0

    @overload
    def __getitem__(self, index: int) -> Hashable: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Hashable]: ...

    def __getitem__(self, index: int | slice) -> Hashable | Sequence[Hashable]:
        assert isinstance(index, int)
        return self._owners[bisect_right(self._ends, index)]


class HeaderHashRouter(ConsistentHashRouter):
    """Hashes a header."""

    uses_properties: ClassVar[bool] = True

    def __init__(self, header_name: str) -> None:
        super().__init__()
        self._header_name = header_name

    def _hashed(self, routing_keys: Sequence[str], properties: Properties) -> bytes:
        field = properties.headers.get(self._header_name)
        return b"" if field is None else repr(comparable(field)).encode()


class PropertyHashRouter(ConsistentHashRouter):
    """Hashes a property."""

    uses_properties: ClassVar[bool] = True

    def __init__(self, property_name: str) -> None:
        super().__init__()
        self._property_name = property_name

    def _hashed(self, routing_keys: Sequence[str], properties: Properties) -> bytes:
        if self._property_name == "timestamp":
            return str(properties.timestamp).encode()
        text = properties.text(self._property_name)
        return b"" if text is None else b"=" + text.encode("utf-8", "surrogateescape")


def consistent_hash_router(arguments: Table) -> ConsistentHashRouter:
    """The router for an exchange's arguments; raises 406 for what cannot be hashed."""
    header, hashed_property = arguments.get("hash-header"), arguments.get("hash-property")
    if header is not None and hashed_property is not None:
        raise precondition_failed("hash-header and hash-property are mutually exclusive")
    if header is not None:
        # RabbitMQ: crashes where these are no text, and closes the connection with 541.
        if header.kind != "S":
            raise precondition_failed(f"Unsupported header: {value_term(header)}")
        return HeaderHashRouter(header.text)
    if hashed_property is not None:
        is_text = hashed_property.kind == "S"
        name = hashed_property.text if is_text else value_term(hashed_property)
        if not is_text or name not in _PROPERTIES:
            raise precondition_failed(f"Unsupported property: {name}")
        return PropertyHashRouter(name)
    return ConsistentHashRouter()


def _jump(key: int, bucket_count: int) -> int:
    """The bucket for a key of 64 bits: only 1 in n keys changes it when an n-th bucket comes."""
    bucket, following = -1, 0
    while following < bucket_count:
        bucket = following
        key = (key * 2862933555777941757 + 1) & _BITS_64
        following = int((bucket + 1) * ((1 << 31) / ((key >> 33) + 1)))
    return bucket
