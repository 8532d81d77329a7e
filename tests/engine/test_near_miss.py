"""The nearest miss: which binding is named to somebody whose message went nowhere."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker

from amqpbroker.engine.near_miss import (
    BINDINGS_MAX,
    closest_text,
    explain,
    matching,
    nearest,
    text_distance,
    topic_distance,
)
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, longstr


def bound(*keys: str) -> list[Binding]:
    return [Binding("x", f"queue '{key}'", key, EMPTY_TABLE) for key in keys]


def nearest_key(type_name: str, key: str, *keys: str) -> str | None:
    miss = nearest(type_name, bound(*keys), (key,), NO_PROPERTIES)
    return None if miss is None else miss.binding.routing_key


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("a.b", "a.b"), ("*.b", "a.b"), ("#", "a.b.c"), ("#", ""), ("a.#", "a"), ("a.#.c", "a.c"),
        ("a.#.c", "a.b.b.c"), ("#.#", "a"), ("", ""), ("*", "a"),
    ],
)  # fmt: skip
def test_what_matches_is_not_missed_at_all(pattern: str, key: str) -> None:
    assert topic_distance(pattern, key) == 0


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a.b", "a", 0.5), ("a", "a.b", 0.5), ("a.#.b", "a.x.y", 1 / 3), ("*", "", 1.0),
        ("x.y", "a.b", 1.0), ("*.*", "a", 0.5),
    ],
)  # fmt: skip
def test_words_that_must_change_count(pattern: str, key: str, expected: float) -> None:
    assert topic_distance(pattern, key) == pytest.approx(expected)


def test_the_nearest_pattern_is_named() -> None:
    assert nearest_key("topic", "orders.new", "orders.#.eu", "invoices.*.eu") == "orders.#.eu"
    assert nearest_key("topic", "order.new.eu", "*.old.eu", "orders.new.eu") == "orders.new.eu"


def test_the_first_of_equally_near_ones_is_named() -> None:
    assert nearest_key("topic", "a.b", "a.b.c", "a.b.d") == "a.b.c"


def test_a_key_that_differs_in_its_case_is_nearer_than_a_typing_mistake() -> None:
    assert text_distance("Orders", "orders") < text_distance("oders", "orders")
    assert nearest_key("direct", "orders", "oders", "ORDERS") == "ORDERS"


def test_what_has_little_in_common_is_no_near_miss() -> None:
    assert nearest_key("direct", "orders", "xyz") is None
    assert nearest_key("topic", "a.b", "x.y") is None
    assert closest_text("jobs", ["mail", "xyz"]) is None


def test_no_more_bindings_are_looked_at_than_the_limit_allows() -> None:
    keys = [f"{number:03}" for number in range(BINDINGS_MAX)]

    assert nearest_key("direct", "orders", *keys, "orderz") is None
    assert nearest_key("direct", "orders", *keys[1:], "orderz") == "orderz"


def headers(**values: str | int) -> Table:
    return {
        name.replace("_", "-"): longstr(value) if isinstance(value, str) else Field("I", value)
        for name, value in values.items()
    }


def headers_miss(sent: Properties, *arguments: Table) -> str | None:
    bindings = [Binding("x", "q", "", one) for one in arguments]
    miss = nearest("headers", bindings, ("",), sent)
    return None if miss is None else miss.reason


def test_a_headers_binding_says_which_condition_fails() -> None:
    sent = properties_of(headers=headers(format="pdf", size=3))

    assert (
        headers_miss(sent, headers(format="zip", size=3)) == "header 'format' is 'pdf', not 'zip'"
    )
    assert headers_miss(sent, headers(format="pdf", year=2)) == "no header 'year'"
    assert headers_miss(sent, headers(size=4, format="pdf")) == (
        "header 'size' is signedint 3, not signedint 4"
    )


def test_the_headers_binding_with_the_fewest_failed_conditions_is_the_nearest() -> None:
    sent = properties_of(headers=headers(a=1, b=2))

    assert headers_miss(sent, headers(a=9, b=9), headers(a=1, b=9)) == (
        "header 'b' is signedint 2, not signedint 9"
    )
    assert headers_miss(sent, headers(c=9), headers(x_match="any", a=9, c=9)) == (
        "header 'a' is signedint 1, not signedint 9, no header 'c'"
    )


def explained(
    key: str, type_: str = "topic", *, name: str = "x", binding: str | None = None
) -> str:
    channel = Client(make_broker()).open()
    declare(channel, "jobs")
    vhost = channel.vhost
    if name:
        arguments = {"x-delayed-type": longstr("direct")} if type_ == "x-delayed-message" else {}
        vhost.declare_exchange(
            name, type_, durable=False, auto_delete=False, internal=False, arguments=arguments
        )
    if binding is not None:
        vhost.bind(name, vhost.queues["jobs"], binding, EMPTY_TABLE)
    return explain(vhost.exchanges[name], (key,), NO_PROPERTIES)


def test_the_sentence_names_exchange_key_binding_and_queue() -> None:
    assert explained("orders.new", binding="orders.#.eu") == (
        "no binding of exchange 'x' matches 'orders.new'; closest: 'orders.#.eu' of queue 'jobs'"
    )


def test_the_sentence_of_a_headers_exchange_names_the_condition() -> None:
    assert (
        explained("", "headers", binding="")
        == "no binding of exchange 'x' matches the headers; closest: that of queue 'jobs'"
    )


def test_a_delayed_exchange_is_explained_by_the_type_that_it_routes_by() -> None:
    assert "closest: 'jobz'" in explained("jobs", "x-delayed-message", binding="jobz")


def test_the_default_exchange_names_the_queue_that_was_meant() -> None:
    assert explained("job", name="") == "no queue 'job' in vhost '/'; closest: 'jobs'"
    assert explained("mail", name="") == "no queue 'mail' in vhost '/'"


def test_an_exchange_without_bindings_says_so() -> None:
    assert explained("a") == "exchange 'x' has no bindings"


def test_without_a_near_miss_the_sentence_is_short() -> None:
    assert explained("a", binding="x.y.z") == "no binding of exchange 'x' matches 'a'"


def test_the_bindings_that_a_message_follows_are_found_through_other_exchanges() -> None:
    channel = Client(make_broker()).open()
    vhost = channel.vhost
    jobs = declare(channel, "jobs")
    exchanges = [
        vhost.declare_exchange(
            name, type_, durable=False, auto_delete=False, internal=False, arguments=EMPTY_TABLE
        )
        for name, type_ in (("x", "topic"), ("y", "fanout"))
    ]
    vhost.bind("x", exchanges[1], "a.*", EMPTY_TABLE)
    vhost.bind("x", jobs, "b", EMPTY_TABLE)
    vhost.bind("y", exchanges[0], "#", EMPTY_TABLE)  # round, and round again
    vhost.bind("y", jobs, "", EMPTY_TABLE)

    found = matching(exchanges[0], ("a.b",), NO_PROPERTIES)
    assert [(one.source_name, one.routing_key, one.destination) for one in found] == [
        ("x", "a.*", exchanges[1]), ("y", "#", exchanges[0]), ("y", "", jobs),
    ]  # fmt: skip
