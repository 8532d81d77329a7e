"""What a new broker has, and that a broker which keeps its state is furnished once."""

from __future__ import annotations

from record_journal import RecordJournal

from amqpbroker.engine import administration
from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.restoring import restore
from amqpbroker.engine.roster import restore_access
from amqpbroker.server.furnish import furnish
from amqpbroker.server.settings import Settings


class KeepingJournal(RecordJournal):
    """Of a broker that keeps its state."""

    keeps = True


def started(journal: RecordJournal | None = None, settings: Settings | None = None) -> Broker:
    """A broker as a server has it when it starts."""
    broker = Broker(lambda: "name", users=Users(), vhost_names=(), journal=journal)
    restore_access(broker)
    if journal is not None:
        for (name,), _ in journal.records("vhost"):
            broker.add_vhost(name)
    furnish(broker, settings or Settings())
    return broker


def may(broker: Broker, name: str, password: str) -> bool:
    return broker.users.authenticate(name, password, from_loopback=True) is not None


def test_a_new_broker_has_guest_who_may_do_everything() -> None:
    broker = started(settings=Settings(other_vhosts=("test",)))

    assert may(broker, "guest", "guest")
    assert [user.tags for user in broker.users] == [("administrator",)]
    assert list(broker.vhosts) == ["/", "test"]
    for vhost_name in broker.vhosts:
        rights = broker.permissions.rights("guest", vhost_name)
        assert rights is not None
        assert rights.is_full


def test_the_start_waits_for_no_slow_hash() -> None:
    in_memory = started(settings=Settings(default_user="app", default_password="secret"))

    assert in_memory.users.attempt("app", "wrong").is_quick
    assert started(KeepingJournal()).users.attempt("guest", "wrong").is_quick


def test_a_password_that_is_kept_has_a_slow_hash() -> None:
    journal = KeepingJournal()
    broker = started(journal, Settings(default_user="app", default_password="secret"))

    assert not broker.users.attempt("app", "wrong").is_quick
    assert "secret" not in repr(journal.kept)


def test_without_a_password_the_default_user_cannot_log_in() -> None:
    assert not may(started(settings=Settings(default_password="")), "guest", "")


def test_what_was_changed_stays_so() -> None:
    journal = KeepingJournal()
    broker = started(journal)
    administration.delete_user(broker, "guest")
    administration.delete_vhost(broker, "/")
    administration.add_vhost(broker, "mine")

    again = started(journal, Settings(other_vhosts=("other",)))

    assert list(again.users) == []
    assert sorted(again.vhosts) == ["mine", "other"]


def test_another_default_password_changes_nothing_later() -> None:
    journal = KeepingJournal()
    started(journal)

    again = started(journal, Settings(default_password="another"))

    assert may(again, "guest", "guest")
    assert not may(again, "guest", "another")


def test_restoring_brings_users_back() -> None:
    broker = Broker(lambda: "name", users=Users(), vhost_names=())

    restore(broker)

    assert list(broker.users) == []
