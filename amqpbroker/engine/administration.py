"""What operators do: users, their permissions, virtual hosts, policies, limits.

Clients' requests have `topology.py`; these are the requests of whoever administers the broker, by
whatever way they come.  They raise `OperatorError` and leave everything as it was when they
cannot be done.  What a change takes away from clients it takes at once: connections of a deleted
user or vhost are closed (S-075), permissions count from the next request on.  The journal is told.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from amqpbroker.engine import roster, rulebook
from amqpbroker.engine.access import User, check_name
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.permissions import EVERYTHING, Permissions, TopicPermissions
from amqpbroker.engine.policies import Policy
from amqpbroker.engine.usage_limits import check_user_limits, check_vhost_limits

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.vhost import VHost

#: What a queue may be that is declared without saying so.
DEFAULT_QUEUE_TYPES: Final = ("classic", "quorum")


def put_user(broker: "Broker", user: User) -> None:
    """Add a user, or change the one of that name; its connections stay as they are."""
    is_new = broker.users.get(user.name) is None
    broker.users.put(user)
    name = {"name": user.name}
    _tell(broker, "user.created" if is_new else "user.password.changed", name)
    _tell(broker, "user.tags.set", {**name, "tags": user.tags})
    roster.keep_user(broker.journal, user)


def delete_user(broker: "Broker", name: str) -> None:
    """Delete a user with its permissions, and close its connections."""
    broker.users.delete(name)
    broker.close_connections(lambda one: one.user.name == name, f"user '{name}' is deleted")
    broker.permissions.forget(user_name=name)
    broker.user_limits.pop(name, None)
    rulebook.forget_user(broker.journal, name)
    _tell(broker, "user.deleted", {"name": name})
    roster.forget(broker.journal, user_name=name)


def set_user_limits(broker: "Broker", name: str, limits: Mapping[str, object]) -> None:
    """Limit a user's connections and channels, instead of the limits it has (S-347)."""
    _check_user(broker, name)
    broker.user_limits[name] = check_user_limits(limits)
    rulebook.keep_user_limits(broker.journal, name, broker.user_limits[name])
    event_name = "user.limits.set" if limits else "user.limits.cleared"
    _tell(broker, event_name, {"name": "limits", "username": name, **limits})


def add_vhost(broker: "Broker", name: str, *, default_queue_type: str | None = None) -> None:
    """Add a vhost; one that is there may be given another default type of queues (S-151)."""
    check_name("vhost", name)
    if default_queue_type is not None and default_queue_type not in DEFAULT_QUEUE_TYPES:
        types = " or ".join(DEFAULT_QUEUE_TYPES)
        raise OperatorError(f"'{default_queue_type}' is not a type of queue: give {types}")
    vhost = broker.add_vhost(name)
    if default_queue_type is not None:
        vhost.default_queue_type = default_queue_type
        rulebook.keep_vhost_rules(broker.journal, vhost)


def delete_vhost(broker: "Broker", name: str) -> None:
    """Delete a vhost with all that is in it, and close its connections."""
    broker.delete_vhost(name)
    rulebook.forget_vhost(broker.journal, name)
    roster.forget(broker.journal, vhost_name=name)


def set_vhost_limits(broker: "Broker", name: str, limits: Mapping[str, object]) -> None:
    """Limit a vhost's connections and queues, instead of the limits it has (S-347)."""
    vhost = _vhost(broker, name)
    vhost.limits = check_vhost_limits(limits)
    rulebook.keep_vhost_rules(broker.journal, vhost)
    _tell(broker, "vhost.limits.set", {"name": "limits", "vhost": name, **limits})


def set_policy(broker: "Broker", vhost_name: str, policy: Policy) -> None:
    """Add a policy or operator policy to a vhost, or replace the one of its name (S-340)."""
    _vhost(broker, vhost_name).set_policy(policy)
    rulebook.keep_policy(broker.journal, vhost_name, policy)
    told = {"name": policy.name, "vhost": vhost_name, "pattern": policy.pattern}
    told |= {"apply-to": policy.apply_to, "priority": policy.priority}
    _tell(broker, "policy.set", {**told, "definition": policy.definition})


def clear_policy(
    broker: "Broker", vhost_name: str, name: str, *, is_operators: bool = False
) -> None:
    """Take a policy or operator policy away from a vhost."""
    _vhost(broker, vhost_name).clear_policy(name, is_operators=is_operators)
    rulebook.forget_policy(broker.journal, vhost_name, name, is_operators=is_operators)
    event_name = "operator.policy.cleared" if is_operators else "policy.cleared"
    _tell(broker, event_name, {"name": name, "vhost": vhost_name})


def set_permissions(
    broker: "Broker", user_name: str, vhost_name: str, permissions: Permissions = EVERYTHING
) -> None:
    """Let a user in to a vhost, to do what *permissions* say."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.set(user_name, vhost_name, permissions)
    told = {"user": user_name, "vhost": vhost_name, **attrs.asdict(permissions)}
    _tell(broker, "permission.created", told)
    roster.keep_permissions(broker.journal, user_name, vhost_name, permissions)


def clear_permissions(broker: "Broker", user_name: str, vhost_name: str) -> None:
    """Let a user in to a vhost no more.  Who is in may do nothing there."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.clear(user_name, vhost_name)
    _tell(broker, "permission.deleted", {"user": user_name, "vhost": vhost_name})
    roster.keep_permissions(broker.journal, user_name, vhost_name, None)


def set_topic_permissions(
    broker: "Broker",
    user_name: str,
    vhost_name: str,
    exchange_name: str,
    permissions: TopicPermissions,
) -> None:
    """Limit the routing keys that a user may use at a topic exchange (S-337)."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.set_topic(user_name, vhost_name, exchange_name, permissions)
    told = {"user": user_name, "vhost": vhost_name, "exchange": exchange_name}
    _tell(broker, "topic.permission.created", {**told, **attrs.asdict(permissions)})
    roster.keep_topic_permissions(broker.journal, user_name, vhost_name, exchange_name, permissions)


def clear_topic_permissions(
    broker: "Broker", user_name: str, vhost_name: str, exchange_name: str | None = None
) -> None:
    """Limit them no more: at one exchange, or at any."""
    _check_both(broker, user_name, vhost_name)
    cleared = [
        exchange
        for user, vhost, exchange, _ in broker.permissions.topics()
        if (user, vhost) == (user_name, vhost_name) and exchange_name in (None, exchange)
    ]
    for exchange in cleared:
        broker.permissions.clear_topic(user_name, vhost_name, exchange)
        roster.keep_topic_permissions(broker.journal, user_name, vhost_name, exchange, None)
    _tell(broker, "topic.permission.deleted", {"user": user_name, "vhost": vhost_name})


def _tell(broker: "Broker", event_name: str, told: Mapping[str, object]) -> None:
    """Tell who watches, in the words of RabbitMQ's event of that name (S-350)."""
    if broker.event_witness is not None:
        broker.event_witness.administered(event_name, told)


def _check_both(broker: "Broker", user_name: str, vhost_name: str) -> None:
    _check_user(broker, user_name)
    _vhost(broker, vhost_name)


def _check_user(broker: "Broker", name: str) -> None:
    if broker.users.get(name) is None:
        raise OperatorError(f"there is no user '{name}'")


def _vhost(broker: "Broker", name: str) -> "VHost":
    vhost = broker.vhosts.get(name)
    if vhost is None:
        raise OperatorError(f"there is no vhost '{name}'")
    return vhost
