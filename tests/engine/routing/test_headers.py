"""Conditions on headers as RabbitMQ 4.0.5 judged them."""

from __future__ import annotations

import pytest
from executed import lines_executed

from amqpbroker.engine.routing.headers import HeadersRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Decimal, Field, Table, longstr

INTEGERS = "byte unsignedbyte short unsignedshort signedint unsignedint long-l long-L"

FIELDS: dict[str, Field] = {
    "byte": Field("b", 1), "unsignedbyte": Field("B", 1), "short": Field("s", 1),
    "unsignedshort": Field("u", 1), "signedint": Field("I", 1), "unsignedint": Field("i", 1),
    "long-l": Field("l", 1), "long-L": Field("L", 1), "thousand": Field("l", 1000),
    "bool": Field("t", True), "float": Field("f", 1.0), "double": Field("d", 1.0),
    "zero": Field("d", 0.0), "minus-zero": Field("d", -0.0),
    "float-tenth": Field("f", 0.10000000149011612), "double-tenth": Field("d", 0.1),
    "longstr": Field("S", b"1"), "binary": Field("x", b"1"), "true-text": Field("S", b"true"),
    "no-text": Field("S", b""), "timestamp": Field("T", 1),
    "decimal": Field("D", Decimal(0, 1)), "decimal-tenths": Field("D", Decimal(1, 10)),
    "void": Field("V", None),
    "array": Field("A", [Field("I", 1)]), "array-of-long": Field("A", [Field("l", 1)]),
    "array-of-timestamp": Field("A", [Field("T", 1)]),
    "no-array": Field("A", []), "no-table": Field("F", {}),
    "table-ab": Field("F", {"a": Field("I", 1), "b": Field("I", 2)}),
    "table-ba": Field("F", {"b": Field("I", 2), "a": Field("I", 1)}),
    "table-of-long": Field("F", {"a": Field("l", 1), "b": Field("I", 2)}),
}  # fmt: skip

EQUALS: dict[str, str] = {
    **dict.fromkeys(INTEGERS.split(), INTEGERS),
    "timestamp": INTEGERS,
    "thousand": "thousand timestamp",
    "float": "float double", "double": "float double",
    "longstr": "longstr binary", "binary": "longstr binary",
    "no-array": "no-array no-table", "no-table": "no-array no-table",
    "void": " ".join(FIELDS),
}  # fmt: skip
"""{binding argument: the headers that are equal to it}; all others are equal to themselves only"""


def binding(queue_name: str, way: str | None, **conditions: Field | str) -> Binding:
    arguments: dict[str, Field] = {} if way is None else {"x-match": longstr(way)}
    for name, value in conditions.items():
        arguments[name.replace("_", "-")] = longstr(value) if isinstance(value, str) else value
    return Binding("x", queue_name, "", arguments)


def message(**headers: str) -> Properties:
    return properties_of(
        headers={name.replace("_", "-"): longstr(text) for name, text in headers.items()}
    )


def routed(router: HeadersRouter, properties: Properties) -> list[object]:
    return list(router.route("a key that nobody asks for", properties))


def is_match(way: str | None, conditions: dict[str, Field | str], headers: dict[str, str]) -> bool:
    router = HeadersRouter()
    router.bind(binding("q", way, **conditions))
    return routed(router, message(**headers)) == ["q"]


@pytest.mark.parametrize("argument", FIELDS)
def test_values_are_compared_and_types_are_not(argument: str) -> None:
    router = HeadersRouter()
    router.bind(binding("q", "all", k=FIELDS[argument]))
    expected = EQUALS.get(argument, argument).split()

    equal = [
        header
        for header, field in FIELDS.items()
        if routed(router, properties_of(headers={"k": field}))
    ]

    assert sorted(equal) == sorted(expected)


AB = {"a": "1", "b": "2"}

