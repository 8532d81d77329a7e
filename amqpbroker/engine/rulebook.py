"""Policies and limits in the journal: what is kept of them, by which key.

    policy          (vhost, "policy" or "operator_policy", name)   pattern, definition, ...
    vhost_rules     (vhost)                                        limits, default type of queues
    user_limits     (user)                                         limits

They are restored before exchanges and queues, which are declared under them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from amqpbroker.engine.policies import Policy, check_policy
from amqpbroker.engine.usage_limits import Limits, check_user_limits, check_vhost_limits

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.ports import Journal
    from amqpbroker.engine.vhost import VHost

POLICY: Final = "policy"
VHOST_RULES: Final = "vhost_rules"
USER_LIMITS: Final = "user_limits"

_OPERATORS: Final = "operator_policy"


def keep_policy(journal: "Journal", vhost_name: str, policy: Policy) -> None:
    """A policy is there, or has changed."""
    record = {
        "pattern": policy.pattern,
        "definition": dict(policy.definition),
        "apply_to": policy.apply_to,
        "priority": policy.priority,
    }
    journal.put(POLICY, _key(vhost_name, policy.name, policy.is_operators), record)


def forget_policy(journal: "Journal", vhost_name: str, name: str, *, is_operators: bool) -> None:
    """A policy is gone."""
    journal.remove(POLICY, _key(vhost_name, name, is_operators))


def keep_vhost_rules(journal: "Journal", vhost: "VHost") -> None:
    """A vhost has other limits, or another default type of queues."""
    record = {"limits": dict(vhost.limits), "default_queue_type": vhost.default_queue_type}
    journal.put(VHOST_RULES, (vhost.name,), record)


def keep_user_limits(journal: "Journal", user_name: str, limits: Limits) -> None:
    """A user has other limits."""
    journal.put(USER_LIMITS, (user_name,), dict(limits))


def forget_user(journal: "Journal", user_name: str) -> None:
    """A user is gone."""
    if any(key == (user_name,) for key, _ in journal.records(USER_LIMITS)):
        journal.remove(USER_LIMITS, (user_name,))


def forget_vhost(journal: "Journal", vhost_name: str) -> None:
    """A vhost is gone, and its policies with it."""
    for kind in (POLICY, VHOST_RULES):
        for key, _ in list(journal.records(kind)):
            if key[0] == vhost_name:
                journal.remove(kind, key)


def restore_rules(broker: "Broker") -> None:
    """Take in what was kept; the vhosts are there, and nothing in them yet."""
    journal = broker.journal
    for (vhost_name,), record in journal.records(VHOST_RULES):
        vhost = broker.vhosts[vhost_name]
        vhost.limits = check_vhost_limits(_mapping(record["limits"]))
        vhost.default_queue_type = str(record["default_queue_type"])
    for (user_name,), record in journal.records(USER_LIMITS):
        broker.user_limits[user_name] = check_user_limits(record)
    for (vhost_name, kind, name), record in journal.records(POLICY):
        policy = check_policy(
            name,
            record["pattern"],
            _mapping(record["definition"]),
            apply_to=record["apply_to"],
            priority=record["priority"],
            is_operators=kind == _OPERATORS,
        )
        broker.vhosts[vhost_name].set_policy(policy)


def _key(vhost_name: str, name: str, is_operators: bool) -> tuple[str, ...]:
    return (vhost_name, _OPERATORS if is_operators else POLICY, name)


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping), value
    return cast("Mapping[str, object]", value)
