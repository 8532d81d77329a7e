"""When two bindings are one: RabbitMQ 4.0.5 was asked by unbinding with other arguments."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import similar_fields, tables

from amqpbroker.engine.ports import TakingTurns
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.types import EXCHANGE_TYPES, Makings, make_router
from amqpbroker.spec.table import Decimal, Field, Table, decode_table, encode_table, longstr

DIFFERENT = [
    {},
    *({"x": Field(kind, 1)} for kind in "bBsuIilT"),
    {"y": Field("I", 1)},
    {"x": Field("I", 2)},
    {"x": Field("t", True)},
    {"x": Field("f", 1.0)},
    {"x": Field("d", 1.0)},
    {"x": Field("S", b"1")},
    {"x": Field("x", b"1")},
    {"x": Field("D", Decimal(0, 1))},
    {"x": Field("V", None)},
    {"x": Field("A", [])},
    {"x": Field("F", {})},
    {"x": Field("A", [Field("I", 1)])},
    {"x": Field("A", [Field("l", 1)])},
    {"x": Field("F", {"a": Field("I", 1), "b": Field("I", 2)})},
    {"x": Field("F", {"b": Field("I", 2), "a": Field("I", 1)})},
    {"x": Field("I", 1), "y": Field("V", None)},
]
"""Arguments of which no two make the same binding; RabbitMQ sorts only the outermost names."""


def identity(arguments: Table, key: str = "k", destination: str = "q") -> object:
    return Binding("x", destination, key, arguments).identity


def test_destination_and_key_make_a_binding() -> None:
    assert identity({}) == identity({})
    assert identity({}) != identity({}, key="K")
    assert identity({}) != identity({}, destination="Q")


def test_types_of_arguments_make_bindings_differ() -> None:
    identities = {identity(arguments) for arguments in DIFFERENT}

    assert len(identities) == len(DIFFERENT)


def test_both_kinds_of_long_are_one_type() -> None:
    assert identity({"x": Field("l", 1)}) == identity({"x": Field("L", 1)})
    assert identity({"x": Field("A", [Field("l", 1)])}) == identity(
        {"x": Field("A", [Field("L", 1)])}
    )


def test_the_order_of_arguments_does_not_count() -> None:
    rows = [("a", Field("I", 1)), ("b", Field("V", None)), ("c", Field("F", {}))]
    identities = {identity(dict(order)) for order in permutations(rows)}

    assert len(identities) == 1


@given(tables)
def test_arguments_that_came_over_the_wire_twice_make_one_binding(arguments: Table) -> None:
    raw = encode_table(arguments)

    assert identity(decode_table(raw, 0, len(raw))[0]) == identity(arguments)


@given(st.dictionaries(st.sampled_from("abc"), similar_fields), st.randoms())
def test_an_identity_can_be_looked_up(arguments: Table, random: Random) -> None:
    rows = list(arguments.items())
    random.shuffle(rows)

    assert identity(dict(rows)) in {identity(arguments): "bound"}


@pytest.mark.parametrize("type_name", EXCHANGE_TYPES)
def test_every_exchange_has_a_router_of_its_own(type_name: str) -> None:
    arguments = {"x-delayed-type": longstr("topic")}
    makings = Makings(arguments, TakingTurns(), lambda _: None)
    first, second = make_router(type_name, makings), make_router(type_name, makings)

    assert first is not second
    assert repr(first) == repr(second)


def test_the_four_types_of_amqp_are_there() -> None:
    assert {"direct", "fanout", "topic", "headers"} <= EXCHANGE_TYPES.keys()
