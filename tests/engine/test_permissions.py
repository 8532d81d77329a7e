from __future__ import annotations

import pytest

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.permissions import (
    DECISIONS_MAX,
    EVERYTHING,
    NOTHING,
    TOPIC_ROWS_MAX,
    UNLIMITED,
    Operation,
    Permissions,
    PermissionTable,
    Rights,
    TopicPermissions,
)
from amqpbroker.spec.errors import ChannelException


def rights_of(permissions: Permissions, **topics: TopicPermissions) -> Rights:
    return Rights("alice", "/", permissions, topics)


@pytest.mark.parametrize(
    ("operation", "kind", "name", "subject"),
    [
        (Operation.CONFIGURE, "queue", "jobs", "configure access to queue 'jobs'"),
        (Operation.READ, "queue", "", "read access to queue ''"),
        (Operation.WRITE, "exchange", "news", "write access to exchange 'news'"),
        (Operation.WRITE, "exchange", "", "write access to exchange 'amq.default'"),
    ],
)
def test_a_refusal_says_what_was_refused_to_whom(
    operation: Operation, kind: str, name: str, subject: str
) -> None:
    rights = rights_of(Permissions("^no$", "^no$", "^no$"))

    for _ in "12":  # decided, and remembered
        with pytest.raises(ChannelException) as refused:
            rights.check(operation, kind, name)
        assert refused.value.reply_text == (
            f"ACCESS_REFUSED - {subject} in vhost '/' refused for user 'alice'"
        )


def test_each_operation_has_its_own_pattern() -> None:
    rights = rights_of(Permissions("^c", "^w", "^r"))

    for operation, name in zip(Operation, ("c1", "w1", "r1"), strict=True):
        rights.check(operation, "queue", name)
        for other in {"c1", "w1", "r1"} - {name}:
            with pytest.raises(ChannelException):
                rights.check(operation, "queue", other)


def test_the_default_exchange_has_a_name_for_patterns() -> None:
    rights_of(Permissions("", r"^amq\.default$", "")).check(Operation.WRITE, "exchange", "")

    with pytest.raises(ChannelException):
        rights_of(Permissions("", "^$", "")).check(Operation.WRITE, "exchange", "")


def test_the_empty_pattern_allows_the_empty_name_only() -> None:
    rights = rights_of(NOTHING)

    rights.check(Operation.READ, "queue", "")
    with pytest.raises(ChannelException):
        rights.check(Operation.READ, "queue", "jobs")


def test_who_may_do_everything_is_not_asked() -> None:
    assert rights_of(EVERYTHING).is_full
    assert UNLIMITED.is_full
    assert not rights_of(EVERYTHING, news=TopicPermissions(".*", ".*")).is_full
    assert not rights_of(Permissions(".*", ".*", "^a")).is_full
    rights_of(EVERYTHING).check(Operation.READ, "queue", "jobs")


def test_topic_permissions_concern_their_exchange_and_their_operation() -> None:
    rights = rights_of(EVERYTHING, news=TopicPermissions(write="^w", read="^r"))

    rights.check_topic(Operation.WRITE, "news", "w.1")
    rights.check_topic(Operation.READ, "news", "r.1")
    rights.check_topic(Operation.WRITE, "others", "r.1")
    for _ in "12":  # decided, and remembered
        with pytest.raises(ChannelException) as refused:
            rights.check_topic(Operation.WRITE, "news", "r.1")
        assert refused.value.reply_text == (
            "ACCESS_REFUSED - write access to topic 'r.1' in exchange 'news' in vhost '/' "
            "refused for user 'alice'"
        )


def test_topic_patterns_may_name_the_user_and_the_vhost() -> None:
    rights = rights_of(EVERYTHING, news=TopicPermissions("^{username}{vhost}.", ""))

    rights.check_topic(Operation.WRITE, "news", "alice/x")
    with pytest.raises(ChannelException):
        rights.check_topic(Operation.WRITE, "news", "bob/x")


def test_what_is_remembered_is_bounded_and_right() -> None:
    rights = rights_of(Permissions("", "^a", ""))

    for index in range(DECISIONS_MAX + 10):
        rights.check(Operation.WRITE, "exchange", f"a{index}")
        with pytest.raises(ChannelException):
            rights.check(Operation.WRITE, "exchange", f"b{index}")

    assert len(rights._decisions) <= DECISIONS_MAX


class Changes:
    """A table, and what it said has changed."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.table = PermissionTable(lambda user, vhost: self.seen.append((user, vhost)))


def test_without_a_row_there_are_no_rights() -> None:
    table = Changes().table
    table.set("alice", "/")
    table.set_topic("bob", "/", "news", TopicPermissions("a", "b"))

    assert table.rights("alice", "/") is not None
    assert table.rights("alice", "test") is None
    assert table.rights("bob", "/") is None


def test_rights_are_made_once_and_again_when_they_change() -> None:
    changes = Changes()
    table = changes.table
    table.set("alice", "/")
    first = table.rights("alice", "/")

    assert table.rights("alice", "/") is first
    table.set("alice", "/", NOTHING)
    second = table.rights("alice", "/")
    assert second is not first
    table.set_topic("alice", "/", "news", TopicPermissions("a", "b"))
    assert table.rights("alice", "/") is not second
    table.clear_topic("alice", "/", "news")
    table.clear("alice", "/")
    assert table.rights("alice", "/") is None
    assert changes.seen == [("alice", "/")] * 5


def test_clearing_what_is_not_there_changes_nothing() -> None:
    changes = Changes()

    changes.table.clear("alice", "/")
    changes.table.clear_topic("alice", "/", "news")

    assert changes.seen == []


def test_the_rows_can_be_listed() -> None:
    table = Changes().table
    topic = TopicPermissions("a", "b")
    table.set("alice", "/")
    table.set("alice", "test", NOTHING)
    for exchange_name in ("news", "log", "mail"):
        table.set_topic("alice", "/", exchange_name, topic)
    table.clear_topic("alice", "/", "log")

    assert list(table) == [("alice", "/", EVERYTHING), ("alice", "test", NOTHING)]
    assert list(table.topics()) == [
        ("alice", "/", "news", topic),
        ("alice", "/", "mail", topic),
    ]


def test_what_belongs_to_a_user_or_a_vhost_goes_with_it() -> None:
    table = Changes().table
    for user in ("alice", "bob"):
        for vhost in ("/", "test"):
            table.set(user, vhost)
            table.set_topic(user, vhost, "news", TopicPermissions("a", "b"))

    table.forget(user_name="alice")
    table.forget(vhost_name="test")

    assert [(user, vhost) for user, vhost, _ in table] == [("bob", "/")]
    assert [row[:3] for row in table.topics()] == [("bob", "/", "news")]


def test_what_is_no_pattern_changes_nothing() -> None:
    table = Changes().table
    table.set("alice", "/")

    with pytest.raises(OperatorError):
        table.set("alice", "/", Permissions(".*", "(", ".*"))
    with pytest.raises(OperatorError):
        table.set_topic("alice", "/", "news", TopicPermissions("(", ".*"))

    assert list(table) == [("alice", "/", EVERYTHING)]
    assert list(table.topics()) == []


def test_topic_rows_are_bounded() -> None:
    table = Changes().table
    for index in range(TOPIC_ROWS_MAX):
        table.set_topic("alice", "/", f"x{index}", TopicPermissions("a", "b"))

    table.set_topic("alice", "/", "x0", TopicPermissions("b", "a"))
    with pytest.raises(OperatorError, match="at most 1024 topic permissions"):
        table.set_topic("alice", "/", "another", TopicPermissions("a", "b"))
