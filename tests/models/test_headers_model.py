"""The headers router against trying every binding, over any history of bindings."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from strategies import similar_fields

from amqpbroker.engine.routing.headers import HeadersRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, FieldValue, Table, longstr

INTEGERS = {"byte", "unsignedbyte", "short", "unsignedshort", "signedint", "unsignedint", "long"}

tables: st.SearchStrategy[Table] = st.dictionaries(
    st.sampled_from(["a", "b", "x-a", "x-"]), similar_fields, max_size=4
)
ways = st.sampled_from([None, "all", "any", "all-with-x", "any-with-x"])


def printed(kind_name: str, value: FieldValue) -> str:
    """A value as text that is the same for the same values (S-129)."""
    if isinstance(value, list):
        return "[" + ",".join(f"{f.kind_name} {printed(f.kind_name, f.value)}" for f in value) + "]"
    if isinstance(value, dict):
        rows = [f"{n}={f.kind_name} {printed(f.kind_name, f.value)}" for n, f in value.items()]
        return "[" + ",".join(rows) + "]"
    group = "integer" if kind_name in INTEGERS | {"timestamp"} else type(value).__name__
    return f"{group} {value!r}"


def holds(wanted: Field, header: Field | None) -> bool:
    if header is None:
        return False
    if wanted.kind == "V":
        return True
    value = header.value
    if header.kind == "T" and isinstance(value, int):
        value *= 1000
    return printed(wanted.kind_name, wanted.value) == printed(header.kind_name, value)


def is_match(arguments: Table, headers: Table) -> bool:
    """Tell whether a message with *headers* matches *arguments* (S-128 to S-131)."""
    way = arguments["x-match"].text if "x-match" in arguments else "all"
    results = [
        holds(wanted, headers.get(name))
        for name, wanted in arguments.items()
        if name != "x-match" and (way.endswith("-with-x") or not name.startswith("x-"))
    ]
    return any(results) if way.startswith("any") else all(results)


class HeadersModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.router = HeadersRouter()
        self.expected_bindings: list[Binding] = []

    @rule(queue_name=st.sampled_from(["q1", "q2", "q3"]), conditions=tables, way=ways)
    def bind(self, queue_name: str, conditions: Table, way: str | None) -> None:
        arguments = conditions if way is None else {**conditions, "x-match": longstr(way)}
        binding = Binding("x", queue_name, "", arguments)
        if binding.identity in [bound.identity for bound in self.expected_bindings]:
            return
        self.router.check(binding)
        self.router.bind(binding)
        self.expected_bindings.append(binding)

    @precondition(lambda self: self.expected_bindings)
    @rule(data=st.data())
    def unbind(self, data: st.DataObject) -> None:
        binding = data.draw(st.sampled_from(self.expected_bindings))
        self.router.unbind(binding)
        self.expected_bindings.remove(binding)

    @rule(headers=tables)
    def route(self, headers: Table) -> None:
        self.expect_routed(headers)

    @precondition(lambda self: self.expected_bindings)
    @rule(headers=tables, data=st.data())
    def route_what_a_binding_asks_for(self, headers: Table, data: st.DataObject) -> None:
        binding = data.draw(st.sampled_from(self.expected_bindings))
        self.expect_routed({**headers, **binding.arguments})

    def expect_routed(self, headers: Table) -> None:
        expected_queue_names = {
            binding.destination
            for binding in self.expected_bindings
            if is_match(binding.arguments, headers)
        }

        routed = list(self.router.route("ignored", properties_of(headers=headers)))

        assert set(routed) == expected_queue_names
        assert len(routed) == len(expected_queue_names)

    @invariant()
    def nothing_is_filed_once_all_are_unbound(self) -> None:
        if not self.expected_bindings:
            assert repr(self.router) == "<HeadersRouter bindings=0 places=0 names=0>"


TestHeadersModel = HeadersModel.TestCase
