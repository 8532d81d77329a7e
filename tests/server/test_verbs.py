"""The verbs that operators have: what each does, and what is no request for one."""

from __future__ import annotations

import pytest
from brokers import Client, make_broker

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import hashed_quickly
from amqpbroker.server.verbs import VERBS, perform

HASH = hashed_quickly("secret", b"salt")


def test_users_come_change_and_go() -> None:
    broker = make_broker()

    perform(broker, "add_user", {"name": "app", "password_hash": HASH.text, "tags": ["one"]})
    assert broker.users.authenticate("app", "secret", from_loopback=False) is not None
    perform(broker, "set_user_tags", {"name": "app", "tags": ["monitoring", "two"]})
    better = hashed_quickly("better", b"salt").text
    perform(broker, "change_password", {"name": "app", "password_hash": better})
    assert broker.users.authenticate("app", "secret", from_loopback=False) is None
    user = broker.users.authenticate("app", "better", from_loopback=False)
    assert user is not None
    assert user.tags == ("monitoring", "two")
    assert perform(broker, "list_users", {}) == [
        {"name": "guest", "tags": [], "has_password": True, "loopback_only": True},
        {
            "name": "app",
            "tags": ["monitoring", "two"],
            "has_password": True,
            "loopback_only": False,
        },
    ]
    perform(broker, "delete_user", {"name": "app"})
    assert broker.users.get("app") is None


def test_a_hash_of_rabbitmqs_is_taken_over() -> None:
    broker = make_broker()
    rabbitmqs = HASH.to_rabbitmq()
    assert rabbitmqs is not None

    arguments = {"hashing_algorithm": rabbitmqs[0], "password_hash": rabbitmqs[1]}
    perform(broker, "add_user", {"name": "app", **arguments})

    assert broker.users.authenticate("app", "secret", from_loopback=False) is not None


def test_a_user_may_do_without_a_password() -> None:
    broker = make_broker()

    perform(broker, "add_user", {"name": "app"})

    assert broker.users.authenticate("app", "", from_loopback=True) is None


def test_a_user_that_is_there_is_replaced_only_if_that_is_meant() -> None:
    broker = make_broker()
    with pytest.raises(OperatorError, match="there is a user 'guest' already"):
        perform(broker, "add_user", {"name": "guest", "tags": ["new"]})

    perform(broker, "add_user", {"name": "guest", "tags": ["new"], "may_replace": True})

    assert [user.tags for user in broker.users] == [("new",)]


def test_vhosts_come_and_go() -> None:
    broker = make_broker()
    Client(broker)

    perform(broker, "add_vhost", {"name": "test"})
    assert perform(broker, "list_vhosts", {}) == [
        {"name": "/", "queue_count": 0, "exchange_count": 7, "connection_count": 1},
        {"name": "test", "queue_count": 0, "exchange_count": 7, "connection_count": 0},
    ]
    perform(broker, "delete_vhost", {"name": "test"})
    assert list(broker.vhosts) == ["/"]


def test_permissions_come_and_go() -> None:
    broker = make_broker()
    where = {"user": "guest", "vhost": "/"}
    patterns = {"configure": "a", "write": "b", "read": "c"}
    topic = {"exchange": "news", "write": "d", "read": "e"}

    perform(broker, "set_permissions", {**where, **patterns})
    perform(broker, "set_topic_permissions", {**where, **topic})
    assert perform(broker, "list_permissions", {}) == {
        "permissions": [{**where, **patterns}],
        "topic_permissions": [{**where, **topic}],
    }
    perform(broker, "clear_permissions", where)
    perform(broker, "clear_topic_permissions", where)
    assert perform(broker, "list_permissions", {}) == {"permissions": [], "topic_permissions": []}


def test_a_broker_says_that_it_is_there() -> None:
    assert perform(make_broker(), "ping", {}) == {"vhost_count": 1, "connection_count": 0}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_takes_what_it_does_not_know(verb: str) -> None:
    """A misspelt argument that is passed over would do something else than was meant."""
    broker = make_broker()
    values: dict[str, object] = dict.fromkeys(
        ("name", "user", "vhost", "configure", "write", "read", "exchange"), "guest"
    )
    values["tags"] = []

    with pytest.raises(OperatorError):
        perform(broker, verb, {**values, "nonsense": 1})

    assert [user.name for user in broker.users] == ["guest"]


@pytest.mark.parametrize(
    ("verb", "values", "complaint"),
    [
        ("explode", {}, "there is no verb 'explode'; there are ping, add_user"),
        ("add_user", {}, "'name' must be given, as a text"),
        ("add_user", {"name": 7}, "'name' must be given, as a text"),
        ("add_user", {"name": "a", "tags": "one"}, "'tags' must be a list of texts"),
        ("add_user", {"name": "a", "tags": [1]}, "'tags' must be a list of texts"),
        ("add_user", {"name": "a", "may_replace": 1}, "'may_replace' must be true or false"),
        ("add_user", {"name": "a", "password_hash": "secret"}, "of an unknown kind"),
        ("change_password", {"name": "bob"}, "there is no user 'bob'"),
        ("set_user_tags", {"name": "bob"}, "there is no user 'bob'"),
        ("delete_user", {"name": "bob"}, "there is no user 'bob'"),
        ("delete_vhost", {"name": "bob"}, "there is no vhost 'bob'"),
        ("add_vhost", {"name": "test", "wide": True}, "unknown argument 'wide'"),
    ],
)
def test_what_cannot_be_done_is_said(verb: str, values: dict[str, object], complaint: str) -> None:
    with pytest.raises(OperatorError, match=complaint):
        perform(make_broker(), verb, values)


def test_policies_come_and_go() -> None:
    broker = make_broker()
    arguments = {"vhost": "/", "name": "p", "is_operators": True}

    perform(broker, "set_policy", {**arguments, "pattern": "^q", "definition": {"expires": 5}})
    assert perform(broker, "list_policies", {}) == [
        {
            "vhost": "/", "name": "p", "pattern": "^q", "apply_to": "all",
            "definition": {"expires": 5}, "priority": 0, "is_operators": True,
        }
    ]  # fmt: skip
    perform(broker, "clear_policy", arguments)
    assert perform(broker, "list_policies", {}) == []
    with pytest.raises(OperatorError, match="'definition' must be given, as an object in braces"):
        perform(broker, "set_policy", {**arguments, "pattern": "^q", "definition": 5})


def test_limits_replace_those_before() -> None:
    broker = make_broker()

    perform(broker, "set_vhost_limits", {"name": "/", "limits": {"max-queues": 5}})
    perform(broker, "set_user_limits", {"name": "guest", "limits": {"max-channels": 5}})

    assert perform(broker, "list_limits", {}) == {
        "vhosts": {"/": {"max-queues": 5}},
        "users": {"guest": {"max-channels": 5}},
    }
    perform(broker, "set_vhost_limits", {"name": "/", "limits": {}})
    assert broker.vhosts["/"].limits == {}
