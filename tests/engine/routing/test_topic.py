"""Keys and patterns as RabbitMQ 4.0.5 matched them, and what a walk costs at worst."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from executed import lines_executed

from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.topic import TopicRouter
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import longstr

PATTERNS = """
    # * #.# *.# #.* *.* a a.* a.# #.a . .. a. a..b .a *.*.* #.#.# a.*.b a.#.b #.*.# *.#.* ## ** a*
    *a *. #. .# .* a.#. #.b A #.*.#.* a.*.#.b
""".split()
"""All patterns below; the empty one is tried too."""

MATCHES: dict[str, str] = {
    "a": "# * #.# *.# #.* a a.# #.a #.#.# #.*.#",
    ".": "# #.# *.# #.* *.* . #.#.# #.*.# *.#.* *. #. .# .* #.*.#.*",
    "..": "# #.# *.# #.* .. *.*.* #.#.# #.*.# *.#.* #. .# #.*.#.*",
    "a.": "# #.# *.# #.* *.* a.* a.# a. #.#.# #.*.# *.#.* *. #. a.#. #.*.#.*",
    "a..b": "# #.# *.# #.* a.# a..b *.*.* #.#.# a.*.b a.#.b #.*.# *.#.* #.b #.*.#.* a.*.#.b",
    ".a": "# #.# *.# #.* *.* #.a .a #.#.# #.*.# *.#.* .# .* #.*.#.*",
    "a.b": "# #.# *.# #.* *.* a.* a.# #.#.# a.#.b #.*.# *.#.* #.b #.*.#.*",
    "a.x.y.b": "# #.# *.# #.* a.# #.#.# a.#.b #.*.# *.#.* #.b #.*.#.* a.*.#.b",
    "A": "# * #.# *.# #.* #.#.# #.*.# A",
    "*": "# * #.# *.# #.* #.#.# #.*.#",
    "#": "# * #.# *.# #.* #.#.# #.*.#",
    "a.*": "# #.# *.# #.* *.* a.* a.# #.#.# #.*.# *.#.* #.*.#.*",
    "##": "# * #.# *.# #.* #.#.# #.*.# ##",
    "a.b.": "# #.# *.# #.* a.# *.*.* #.#.# #.*.# *.#.* #. a.#. #.*.#.*",
    "#.#": "# #.# *.# #.* *.* #.#.# #.*.# *.#.* #.*.#.*",
}
"""{routing key: the patterns that match it}, as a queue bound to RabbitMQ 4.0.5 received them"""

NAMED_CASES = [
    ("", "", True), ("", "#", True), ("", "#.#", True), ("", "*", False),
    ("a", "#", True), ("a", "*", True), ("a", "a", True), ("a", "a.#", True), ("a", "#.a", True),
    ("a", "*.#", True), ("a", "a.*", False),
    (".", "*.*", True), (".", "#", True), (".", "*", False),
    ("a.", "a.*", True), ("a.", "a.#", True), ("a.", "a", False),
    ("a.b", "a.#.b", True), ("a.b", "#.b", True), ("a.b", "*.*", True), ("a.b", "*", False),
    ("a.x.y.b", "a.#.b", True),
]  # fmt: skip
"""S-127, row by row"""


def router_of(*patterns: str) -> TopicRouter:
    router = TopicRouter()
    for pattern in patterns:
        router.bind(Binding("x", f"queue of {pattern}", pattern, {}))
    return router


def routed(router: TopicRouter, key: str) -> list[object]:
    return list(router.route(key, NO_PROPERTIES))


def route_lines(patterns: list[str], key: str) -> int:
    router = router_of(*patterns)
    route: Callable[[], object] = lambda: router.route(key, NO_PROPERTIES)  # noqa: E731
    return lines_executed(route)


@pytest.mark.parametrize(("key", "pattern", "expected"), NAMED_CASES)
def test_the_cases_that_must_hold(key: str, pattern: str, expected: bool) -> None:
    assert bool(routed(router_of(pattern), key)) == expected


@pytest.mark.parametrize("key", MATCHES)
def test_a_pattern_alone_matches_what_rabbitmq_matches(key: str) -> None:
    expected = MATCHES[key].split()

    assert [one for one in PATTERNS if routed(router_of(one), key)] == expected


@pytest.mark.parametrize("key", MATCHES)
def test_patterns_do_not_disturb_each_other(key: str) -> None:
    expected = {f"queue of {pattern}" for pattern in MATCHES[key].split()}
    found = routed(router_of("", *PATTERNS), key)

    assert set(found) == expected
    assert len(found) == len(expected)


def test_the_empty_key_has_no_words() -> None:
    expected = {f"queue of {pattern}" for pattern in ("", "#", "#.#", "#.#.#")}

    assert set(routed(router_of("", *PATTERNS), "")) == expected


def test_a_destination_of_several_matching_patterns_is_named_once() -> None:
    router = TopicRouter()
    for pattern in ("a.b", "a.*", "#"):
        router.bind(Binding("x", "q", pattern, {}))

    assert routed(router, "a.b") == ["q"]


def test_a_destination_stays_until_its_last_matching_binding_is_gone() -> None:
    router = TopicRouter()
    bindings = [
        Binding("x", "q", "a.*", {}),
        Binding("x", "q", "a.*", {"tag": longstr("other arguments")}),
        Binding("x", "q", "#", {}),
    ]
    for binding in bindings:
        router.bind(binding)

    still_there: list[bool] = []
    for binding in bindings:
        router.unbind(binding)
        still_there.append(bool(routed(router, "a.b")))

    assert still_there == [True, True, False]


def test_two_ways_to_write_a_pattern_are_two_bindings() -> None:
    router = TopicRouter()
    router.bind(Binding("x", "q", "#.*", {}))
    router.bind(Binding("x", "q", "*.#", {}))
    router.unbind(Binding("x", "q", "#.*", {}))

    assert routed(router, "a") == ["q"]


def test_the_order_depends_on_the_history_alone() -> None:
    patterns = [f"{first}.{rest}" for first in "a*#" for rest in ("b", "*", "#", "b.#", "#.b")]
    orders = [routed(router_of(*patterns), "a.b") for _ in range(3)]

    assert orders[0] == orders[1] == orders[2]


def test_unbinding_prunes_what_leads_nowhere() -> None:
    router = router_of("a.b.c", "a.b", "a.*.#")
    assert repr(router) == "<TopicRouter patterns=3 nodes=6>"

    router.unbind(Binding("x", "queue of a.b.c", "a.b.c", {}))
    assert repr(router) == "<TopicRouter patterns=2 nodes=5>"

    router.unbind(Binding("x", "queue of a.*.#", "a.*.#", {}))
    router.unbind(Binding("x", "queue of a.b", "a.b", {}))
    assert repr(router) == "<TopicRouter patterns=0 nodes=1>"


def test_unbinding_keeps_the_longer_patterns() -> None:
    router = router_of("a", "a.b")
    router.unbind(Binding("x", "queue of a", "a", {}))

    assert routed(router, "a.b") == ["queue of a.b"]


def test_a_row_of_wildcards_takes_one_node_for_each_word_it_asks_for() -> None:
    longest = ".".join("#" * 128)

    assert repr(router_of(longest)) == "<TopicRouter patterns=1 nodes=2>"
    assert repr(router_of("#.*.#.*.#")) == "<TopicRouter patterns=1 nodes=4>"


@pytest.mark.parametrize("pattern_head", ["#.", "#.a.", "#.*.", "*.#.", "#.a.*."])
def test_nested_wildcards_cost_no_more_than_words_times_nodes(pattern_head: str) -> None:
    """(T2) a 255-byte key that nearly matches in every possible way."""
    pattern = (pattern_head * 126)[:252] + "z"
    key = ".".join("a" * 128)
    node_count = int(repr(router_of(pattern)).partition("nodes=")[2].rstrip(">"))

    lines = route_lines([pattern], key)

    assert len(key) == 255
    assert lines < 8 * 129 * node_count


def test_the_cost_of_nested_wildcards_grows_with_the_square_not_the_power() -> None:
    """(T2) with twice the words in the pattern and in the key, about four times the steps."""
    lines = {
        count: route_lines(["#.a." * count + "z"], "a." * count + "a") for count in (15, 30, 60)
    }

    assert lines[30] < 5 * lines[15]
    assert lines[60] < 5 * lines[30]


def test_the_cost_of_a_walk_does_not_depend_on_patterns_that_do_not_match() -> None:
    few = [f"a.{number}.c" for number in range(10)]
    many = [f"a.{number}.c" for number in range(5000)]

    assert route_lines(few, "a.5.c") == route_lines(many, "a.5.c")


def test_no_binding_is_refused() -> None:
    router = TopicRouter()
    router.check(Binding("x", "q", "#.#.*..a*", {}))

    assert not router.uses_properties
