"""The keys of policies: what they may say, and how two definitions are merged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.policy_keys import (
    POLICY_KEYS,
    Definition,
    check_definition,
    fits,
    merge_limits,
    merged,
)

#: {key: values that are right}
VALUES: dict[str, st.SearchStrategy[int | str]] = {
    "message-ttl": st.integers(0, 9),
    "max-length": st.integers(0, 9),
    "delivery-limit": st.integers(-2, 9),
    "overflow": st.sampled_from(["drop-head", "reject-publish"]),
    "queue-version": st.sampled_from([1, 2]),
}
definitions = st.fixed_dictionaries({}, optional=VALUES)


@given(definitions, definitions)
def test_each_key_of_two_definitions_is_merged_by_itself(
    users: Definition, operators: Definition
) -> None:
    result = merged(users, operators)

    assert result.keys() == users.keys() | operators.keys()
    for name, value in result.items():
        ours, theirs = users.get(name), operators.get(name)
        if ours is None or theirs is None:
            assert value == (theirs if ours is None else ours)
        elif name in ("overflow", "queue-version"):
            assert value == theirs
        elif name == "delivery-limit":
            unlimited = [limit for limit in (ours, theirs) if int(limit) < 0]
            assert value == (max if unlimited else min)(int(ours), int(theirs))
        else:
            assert value == min(int(ours), int(theirs))


@given(st.integers(-3, 9), st.integers(-3, 9))
def test_the_stricter_of_two_delivery_limits_does_not_depend_on_their_order(
    one: int, other: int
) -> None:
    assert merge_limits(one, other) == merge_limits(other, one)


@given(definitions.filter(bool))
def test_what_is_right_is_accepted_as_it_is(definition: Definition) -> None:
    assert check_definition(definition, is_operators=True) == definition


@pytest.mark.parametrize("name", POLICY_KEYS)
def test_no_key_takes_a_table(name: str) -> None:
    with pytest.raises(OperatorError, match=r"#\{<<\"a\">> => 1\} is not a valid"):
        check_definition({name: {"a": 1}}, is_operators=False)


def test_a_key_for_dead_letters_fits_into_a_delivery() -> None:
    fitting: Definition = {"dead-letter-routing-key": "é" * 127}

    assert check_definition(fitting, is_operators=False) == fitting
    with pytest.raises(OperatorError, match="is not a valid dead letter routing key"):
        check_definition({"dead-letter-routing-key": "é" * 128}, is_operators=False)


@pytest.mark.parametrize("name", POLICY_KEYS)
def test_true_is_no_number(name: str) -> None:
    with pytest.raises(OperatorError, match="true is not a valid"):
        check_definition({name: True}, is_operators=False)


def test_an_operators_key_is_one_that_can_be_merged() -> None:
    with pytest.raises(OperatorError, match=r'\[\{<<"queue-mode">>,<<"lazy">>\}\] are not recog'):
        check_definition({"queue-mode": "lazy", "max-length": 5}, is_operators=True)


@pytest.mark.parametrize(
    ("definition", "types"),
    [
        ({"max-length": 5}, {"classic", "quorum"}),
        ({"max-length-bytes": 5}, {"classic", "quorum", "stream"}),
        ({"max-length": 5, "delivery-limit": 5}, {"quorum"}),
        ({"queue-mode": "lazy"}, {"classic"}),
        ({"max-age": "1D"}, {"stream"}),
        ({"max-age": "1D", "queue-mode": "lazy"}, set()),
    ],
)
def test_which_types_of_queues_know_all_of_the_keys(
    definition: Definition, types: set[str]
) -> None:
    assert {one for one in ("classic", "quorum", "stream") if fits(definition, one)} == types
