from __future__ import annotations

from collections.abc import Callable

import pytest
from brokers import Client, declare, make_broker
from recording import ConnectionClosed, RecordingOutlet

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.permissions import NOTHING, Permissions, TopicPermissions
from amqpbroker.spec.errors import ChannelException, ConnectionException


def broker_of_alice() -> Broker:
    broker = make_broker()
    administration.put_user(broker, User("alice"))
    administration.set_permissions(broker, "alice", "/")
    return broker


def client_of(broker: Broker, user_name: str, vhost_name: str = "/") -> Client:
    client = Client(broker)
    client.connection.close()
    user = broker.users.get(user_name)
    assert user is not None
    client.connection = broker.connect(user, vhost_name, client.outlet, wants_cancel_notify=True)
    return client


def test_a_deleted_users_connections_are_closed() -> None:
    broker = broker_of_alice()
    alice, guest = client_of(broker, "alice"), Client(broker)

    administration.delete_user(broker, "alice")

    assert alice.outlet.take() == [
        ConnectionClosed(320, "CONNECTION_FORCED - user 'alice' is deleted")
    ]
    assert guest.outlet.take() == []
    assert list(broker.connections) == [guest.connection]
    assert [user for user, _, _ in broker.permissions] == ["guest"]


def test_a_user_who_is_made_again_has_no_rights() -> None:
    broker = broker_of_alice()
    administration.delete_user(broker, "alice")
    administration.put_user(broker, User("alice"))

    with pytest.raises(ConnectionException) as refused:
        client_of(broker, "alice")

    assert refused.value.reply_text == (
        "NOT_ALLOWED - access to vhost '/' refused for user 'alice'"
    )


def test_a_vhost_that_is_made_again_lets_nobody_in() -> None:
    broker = broker_of_alice()
    administration.add_vhost(broker, "test")
    administration.set_permissions(broker, "alice", "test")
    administration.delete_vhost(broker, "test")
    administration.add_vhost(broker, "test")

    with pytest.raises(ConnectionException, match="access to vhost 'test' refused"):
        client_of(broker, "alice", "test")


def test_an_unknown_vhost_is_told_from_one_without_permission() -> None:
    broker = broker_of_alice()

    with pytest.raises(ConnectionException, match="NOT_ALLOWED - vhost test not found"):
        client_of(broker, "alice", "test")


def test_an_all_empty_row_lets_in() -> None:
    """S-336."""
    broker = broker_of_alice()
    administration.set_permissions(broker, "alice", "/", NOTHING)

    assert client_of(broker, "alice").open() is not None


def test_permissions_count_from_the_next_request_on() -> None:
    broker = broker_of_alice()
    channel = client_of(broker, "alice").open()
    declare(channel, "jobs")

    administration.set_permissions(broker, "alice", "/", Permissions("^mail$", "", ""))
    with pytest.raises(ChannelException, match="configure access to queue 'jobs'"):
        declare(channel, "jobs")
    declare(channel, "mail")
    administration.clear_permissions(broker, "alice", "/")
    with pytest.raises(ChannelException, match="configure access to queue 'mail'"):
        declare(channel, "mail")


def test_the_permissions_of_others_do_not_change() -> None:
    broker = broker_of_alice()
    channel = Client(broker).open()

    administration.set_permissions(broker, "alice", "/", NOTHING)

    assert declare(channel, "jobs").name == "jobs"


def test_topic_permissions_are_set_and_cleared() -> None:
    broker = broker_of_alice()
    connection = client_of(broker, "alice").connection

    topic = TopicPermissions("^a", "^b")
    administration.set_topic_permissions(broker, "alice", "/", "amq.topic", topic)
    assert not connection.rights.is_full
    administration.clear_topic_permissions(broker, "alice", "/", "amq.topic")
    assert connection.rights.is_full


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda broker: administration.delete_user(broker, "bob"), "there is no user 'bob'"),
        (lambda broker: administration.delete_vhost(broker, "no"), "there is no vhost 'no'"),
        (lambda broker: administration.add_vhost(broker, ""), "a vhost needs a name"),
        (
            lambda broker: administration.set_permissions(broker, "bob", "/"),
            "there is no user 'bob'",
        ),
        (
            lambda broker: administration.set_permissions(broker, "guest", "no"),
            "there is no vhost 'no'",
        ),
        (
            lambda broker: administration.clear_permissions(broker, "bob", "/"),
            "there is no user 'bob'",
        ),
        (
            lambda broker: administration.set_topic_permissions(
                broker, "guest", "no", "x", TopicPermissions("", "")
            ),
            "there is no vhost 'no'",
        ),
        (
            lambda broker: administration.clear_topic_permissions(broker, "bob", "/"),
            "there is no user 'bob'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    act: Callable[[Broker], None], complaint: str
) -> None:
    broker = make_broker()

    with pytest.raises(OperatorError, match=complaint):
        act(broker)

    assert [user.name for user in broker.users] == ["guest"]
    assert [row[:2] for row in broker.permissions] == [("guest", "/")]
    assert list(broker.vhosts) == ["/"]


def test_a_changed_user_counts_for_the_next_login() -> None:
    broker = broker_of_alice()
    connection = client_of(broker, "alice").connection

    administration.put_user(broker, User("alice", tags=("impersonator",)))

    assert not connection.user.may_impersonate
    assert client_of(broker, "alice").connection.user.may_impersonate


def test_deleting_a_user_does_not_touch_who_logs_in_meanwhile() -> None:
    """A login that has begun finds the user gone when it opens the connection."""
    broker = broker_of_alice()
    alice = broker.users.get("alice")
    assert alice is not None
    administration.delete_user(broker, "alice")

    with pytest.raises(ConnectionException, match="access to vhost '/' refused for user 'alice'"):
        broker.connect(alice, "/", RecordingOutlet(), wants_cancel_notify=True)
