"""A vhost's policies: what operators lay down for queues and exchanges by their names.

Of the policies whose pattern is found in an object's name, which apply to its kind and whose keys
its type knows, the one of the highest priority holds; likewise one operator policy.  The two are
merged (`policy_keys.merged`), and what comes of it joins the object's arguments
(`queue_arguments.rules_of`): so policies of one kind never add up (S-340, S-341, S-343).

Policies count neither where a second declaration is compared with the first (S-346), nor at the
default exchange.  Of two policies of the same priority RabbitMQ takes any; here it is the one
whose name comes first.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeGuard

import attrs

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.patterns import compile_pattern
from amqpbroker.engine.policy_keys import (
    NO_DEFINITION,
    Definition,
    check_definition,
    fits,
    merged,
)
from amqpbroker.spec.terms import json_term

#: {apply-to: (kinds of objects that it means)}
_APPLY_TO: Final[Mapping[str, frozenset[str]]] = {
    "all": frozenset({"exchange", "classic", "quorum", "stream"}),
    "queues": frozenset({"classic", "quorum", "stream"}),
    "classic_queues": frozenset({"classic"}),
    "quorum_queues": frozenset({"quorum"}),
    "streams": frozenset({"stream"}),
    "exchanges": frozenset({"exchange"}),
}


@attrs.frozen
class Policy:
    """A policy, or an operator policy.  `check_policy` makes them."""

    name: str
    pattern: str
    definition: Definition
    apply_to: str
    priority: float
    is_operators: bool
    _found: re.Pattern[str]

    def concerns(self, kind: str, name: str) -> bool:
        """Whether it is meant for the object; *kind* is a type of queue, or ``exchange``."""
        if kind not in _APPLY_TO[self.apply_to]:
            return False
        if kind != "exchange" and not fits(self.definition, kind):
            return False
        return self._found.search(name) is not None


def check_policy(
    name: str,
    pattern: object,
    definition: Mapping[str, object],
    *,
    apply_to: object = "all",
    priority: object = 0,
    is_operators: bool = False,
) -> Policy:
    """The policy, if RabbitMQ would accept it.

    Raises `OperatorError` with everything that is wrong, in RabbitMQ's words and order.
    """
    errors: list[str] = []
    accepted: Definition = NO_DEFINITION
    try:
        accepted = check_definition(definition, is_operators=is_operators)
    except OperatorError as error:
        errors.append(str(error))
    if apply_to not in _APPLY_TO:
        errors.append(
            f"apply-to '{apply_to}' unrecognised; should be one of: 'queues', 'classic_queues',  "
            "'quorum_queues', 'streams', 'exchanges', or 'all'"
        )
    found = re.compile("")
    try:
        if not isinstance(pattern, str):
            raise OperatorError(f"pattern should be a binary but was {json_term(pattern)}")
        found = compile_pattern(pattern)
    except OperatorError as error:
        errors.append(str(error))
    if not _is_number(priority):
        errors.append(f"priority should be a number, actually was {json_term(priority)}")
    if errors:
        raise OperatorError("; ".join(errors))
    assert isinstance(pattern, str)
    assert isinstance(apply_to, str)
    assert _is_number(priority)
    return Policy(name, pattern, accepted, apply_to, priority, is_operators, found)


class Policies:
    """The policies and the operator policies of one vhost."""

    def __init__(self) -> None:
        self._by_name: dict[bool, dict[str, Policy]] = {False: {}, True: {}}  # {is_operators: ...}

    def put(self, policy: Policy) -> None:
        """Add a policy, or replace the one of its kind and name."""
        self._by_name[policy.is_operators][policy.name] = policy

    def remove(self, name: str, *, is_operators: bool) -> Policy:
        """Take a policy away.  Raises `OperatorError` when it is not there."""
        policy = self._by_name[is_operators].pop(name, None)
        if policy is None:
            kind = "operator policy" if is_operators else "policy"
            raise OperatorError(f"there is no {kind} '{name}'")
        return policy

    def listed(self, *, is_operators: bool) -> list[Policy]:
        """The policies of a kind, by name."""
        return [policy for _, policy in sorted(self._by_name[is_operators].items())]

    def applied(self, kind: str, name: str) -> tuple[Policy | None, Policy | None]:
        """The policy and the operator policy that hold for an object (`Policy.concerns`)."""
        return (
            _foremost(self._by_name[False].values(), kind, name),
            _foremost(self._by_name[True].values(), kind, name),
        )

    def definition_for(self, kind: str, name: str) -> Definition:
        """What the policies lay down for an object, all in all."""
        users, operators = self.applied(kind, name)
        return merged(
            NO_DEFINITION if users is None else users.definition,
            NO_DEFINITION if operators is None else operators.definition,
        )


def _foremost(policies: Iterable[Policy], kind: str, name: str) -> Policy | None:
    concerned = [policy for policy in policies if policy.concerns(kind, name)]
    return min(concerned, key=lambda one: (-one.priority, one.name), default=None)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
