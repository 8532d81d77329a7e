"""Limits of use: how many connections, channels and queues a vhost or a user may have (S-347).

A limit of 0 forbids all, a negative one is none.  Lowering one ends nothing that is there.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.spec.errors import not_allowed, precondition_failed
from amqpbroker.spec.terms import json_term

if TYPE_CHECKING:
    from amqpbroker.engine.access import User
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.vhost import VHost

Limits = Mapping[str, int]

NO_LIMITS: Final[Limits] = {}
VHOST_LIMITS: Final = ("max-connections", "max-queues")
USER_LIMITS: Final = ("max-connections", "max-channels")


def check_vhost_limits(limits: Mapping[str, object]) -> Limits:
    """A vhost's limits, if RabbitMQ would accept them; raises `OperatorError` in its words."""
    return _checked(limits, VHOST_LIMITS, "limits")


def check_user_limits(limits: Mapping[str, object]) -> Limits:
    """A user's limits, if RabbitMQ would accept them; raises `OperatorError` in its words."""
    return _checked(limits, USER_LIMITS, "user-limits")


def _checked(limits: Mapping[str, object], names: tuple[str, ...], what: str) -> Limits:
    checked: dict[str, int] = {}
    for name in names:
        value = limits.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            raise OperatorError(f"{name} should be a number, actually was {json_term(value)}")
        if name in limits:
            checked[name] = value
    if unknown := sorted(limits.keys() - checked.keys()):
        terms = ",".join(f"{{{json_term(one)},{json_term(limits[one])}}}" for one in unknown)
        raise OperatorError(f"Unrecognised terms [{terms}] in {what}")
    return checked


def check_connection(vhost: "VHost", user: "User") -> None:
    """Refuse a connection that would be one too many: 530 (S-041, S-042), the vhost's first."""
    broker = vhost.broker
    limit = _limit(vhost.limits, "max-connections")
    if limit is not None and sum(one.vhost is vhost for one in broker.connections) >= limit:
        raise not_allowed(
            f"access to vhost '{vhost.name}' refused for user '{user.name}': "
            f"connection limit ({limit}) is reached"
        )
    limit = _limit(broker.user_limits.get(user.name, NO_LIMITS), "max-connections")
    if limit is not None:
        if sum(one.user.name == user.name for one in broker.connections) >= limit:
            raise not_allowed(
                f"connection refused for user '{user.name}': "
                f"user connection limit ({limit}) is reached"
            )


def check_channel(connection: "Connection") -> None:
    """Refuse a channel that would be one too many for its user: 530 (S-077)."""
    broker, name = connection.broker, connection.user.name
    limit = _limit(broker.user_limits.get(name, NO_LIMITS), "max-channels")
    if limit is None:
        return
    if sum(len(one.channels) for one in broker.connections if one.user.name == name) >= limit:
        raise not_allowed(
            f"number of channels opened for user '{name}' has reached the maximum allowed user "
            f"limit of ({limit})"
        ).caused_by_no_method()


def check_queue(vhost: "VHost", queue_name: str) -> None:
    """Refuse a queue that would be one too many in its vhost: 406 (S-155)."""
    limit = _limit(vhost.limits, "max-queues")
    if limit is not None and len(vhost.queues) >= limit:
        raise precondition_failed(
            f"cannot declare queue '{queue_name}': queue limit in vhost '{vhost.name}' ({limit}) "
            "is reached"
        )


def _limit(limits: Limits, name: str) -> int | None:
    limit = limits.get(name)
    return None if limit is None or limit < 0 else limit
