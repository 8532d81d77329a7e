"""What a journal keeps of policies and limits holds in the next process."""

from __future__ import annotations

import pytest
from test_roster import RecordJournal, broker_with

from amqpbroker.engine import administration, topology
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.policies import check_policy
from amqpbroker.engine.restoring import restore
from amqpbroker.management.export import export_definitions
from amqpbroker.spec.table import longstr


def restored(journal: RecordJournal) -> Broker:
    """A broker of the next process."""
    broker = broker_with(journal)
    for user in (User("alice"), User("bob")):
        broker.users.put(user)
    restore(broker)
    return broker


@pytest.fixture
def journal() -> RecordJournal:
    """With rules of all kinds."""
    journal = RecordJournal()
    broker = restored(journal)
    for vhost_name in ("/", "test"):
        for is_operators in (False, True):
            policy = check_policy(
                "p", "^q", {"max-length": 5, "overflow": "reject-publish"},
                apply_to="queues", priority=1.5, is_operators=is_operators,
            )  # fmt: skip
            administration.set_policy(broker, vhost_name, policy)
        administration.set_vhost_limits(broker, vhost_name, {"max-queues": 5})
    administration.add_vhost(broker, "test", default_queue_type="quorum")
    for name in ("alice", "bob"):
        administration.set_user_limits(broker, name, {"max-channels": 5})
    return journal


def test_a_broker_without_records_has_no_rules() -> None:
    broker = restored(RecordJournal())

    assert broker.user_limits == {}
    assert broker.vhosts["/"].policies.applied("classic", "q") == (None, None)


def test_all_rules_are_there_again(journal: RecordJournal) -> None:
    first, second = restored(journal), restored(journal)

    assert export_definitions(first) == export_definitions(second)
    test = first.vhosts["test"]
    users, operators = test.policies.applied("quorum", "q")
    assert users is not None
    assert operators is not None
    assert (users.priority, users.apply_to) == (1.5, "queues")
    assert operators.definition == {"max-length": 5, "overflow": "reject-publish"}
    assert test.limits == {"max-queues": 5}
    assert test.default_queue_type == "quorum"
    assert first.user_limits == {"alice": {"max-channels": 5}, "bob": {"max-channels": 5}}


def test_what_was_taken_away_stays_away(journal: RecordJournal) -> None:
    broker = restored(journal)
    administration.clear_policy(broker, "/", "p")
    administration.delete_vhost(broker, "test")
    administration.delete_user(broker, "alice")
    administration.set_vhost_limits(broker, "/", {})

    again = restored(journal)

    users, operators = again.vhosts["/"].policies.applied("classic", "q")
    assert users is None
    assert operators is not None
    assert again.vhosts["/"].limits == {}
    assert again.vhosts["test"].policies.applied("classic", "q") == (None, None)
    assert again.vhosts["test"].default_queue_type == "classic"
    assert again.user_limits == {"bob": {"max-channels": 5}}


def test_queues_come_back_under_their_policies(journal: RecordJournal) -> None:
    broker = restored(journal)
    queue = topology.make_queue(
        broker.vhosts["/"], "q", durable=True, auto_delete=False,
        arguments={"x-queue-type": longstr("classic")},
    )  # fmt: skip

    assert (queue.rules.length_max, queue.rules.overflow) == (5, "reject-publish")
