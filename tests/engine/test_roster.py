"""What a journal keeps of users and permissions makes a broker that lets in the same people."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from brokers import make_broker
from record_journal import RecordJournal

from amqpbroker.engine import administration, roster
from amqpbroker.engine.access import User, Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.passwords import hashed, hashed_quickly
from amqpbroker.engine.permissions import Permissions, TopicPermissions

ALICE = User("alice", hashed("secret", b"s" * 16, iterations=2), ("one", "two"))
GUEST = User("guest", hashed_quickly("guest", b"salt"), loopback_only=False)
NOBODY = User("nobody")


def broker_with(journal: RecordJournal) -> Broker:
    return Broker(lambda: "name", users=Users(), vhost_names=("/", "test"), journal=journal)


def rows_of(broker: Broker) -> tuple[list[object], list[object], list[object]]:
    return list(broker.users), list(broker.permissions), list(broker.permissions.topics())


def add_everybody(broker: Broker) -> None:
    for user in (ALICE, GUEST, NOBODY):
        administration.put_user(broker, user)
        for vhost in ("/", "test"):
            administration.set_permissions(broker, user.name, vhost, Permissions("a", "", ".*"))
            for exchange in ("news", "log"):
                administration.set_topic_permissions(
                    broker, user.name, vhost, exchange, TopicPermissions("w", "r")
                )


def test_a_broker_without_records_has_nobody() -> None:
    broker = broker_with(RecordJournal())

    roster.restore_access(broker)

    assert rows_of(broker) == ([], [], [])


@pytest.mark.parametrize(
    "act",
    [
        lambda broker: None,
        lambda broker: administration.put_user(broker, User("alice", GUEST.password_hash)),
        lambda broker: administration.delete_user(broker, "alice"),
        lambda broker: administration.delete_vhost(broker, "test"),
        lambda broker: administration.clear_permissions(broker, "alice", "/"),
        lambda broker: administration.set_permissions(broker, "alice", "/"),
        lambda broker: administration.clear_topic_permissions(broker, "alice", "/"),
        lambda broker: administration.clear_topic_permissions(broker, "alice", "/", "log"),
        lambda broker: administration.set_topic_permissions(
            broker, "alice", "/", "log", TopicPermissions("", "")
        ),
    ],
)
def test_whatever_was_done_is_so_again(act: Callable[[Broker], None]) -> None:
    journal = RecordJournal()
    broker = broker_with(journal)
    add_everybody(broker)
    act(broker)

    again = broker_with(journal)

    roster.restore_access(again)

    assert rows_of(again) == rows_of(broker)


def test_no_password_is_kept() -> None:
    journal = RecordJournal()
    add_everybody(broker_with(journal))

    assert "secret" not in repr(journal.kept)


def test_what_cannot_be_done_is_not_kept() -> None:
    journal = RecordJournal()
    broker = broker_with(journal)
    add_everybody(broker)
    kept = dict(journal.kept)

    for act in (
        lambda: administration.put_user(broker, User("")),
        lambda: administration.set_permissions(broker, "alice", "/", Permissions("(", "", "")),
        lambda: administration.set_permissions(broker, "bob", "/"),
        lambda: administration.delete_user(broker, "bob"),
    ):
        with pytest.raises(ValueError, match=r"bob|name|regular expression"):
            act()

    assert journal.kept == kept


def test_a_broker_that_keeps_nothing_is_administered_alike() -> None:
    broker = make_broker()
    administration.add_vhost(broker, "test")

    add_everybody(broker)

    assert len(broker.users) == 3
