"""What operators do: users, their permissions, virtual hosts.

Clients' requests have `topology.py`; these are the requests of whoever administers the broker, by
whatever way they come.  They raise `OperatorError` and leave everything as it was when they
cannot be done.  What a change takes away from clients it takes at once: connections of a deleted
user or vhost are closed (S-075), permissions count from the next request on.
"""

from typing import TYPE_CHECKING

from amqpbroker.engine.access import User, check_name
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.permissions import EVERYTHING, Permissions, TopicPermissions

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker


def put_user(broker: "Broker", user: User) -> None:
    """Add a user, or change the one of that name; its connections stay as they are."""
    broker.users.put(user)


def delete_user(broker: "Broker", name: str) -> None:
    """Delete a user with its permissions, and close its connections."""
    broker.users.delete(name)
    broker.close_connections(lambda one: one.user.name == name, f"user '{name}' is deleted")
    broker.permissions.forget(user_name=name)


def add_vhost(broker: "Broker", name: str) -> None:
    """Add a vhost; nothing when it is there."""
    check_name("vhost", name)
    broker.add_vhost(name)


def delete_vhost(broker: "Broker", name: str) -> None:
    """Delete a vhost with all that is in it, and close its connections."""
    broker.delete_vhost(name)


def set_permissions(
    broker: "Broker", user_name: str, vhost_name: str, permissions: Permissions = EVERYTHING
) -> None:
    """Let a user in to a vhost, to do what *permissions* say."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.set(user_name, vhost_name, permissions)


def clear_permissions(broker: "Broker", user_name: str, vhost_name: str) -> None:
    """Let a user in to a vhost no more.  Who is in may do nothing there."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.clear(user_name, vhost_name)


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


def clear_topic_permissions(
    broker: "Broker", user_name: str, vhost_name: str, exchange_name: str | None = None
) -> None:
    """Limit them no more: at one exchange, or at any."""
    _check_both(broker, user_name, vhost_name)
    broker.permissions.clear_topic(user_name, vhost_name, exchange_name)


def _check_both(broker: "Broker", user_name: str, vhost_name: str) -> None:
    if broker.users.get(user_name) is None:
        raise OperatorError(f"there is no user '{user_name}'")
    if vhost_name not in broker.vhosts:
        raise OperatorError(f"there is no vhost '{vhost_name}'")