WAYS: list[tuple[str | None, dict[str, Field | str], dict[str, str], bool]] = [
    (None, {"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}, True),
    (None, {"a": "1", "b": "2"}, {"a": "1"}, False),
    ("all", {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, True),
    ("all", {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, False),
    ("all", {"a": "1", "b": "2"}, {}, False),
    ("any", {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, True),
    ("any", {"a": "1", "b": "2"}, {"b": "2"}, True),
    ("any", {"a": "1", "b": "2"}, {"a": "2", "b": "1"}, False),
    # Names that start with x-
    ("all", {"a": "1", "x_a": "2"}, {"a": "1"}, True),
    ("all-with-x", {"a": "1", "x_a": "2"}, {"a": "1"}, False),
    ("all-with-x", {"a": "1", "x_a": "2"}, {"a": "1", "x_a": "2"}, True),
    ("any", {"a": "1", "x_a": "2"}, {"x_a": "2"}, False),
    ("any-with-x", {"a": "1", "x_a": "2"}, {"x_a": "2"}, True),
    # x-match is no condition
    ("all-with-x", {"a": "1"}, {"a": "1"}, True),
    ("any-with-x", {}, {"x_match": "any-with-x"}, False),
    # No conditions
    (None, {}, {}, True),
    ("all", {}, {"a": "1"}, True),
    ("all", {"x_a": "1"}, {}, True),
    ("all-with-x", {}, {}, True),
    ("any", {}, {}, False),
    ("any", {}, {"a": "1"}, False),
    ("any", {"x_a": "1"}, {"x_a": "1"}, False),
    ("any-with-x", {}, {"a": "1"}, False),
    # Presence
    ("all", {"a": Field("V", None), "b": "2"}, {"a": "whatever", "b": "2"}, True),
    ("all", {"a": Field("V", None), "b": "2"}, {"b": "2"}, False),
    ("any", {"a": Field("V", None), "b": "2"}, {"a": "whatever"}, True),
    ("any", {"a": Field("V", None), "b": "2"}, {"c": "2"}, False),
    # Names are compared as they are
    ("all", {"a": "1"}, {"A": "1"}, False),
]
"""(x-match, conditions, headers, expected); x_a stands for x-a"""


@pytest.mark.parametrize(("way", "conditions", "headers", "expected"), WAYS)
def test_x_match_says_how_conditions_combine(
    way: str | None, conditions: dict[str, Field | str], headers: dict[str, str], expected: bool
) -> None:
    assert is_match(way, conditions, headers) == expected


def test_a_message_without_properties_fulfils_no_condition() -> None:
    router = HeadersRouter()
    router.bind(binding("q1", "all", a="1"))
    router.bind(binding("q2", "any", a="1"))
    router.bind(binding("q3", "all"))

    assert routed(router, NO_PROPERTIES) == ["q3"]


def test_a_header_of_type_timestamp_is_milliseconds_only_at_the_top() -> None:
    router = HeadersRouter()
    router.bind(binding("q", "all", k=FIELDS["array-of-timestamp"]))

    assert routed(router, properties_of(headers={"k": FIELDS["array-of-timestamp"]})) == ["q"]


def test_a_destination_is_named_once_however_many_conditions_hold() -> None:
    router = HeadersRouter()
    router.bind(binding("q", "any", a="1", b="2"))
    router.bind(binding("q", "all", a="1", b="2"))
    router.bind(binding("q", None))

    assert routed(router, message(**AB)) == ["q"]


def test_a_destination_stays_until_its_last_matching_binding_is_gone() -> None:
    router = HeadersRouter()
    bindings = [
        binding("q", "any", a="1", b="2"),
        binding("q", "all", a="1", b="2"),
        binding("q", None),
        Binding("x", "q", "another key", {}),
    ]
    for one in bindings:
        router.bind(one)

    still_there: list[bool] = []
    for one in bindings:
        router.unbind(one)
        still_there.append(bool(routed(router, message(**AB))))

    assert still_there == [True, True, True, False]
    assert repr(router) == "<HeadersRouter bindings=0 places=0 names=0>"


def test_a_binding_is_unbound_by_one_with_its_arguments_in_another_order() -> None:
    router = HeadersRouter()
    router.bind(binding("q", "all", a="1", b="2"))
    router.unbind(binding("q", "all", b="2", a="1"))

    assert routed(router, message(**AB)) == []


def test_many_bindings_cost_little_when_their_values_differ() -> None:
    """(H2) all ask for the same format, each for its own tenant."""

    def route_lines(tenant_count: int) -> int:
        router = HeadersRouter()
        for tenant in range(tenant_count):
            router.bind(binding(f"q{tenant}", "all", format="pdf", tenant=f"{tenant}"))
        wanted = message(format="pdf", tenant="7")
        assert routed(router, wanted) == ["q7"]
        return lines_executed(lambda: router.route("", wanted))

    assert route_lines(1000) < route_lines(10) + 20


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (longstr("foo"), 'Invalid x-match field value <<"foo">>; expected all, any, '
                         "all-with-x, or any-with-x"),
        (longstr("ALL"), 'Invalid x-match field value <<"ALL">>; expected all, any, '
                         "all-with-x, or any-with-x"),
        (longstr(""), "Invalid x-match field value <<>>; expected all, any, "
                      "all-with-x, or any-with-x"),
        (longstr("é"), 'Invalid x-match field value <<"é"/utf8>>; expected all, any, '
                       "all-with-x, or any-with-x"),
        (Field("x", b"all"), 'Invalid x-match field type binary (value <<"all">>);'
                             " expected longstr"),
        (Field("I", 5), "Invalid x-match field type signedint (value 5); expected longstr"),
        (Field("t", True), "Invalid x-match field type bool (value true); expected longstr"),
        (Field("V", None), "Invalid x-match field type void (value undefined); expected longstr"),
        (Field("A", []), "Invalid x-match field type array (value []); expected longstr"),
    ],
)  # fmt: skip
def test_an_x_match_that_says_nothing_known_is_refused(match: Field, expected: str) -> None:
    with pytest.raises(ChannelException) as refusal:
        HeadersRouter().check(Binding("x", "q", "", {"x-match": match}))

    assert refusal.value.reply_text == f"PRECONDITION_FAILED - {expected}"
    assert refusal.value.reply_code == 406


@pytest.mark.parametrize(
    "arguments", [{}, *({"x-match": longstr(way)} for way in
                        ("all", "any", "all-with-x", "any-with-x"))]
)  # fmt: skip
def test_the_four_ways_and_none_are_accepted(arguments: Table) -> None:
    HeadersRouter().check(Binding("x", "q", "", arguments))

    assert HeadersRouter.uses_properties
