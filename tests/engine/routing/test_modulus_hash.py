from __future__ import annotations

from collections import Counter

from amqpbroker.engine.routing.modulus_hash import ModulusHashRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.properties import NO_PROPERTIES

KEYS = [f"key {number}" for number in range(1000)]


def bound(*names: str) -> ModulusHashRouter:
    router = ModulusHashRouter()
    for index, name in enumerate(names):
        router.bind(Binding("x", name, str(index), {}))
    return router


def test_a_key_leads_to_one_destination_and_always_to_the_same() -> None:
    first, second = bound("a", "b", "c"), bound("a", "b", "c")
    routes = [tuple(first.route(key, NO_PROPERTIES)) for key in KEYS]

    assert all(len(route) == 1 for route in routes)
    assert routes == [tuple(second.route(key, NO_PROPERTIES)) for key in KEYS]


def test_keys_spread_over_the_bindings() -> None:
    router = bound("a", "b", "a", "c")
    counts = Counter(next(iter(router.route(key, NO_PROPERTIES))) for key in KEYS)

    assert counts.keys() == {"a", "b", "c"}
    assert 420 < counts["a"] < 580


def test_several_keys_are_hashed_together() -> None:
    router = bound("a", "b", "c")
    found = {tuple(router.choose(("k", key), NO_PROPERTIES)) for key in KEYS}

    assert found == {("a",), ("b",), ("c",)}


def test_how_keys_are_divided_counts() -> None:
    router = bound(*map(str, range(50)))

    assert router.choose(("ab", "c"), NO_PROPERTIES) != router.choose(("a", "bc"), NO_PROPERTIES)


def test_without_a_binding_there_is_no_destination() -> None:
    assert list(bound().route("k", NO_PROPERTIES)) == []


def test_any_binding_is_taken_and_answers_may_be_remembered() -> None:
    router = bound()
    router.check(Binding("x", "q", "any.key", {}))

    assert not router.uses_properties
