"""What an operator can tell a running broker to do: the table of verbs.

A verb has a name, arguments by name, and an answer that JSON can say.  It is carried out between
two rounds of the reactor, on the engine alone, and raises `OperatorError` for what cannot be done.
The control socket (`control.py`) offers them; to add one, write a function and a row of `VERBS`.

Passwords never come here: who asks has hashed them (`engine/passwords.py`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, cast

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import PasswordHash
from amqpbroker.engine.permissions import Permissions, TopicPermissions
from amqpbroker.engine.policies import check_policy
from amqpbroker.engine.ports import Json

Verb: TypeAlias = "Callable[[Broker, Arguments], Json]"


class Arguments:
    """What a verb was given.  Raises `OperatorError` for what is missing or of another type."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._unread = set(values)

    def text(self, name: str) -> str:
        """A text."""
        value = self._take(name)
        if not isinstance(value, str):
            raise OperatorError(f"'{name}' must be given, as a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None."""
        return None if self._take(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when it is not given."""
        value = self._take(name)
        if value is None:
            return ()
        texts = cast("list[object]", value) if isinstance(value, list) else [None]
        if not all(isinstance(one, str) for one in texts):
            raise OperatorError(f"'{name}' must be a list of texts")
        return tuple(map(str, texts))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise OperatorError(f"'{name}' must be true or false")
        return value

    def value(self, name: str, default: object = None) -> object:
        """Anything, which the verb checks itself."""
        value = self._take(name)
        return default if value is None else value

    def mapping(self, name: str) -> Mapping[str, object]:
        """An object."""
        value = self._take(name)
        if not isinstance(value, Mapping):
            raise OperatorError(f"'{name}' must be given, as an object in braces")
        return cast("Mapping[str, object]", value)

    def check_all_read(self) -> None:
        """Refuse arguments that the verb does not have."""
        if self._unread:
            raise OperatorError(f"unknown argument '{min(self._unread)}'")

    def _take(self, name: str) -> object:
        self._unread.discard(name)
        return self._values.get(name)


def perform(broker: Broker, verb: str, values: Mapping[str, object]) -> Json:
    """Carry out a verb; its answer.  Raises `OperatorError`."""
    function = VERBS.get(verb)
    if function is None:
        raise OperatorError(f"there is no verb '{verb}'; there are {', '.join(VERBS)}")
    return function(broker, Arguments(values))


def _ping(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    return {"vhost_count": len(broker.vhosts), "connection_count": len(broker.connections)}


# Users


def _add_user(broker: Broker, given: Arguments) -> Json:
    """A new user; `may_replace` allows that there is one of that name."""
    name, may_replace = given.text("name"), given.flag("may_replace")
    user = User(name, _password_hash(given), given.texts("tags"))
    given.check_all_read()
    if not may_replace and broker.users.get(name) is not None:
        raise OperatorError(f"there is a user '{name}' already")
    administration.put_user(broker, user)
    return None


def _change_password(broker: Broker, given: Arguments) -> Json:
    user, password_hash = _user(broker, given), _password_hash(given)
    given.check_all_read()
    changed = User(user.name, password_hash, user.tags, loopback_only=user.loopback_only)
    administration.put_user(broker, changed)
    return None


def _set_user_tags(broker: Broker, given: Arguments) -> Json:
    user, tags = _user(broker, given), given.texts("tags")
    given.check_all_read()
    changed = User(user.name, user.password_hash, tags, loopback_only=user.loopback_only)
    administration.put_user(broker, changed)
    return None


def _delete_user(broker: Broker, given: Arguments) -> Json:
    name = given.text("name")
    given.check_all_read()
    administration.delete_user(broker, name)
    return None


def _list_users(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    return [
        {
            "name": user.name,
            "tags": list(user.tags),
            "has_password": user.password_hash is not None,
            "loopback_only": user.loopback_only,
        }
        for user in broker.users
    ]


def _user(broker: Broker, given: Arguments) -> User:
    name = given.text("name")
    user = broker.users.get(name)
    if user is None:
        raise OperatorError(f"there is no user '{name}'")
    return user


def _password_hash(given: Arguments) -> PasswordHash | None:
    """Of `password_hash`, with a `hashing_algorithm` as RabbitMQ writes it; None: no password."""
    text, algorithm = given.optional_text("password_hash"), given.optional_text("hashing_algorithm")
    if text is None:
        return None
    if algorithm is None:
        return PasswordHash.from_text(text)
    return PasswordHash.from_rabbitmq(algorithm, text)


# Virtual hosts


def _add_vhost(broker: Broker, given: Arguments) -> Json:
    name, queue_type = given.text("name"), given.optional_text("default_queue_type")
    given.check_all_read()
    administration.add_vhost(broker, name, default_queue_type=queue_type)
    return None


def _delete_vhost(broker: Broker, given: Arguments) -> Json:
    name = given.text("name")
    given.check_all_read()
    administration.delete_vhost(broker, name)
    return None


def _list_vhosts(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    return [
        {
            "name": vhost.name,
            "queue_count": len(vhost.queues),
            "exchange_count": len(vhost.exchanges),
            "connection_count": sum(one.vhost is vhost for one in broker.connections),
        }
        for vhost in broker.vhosts.values()
    ]


def _trace(broker: Broker, given: Arguments, *, is_on: bool) -> Json:
    name = given.text("vhost")
    given.check_all_read()
    if is_on:
        broker.trace_on(name)
    else:
        broker.trace_off(name)
    return None


# Permissions


def _set_permissions(broker: Broker, given: Arguments) -> Json:
    user, vhost = given.text("user"), given.text("vhost")
    row = Permissions(given.text("configure"), given.text("write"), given.text("read"))
    given.check_all_read()
    administration.set_permissions(broker, user, vhost, row)
    return None


def _clear_permissions(broker: Broker, given: Arguments) -> Json:
    user, vhost = given.text("user"), given.text("vhost")
    given.check_all_read()
    administration.clear_permissions(broker, user, vhost)
    return None


def _set_topic_permissions(broker: Broker, given: Arguments) -> Json:
    user, vhost, exchange = given.text("user"), given.text("vhost"), given.text("exchange")
    row = TopicPermissions(given.text("write"), given.text("read"))
    given.check_all_read()
    administration.set_topic_permissions(broker, user, vhost, exchange, row)
    return None


def _clear_topic_permissions(broker: Broker, given: Arguments) -> Json:
    user, vhost, exchange = given.text("user"), given.text("vhost"), given.optional_text("exchange")
    given.check_all_read()
    administration.clear_topic_permissions(broker, user, vhost, exchange)
    return None


def _list_permissions(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    rows: list[Json] = [
        {
            "user": user,
            "vhost": vhost,
            "configure": row.configure,
            "write": row.write,
            "read": row.read,
        }
        for user, vhost, row in broker.permissions
    ]
    topics: list[Json] = [
        {"user": user, "vhost": vhost, "exchange": exchange, "write": row.write, "read": row.read}
        for user, vhost, exchange, row in broker.permissions.topics()
    ]
    return {"permissions": rows, "topic_permissions": topics}


# Policies and limits


def _set_policy(broker: Broker, given: Arguments) -> Json:
    vhost, name = given.text("vhost"), given.text("name")
    pattern, definition = given.value("pattern"), given.mapping("definition")
    apply_to, priority = given.value("apply_to", "all"), given.value("priority", 0)
    is_operators = given.flag("is_operators")
    given.check_all_read()
    policy = check_policy(
        name,
        pattern,
        definition,
        apply_to=apply_to,
        priority=priority,
        is_operators=is_operators,
    )
    administration.set_policy(broker, vhost, policy)
    return None


def _clear_policy(broker: Broker, given: Arguments) -> Json:
    vhost, name, is_operators = given.text("vhost"), given.text("name"), given.flag("is_operators")
    given.check_all_read()
    administration.clear_policy(broker, vhost, name, is_operators=is_operators)
    return None


def _list_policies(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    return [
        {
            "vhost": vhost.name,
            "name": policy.name,
            "pattern": policy.pattern,
            "apply_to": policy.apply_to,
            "definition": dict(policy.definition),
            "priority": policy.priority,
            "is_operators": is_operators,
        }
        for vhost in broker.vhosts.values()
        for is_operators in (False, True)
        for policy in vhost.policies.listed(is_operators=is_operators)
    ]


def _set_vhost_limits(broker: Broker, given: Arguments) -> Json:
    name, limits = given.text("name"), given.mapping("limits")
    given.check_all_read()
    administration.set_vhost_limits(broker, name, limits)
    return None


def _set_user_limits(broker: Broker, given: Arguments) -> Json:
    name, limits = given.text("name"), given.mapping("limits")
    given.check_all_read()
    administration.set_user_limits(broker, name, limits)
    return None


def _list_limits(broker: Broker, given: Arguments) -> Json:
    given.check_all_read()
    return {
        "vhosts": {one.name: dict(one.limits) for one in broker.vhosts.values() if one.limits},
        "users": {name: dict(limits) for name, limits in broker.user_limits.items() if limits},
    }


#: {verb: what it does}
VERBS: Final[Mapping[str, Verb]] = {
    "ping": _ping,
    "add_user": _add_user,
    "change_password": _change_password,
    "set_user_tags": _set_user_tags,
    "delete_user": _delete_user,
    "list_users": _list_users,
    "add_vhost": _add_vhost,
    "delete_vhost": _delete_vhost,
    "list_vhosts": _list_vhosts,
    "trace_on": partial(_trace, is_on=True),
    "trace_off": partial(_trace, is_on=False),
    "set_permissions": _set_permissions,
    "clear_permissions": _clear_permissions,
    "set_topic_permissions": _set_topic_permissions,
    "clear_topic_permissions": _clear_topic_permissions,
    "list_permissions": _list_permissions,
    "set_policy": _set_policy,
    "clear_policy": _clear_policy,
    "list_policies": _list_policies,
    "set_vhost_limits": _set_vhost_limits,
    "set_user_limits": _set_user_limits,
    "list_limits": _list_limits,
}
