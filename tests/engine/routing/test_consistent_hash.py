"""(C1) and (C2) cite engine/routing/consistent_hash.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import pytest

from amqpbroker.engine.routing.consistent_hash import (
    WEIGHT_MAX,
    ConsistentHashRouter,
    consistent_hash_router,
)
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field, Table, longstr

KEYS = [f"key {number}" for number in range(2000)]


def bound(arguments: Table | None = None, **weights: int) -> ConsistentHashRouter:
    router = consistent_hash_router(arguments or {})
    for name, weight in weights.items():
        router.bind(Binding("x", name, str(weight), {}))
    return router


def places(router: ConsistentHashRouter) -> dict[str, Hashable]:
    """Where each of KEYS leads."""
    return {key: next(iter(router.route(key, NO_PROPERTIES))) for key in KEYS}


def spread(router: ConsistentHashRouter, *messages: Properties, key: str = "k") -> int:
    """To how many destinations messages go that have the same key."""
    return len({tuple(router.route(key, properties)) for properties in messages})


def test_a_message_goes_to_one_destination_and_the_same_every_time() -> None:
    first, second = bound(a=1, b=2, c=3), bound(a=1, b=2, c=3)

    assert all(len(list(first.route(key, NO_PROPERTIES))) == 1 for key in KEYS)
    assert places(first) == places(second)


def test_without_a_binding_there_is_no_destination() -> None:
    assert list(bound().route("k", NO_PROPERTIES)) == []


def test_destinations_get_messages_by_their_weights() -> None:
    counts = Counter(places(bound(a=1, b=3)).values())

    assert counts.keys() == {"a", "b"}
    assert 0.20 < counts["a"] / len(KEYS) < 0.30


def test_messages_only_move_to_a_destination_that_comes() -> None:  # (C2)
    router = bound(a=2, b=2)
    before = places(router)
    router.bind(Binding("x", "c", "2", {}))
    moved = {key: place for key, place in places(router).items() if place != before[key]}

    assert set(moved.values()) == {"c"}
    assert 0.28 < len(moved) / len(KEYS) < 0.39


def test_messages_only_move_from_the_last_destination_when_it_goes() -> None:  # (C2)
    router = bound(a=2, b=2)
    before = places(router)
    router.bind(Binding("x", "c", "2", {}))
    router.unbind(Binding("x", "c", "2", {}))

    assert places(router) == before


def test_a_second_binding_makes_no_buckets() -> None:  # (C1)
    router = bound(a=1, b=1)
    before = places(router)
    router.bind(Binding("x", "a", "50", {}))

    assert places(router) == before
    assert repr(router) == "<ConsistentHashRouter bindings=3 buckets=2>"


def test_removing_one_binding_takes_the_destination_out() -> None:  # (C1)
    router = bound(a=1, b=1)
    router.bind(Binding("x", "a", "50", {}))
    router.unbind(Binding("x", "a", "50", {}))
    assert set(places(router).values()) == {"b"}

    router.unbind(Binding("x", "a", "1", {}))
    assert set(places(router).values()) == {"b"}

    router.bind(Binding("x", "a", "7", {}))
    assert set(places(router).values()) == {"a", "b"}


def test_all_keys_of_a_message_are_hashed_together() -> None:
    router = bound({}, **{f"q{number}": 1 for number in range(20)})
    routes = {tuple(router.choose(("a", f"{number}"), NO_PROPERTIES)) for number in range(50)}

    assert len(routes) > 1
    assert all(len(route) == 1 for route in routes)


def test_a_header_is_hashed_by_its_value() -> None:
    router = bound({"hash-header": longstr("id")}, **{f"q{number}": 1 for number in range(20)})
    numbers = [properties_of(headers={"id": Field("I", number)}) for number in range(50)]
    alike = [properties_of(headers={"id": Field(kind, 5)}) for kind in "bBsuIil"]

    assert router.uses_properties
    assert spread(router, *numbers) > 1
    assert spread(router, *alike) == 1
    assert router.route("a", NO_PROPERTIES) == router.route("b", NO_PROPERTIES)


@pytest.mark.parametrize("name", ["correlation_id", "message_id"])
def test_a_text_property_is_hashed(name: str) -> None:
    router = bound({"hash-property": longstr(name)}, **{f"q{number}": 1 for number in range(20)})

    assert router.uses_properties
    assert spread(router, *(properties_of(**{name: str(number)}) for number in range(50))) > 1
    assert router.route("a", NO_PROPERTIES) == router.route("b", NO_PROPERTIES)
    assert spread(router, properties_of(**{name: "same"}), properties_of(**{name: "same"})) == 1


def test_the_timestamp_is_hashed() -> None:
    arguments = {"hash-property": longstr("timestamp")}
    router = bound(arguments, **{f"q{number}": 1 for number in range(20)})

    assert spread(router, *(properties_of(timestamp=number) for number in range(50))) > 1
    assert router.route("a", NO_PROPERTIES) == router.route("b", NO_PROPERTIES)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("", "The binding key must be an integer: <<>>"),
        ("x", 'The binding key must be an integer: <<"x">>'),
        (" 1", 'The binding key must be an integer: <<" 1">>'),
        ("1\n", 'The binding key must be an integer: <<"1\\n">>'),
        ("\u0661", 'The binding key must be an integer: <<"\u0661"/utf8>>'),
        ("1.5", 'The binding key must be an integer: <<"1.5">>'),
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
        (str(WEIGHT_MAX + 1), "The binding key must not exceed 10000"),
        ("9" * 255, "The binding key must not exceed 10000"),
    ],
)
def test_a_key_that_is_no_weight_is_refused(key: str, text: str) -> None:
    with pytest.raises(ChannelException) as caught:
        bound().check(Binding("x", "q", key, {}))

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"


@pytest.mark.parametrize("key", ["1", "+2", "007", str(WEIGHT_MAX)])
def test_a_weight_is_accepted(key: str) -> None:
    router = bound()
    router.check(Binding("x", "q", key, {}))
    router.bind(Binding("x", "q", key, {}))

    assert repr(router) == f"<ConsistentHashRouter bindings=1 buckets={int(key)}>"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"hash-header": longstr("a"), "hash-property": longstr("message_id")},
            "hash-header and hash-property are mutually exclusive",
        ),
        ({"hash-property": longstr("app_id")}, "Unsupported property: app_id"),
        ({"hash-property": Field("I", 5)}, "Unsupported property: 5"),
        ({"hash-header": Field("I", 5)}, "Unsupported header: 5"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: Table, text: str) -> None:
    with pytest.raises(ChannelException) as caught:
        consistent_hash_router(arguments)

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"
