"""The keys of a policy's definition: what they may say, whose they are, and how two are merged.

What RabbitMQ checks of a value it says in the words given here (S-342, S-343).  A key with a
*merge* is one of operator policies too.  Keys that mean nothing in a single broker, such as
queue-leader-locator, are accepted and do nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeGuard

import attrs

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.spec.constants import SHORTSTR_BYTES_MAX
from amqpbroker.spec.terms import json_term

PolicyValue: TypeAlias = int | str
Definition: TypeAlias = Mapping[str, PolicyValue]
Merge = Callable[[int, int], int]

NO_DEFINITION: Final[Definition] = {}

_MAX_AGE: Final = re.compile(r"[0-9]+[YMDhms]")
_SEGMENT_BYTES_MAX: Final = 3_000_000_000


@attrs.frozen
class PolicyKey:
    """One key of a definition."""

    accepts: Callable[[object], bool]
    what: str  # as RabbitMQ calls it where a value is refused
    merge: Callable[[PolicyValue, PolicyValue], PolicyValue] | None = None  # (user's, operator's)
    lacking: frozenset[str] = frozenset()  # the types of queues to which it does not belong


def merge_limits(one: int, other: int) -> int:
    """The stricter of two delivery limits; a negative one is none at all (S-308)."""
    return max(one, other) if one < 0 or other < 0 else min(one, other)


def check_definition(definition: Mapping[str, object], *, is_operators: bool) -> Definition:
    """The definition, if RabbitMQ would accept it.  Raises `OperatorError` in its words."""
    if not definition:
        raise OperatorError("no policy provided")
    accepted: dict[str, PolicyValue] = {}
    for name in sorted(definition):
        key, value = POLICY_KEYS.get(name), definition[name]
        if key is None or (is_operators and key.merge is None):
            continue
        if not key.accepts(value):
            raise OperatorError(f"{json_term(value)} is not a valid {key.what}")
        assert isinstance(value, int | str)
        accepted[name] = value
    if unknown := sorted(definition.keys() - accepted.keys()):
        terms = ",".join(f"{{{json_term(one)},{json_term(definition[one])}}}" for one in unknown)
        raise OperatorError(f"[{terms}] are not recognised policy settings")
    return accepted


def merged(users: Definition, operators: Definition) -> Definition:
    """What a user policy and an operator policy come to (S-343)."""
    if not operators or not users:
        return users or operators
    result = {**users, **operators}
    for name in users.keys() & operators.keys():
        merge = POLICY_KEYS[name].merge
        assert merge is not None, name
        result[name] = merge(users[name], operators[name])
    return result


def fits(definition: Definition, queue_type: str) -> bool:
    """Whether queues of a type know all of the keys: else none of them applies (S-341)."""
    return not any(queue_type in POLICY_KEYS[name].lacking for name in definition)


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _integer(least: int, most: int | None = None) -> Callable[[object], bool]:
    return lambda value: _is_integer(value) and least <= value and (most is None or value <= most)


def _any_integer(value: object) -> bool:
    return _is_integer(value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _short_text(value: object) -> bool:
    """What can stand in basic.deliver, as for the queue's argument."""
    return isinstance(value, str) and len(value.encode(errors="replace")) <= SHORTSTR_BYTES_MAX


def _among(*words: PolicyValue) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, bool) and value in words


def _max_age(value: object) -> bool:
    return isinstance(value, str) and _MAX_AGE.fullmatch(value) is not None


def _numbers(merge: Merge) -> Callable[[PolicyValue, PolicyValue], PolicyValue]:
    def merge_values(users: PolicyValue, operators: PolicyValue) -> PolicyValue:
        assert isinstance(users, int)
        assert isinstance(operators, int)
        return merge(users, operators)

    return merge_values


def _operators(users: PolicyValue, operators: PolicyValue) -> PolicyValue:
    return operators


_LESS: Final = _numbers(min)
_NO_CLASSIC: Final = frozenset({"classic"})
_NO_QUORUM: Final = frozenset({"quorum"})
_ONLY_CLASSIC: Final = frozenset({"quorum", "stream"})
_ONLY_QUORUM: Final = frozenset({"classic", "stream"})
_ONLY_STREAM: Final = frozenset({"classic", "quorum"})
_NO_STREAM: Final = frozenset({"stream"})
_LOCATORS: Final = ("client-local", "balanced", "random", "least-leaders")
_MASTER_LOCATORS: Final = ("client-local", "min-masters", "random")

#: {key: what is known of it}
POLICY_KEYS: Final[Mapping[str, PolicyKey]] = {
    "alternate-exchange": PolicyKey(_text, "alternate exchange name"),
    "consumer-timeout": PolicyKey(_integer(0), "consumer timeout"),
    "dead-letter-exchange": PolicyKey(_text, "dead letter exchange name", None, _NO_STREAM),
    "dead-letter-routing-key": PolicyKey(_short_text, "dead letter routing key", None, _NO_STREAM),
    "dead-letter-strategy": PolicyKey(
        _among("at-most-once", "at-least-once"), "dead letter strategy", None, _ONLY_QUORUM
    ),
    "message-ttl": PolicyKey(_integer(0), "message TTL", _LESS, _NO_STREAM),
    "expires": PolicyKey(_integer(1), "queue expiry", _LESS, _NO_STREAM),
    "max-length": PolicyKey(_integer(0), "maximum length", _LESS, _NO_STREAM),
    "max-length-bytes": PolicyKey(_integer(0), "maximum length in bytes", _LESS),
    "max-in-memory-length": PolicyKey(_integer(0), "maximum memory in bytes", _LESS, _ONLY_QUORUM),
    "max-in-memory-bytes": PolicyKey(_integer(0), "maximum memory in bytes", _LESS, _ONLY_QUORUM),
    "overflow": PolicyKey(
        _among("drop-head", "reject-publish", "reject-publish-dlx"),
        "overflow value",
        _operators,
        _NO_STREAM,
    ),
    "delivery-limit": PolicyKey(
        _any_integer, "delivery limit", _numbers(merge_limits), _ONLY_QUORUM
    ),
    "target-group-size": PolicyKey(_integer(1), "qq target count value", _LESS, _ONLY_QUORUM),
    "queue-mode": PolicyKey(_among("default", "lazy"), "queue-mode value", None, _ONLY_CLASSIC),
    "queue-version": PolicyKey(_among(1, 2), "queue-version value", _operators),
    "queue-leader-locator": PolicyKey(_among(*_LOCATORS), "queue leader locator value"),
    "queue-master-locator": PolicyKey(
        _among(*_MASTER_LOCATORS), "master locator", _operators, _ONLY_CLASSIC
    ),
    "max-age": PolicyKey(_max_age, "max age", None, _ONLY_STREAM),
    "stream-max-segment-size-bytes": PolicyKey(
        _integer(0, _SEGMENT_BYTES_MAX), "segment size", None, _ONLY_STREAM
    ),
    "stream-filter-size-bytes": PolicyKey(_integer(16, 255), "filter size. Valid range is 16-255"),
    "initial-cluster-size": PolicyKey(_integer(0), "cluster size", None, _ONLY_STREAM),
}
