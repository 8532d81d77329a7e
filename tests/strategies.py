"""What Hypothesis draws for several test files: words, keys, fields, tables, methods."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from amqpbroker.spec import methods
from amqpbroker.spec.method import METHODS, Method
from amqpbroker.spec.table import Decimal, Field, Table

assert methods  # makes METHODS complete

#: {kind: values that it can carry}; containers are in `fields`.
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "t": st.booleans(),
    "b": st.integers(-(2**7), 2**7 - 1),
    "B": st.integers(0, 2**8 - 1),
    "s": st.integers(-(2**15), 2**15 - 1),
    "u": st.integers(0, 2**16 - 1),
    "I": st.integers(-(2**31), 2**31 - 1),
    "i": st.integers(0, 2**32 - 1),
    "l": st.integers(-(2**63), 2**63 - 1),
    "L": st.integers(-(2**63), 2**63 - 1),
    "f": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "d": st.floats(allow_nan=False, allow_infinity=False),
    "D": st.builds(Decimal, st.integers(0, 2**8 - 1), st.integers(0, 2**32 - 1)),
    "S": st.binary(max_size=40),
    "x": st.binary(max_size=40),
    "T": st.integers(0, 2**64 - 1),
    "V": st.none(),
}

#: A short string: any bytes, as text in which what is not UTF-8 is escaped.
names = st.one_of(
    st.sampled_from(["a", "x-match", "\udcff" * 255, "é" * 127]),
    st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)
#: A short string that is UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)

scalar_fields = st.sampled_from(sorted(SCALARS)).flatmap(
    lambda kind: SCALARS[kind].map(lambda value: Field(kind, value))
)


def _containers(inner: st.SearchStrategy[Field]) -> st.SearchStrategy[Field]:
    return st.one_of(
        st.lists(inner, max_size=4).map(lambda items: Field("A", items)),
        st.dictionaries(names, inner, max_size=4).map(lambda table: Field("F", table)),
    )


fields = st.recursive(scalar_fields, _containers, max_leaves=6)
tables: st.SearchStrategy[Table] = st.dictionaries(names, fields, max_size=4)

#: Words of topics: few, so that patterns match, with all that is special.
key_words = st.sampled_from(["a", "b", "", "*", "#", "a*", "##"])
pattern_words = st.sampled_from(["a", "b", "*", "#", "*", "#", "", "a*"])
routing_keys = st.lists(key_words, max_size=5).map(".".join)
topic_patterns = st.lists(pattern_words, max_size=5).map(".".join)

#: Fields that often are equal to another one, or nearly.
similar_fields = st.sampled_from(
    [
        Field("I", 1), Field("l", 1), Field("L", 1), Field("b", 1), Field("T", 1),
        Field("l", 1000), Field("t", True), Field("d", 1.0), Field("f", 1.0), Field("d", 0.0),
        Field("d", -0.0), Field("S", b"1"), Field("x", b"1"), Field("S", b"True"),
        Field("D", Decimal(0, 1)), Field("V", None), Field("A", []), Field("F", {}),
        Field("A", [Field("I", 1)]), Field("A", [Field("l", 1)]), Field("A", [Field("V", None)]),
        Field("F", {"a": Field("I", 1)}), Field("F", {"a": Field("t", True)}),
        Field("F", {"a": Field("I", 1), "b": Field("V", None)}),
        Field("F", {"b": Field("V", None), "a": Field("I", 1)}),
    ]
)  # fmt: skip

#: {wire kind of a method's field: its values}
ARGUMENTS: dict[str, st.SearchStrategy[Any]] = {
    "Octet": st.integers(0, 2**8 - 1),
    "Short": st.integers(0, 2**16 - 1),
    "Long": st.integers(0, 2**32 - 1),
    "LongLong": st.integers(0, 2**64 - 1),
    "Bit": st.booleans(),
    "ShortStr": texts,
    "LongStr": st.binary(max_size=300),
    "Table": tables,
}


def methods_of(
    method_class: type[Method], arguments: dict[str, st.SearchStrategy[Any]] = ARGUMENTS
) -> st.SearchStrategy[Method]:
    """Methods of one class, with any arguments."""
    values = {field: arguments[kind] for field, kind in method_class.fields}
    return st.fixed_dictionaries(values).map(lambda drawn: method_class(**drawn))


any_methods = st.sampled_from(list(METHODS.values())).flatmap(methods_of)
