"""Definitions: what of a file becomes of a broker, and how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from brokers import Client, make_broker
from hypothesis import example, given
from hypothesis import strategies as st

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.policies import check_policy
from amqpbroker.management.definitions import (
    ERRORS_MAX,
    WrongDefinitions,
    import_definitions,
    read_definitions,
)
from amqpbroker.management.export import export_definitions

EXPORTS = Path(__file__).parent / "exports"


def salt(byte_count: int) -> bytes:
    return b"s" * byte_count


def take_in(document: dict[str, Any], broker: Broker | None = None) -> Broker:
    """A broker that has taken in a document."""
    broker = broker or make_broker()
    import_definitions(broker, document, salt)
    return broker


def errors_of(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document; the broker is then as it was."""
    broker = make_broker()
    before = export_definitions(broker)
    with pytest.raises(WrongDefinitions) as caught:
        import_definitions(broker, document, salt)
    assert export_definitions(broker) == before
    return list(caught.value.errors)


def exported(name: str) -> dict[str, Any]:
    return json.loads((EXPORTS / f"rabbitmq-{name}.json").read_text(encoding="utf-8"))


# What RabbitMQ has exported


@pytest.mark.parametrize("version", ["4.0.5", "3.10.8"])
def test_an_export_of_a_whole_rabbitmq_is_taken_in(version: str) -> None:
    broker = make_broker()

    notes = import_definitions(broker, exported(version), salt)

    vhost = broker.vhosts["shop"]
    orders, parcels = vhost.queue("orders"), vhost.queue("parcels")
    assert (orders.rules.queue_type, orders.rules.length_max) == ("classic", 5)
    assert orders.rules.message_ttl_ms == 50_000
    assert orders.rules.dead_letter_exchange == "events"
    is_4 = version == "4.0.5"
    assert parcels.rules.queue_type == ("quorum" if is_4 else "classic")  # 3.10 sets no default
    assert not vhost.queue("passing").durable
    assert vhost.exchange("events").alternate_name == "amq.fanout"
    assert vhost.exchange("shards").internal
    assert {one.source_name for one in orders.bindings} == {"events", "amq.direct"}
    assert vhost.limits == {"max-queues": 100}
    assert broker.user_limits["alice"] == {"max-channels": 10}
    assert [name for name in ("/", "shop") if broker.permissions.rights("guest", name)]
    assert all("team" in note or "cluster_tags" in note or "'ha-mode'" in note for note in notes)
    assert len(notes) == 2


@pytest.mark.parametrize("version", ["4.0.5", "3.10.8"])
def test_users_log_in_with_the_passwords_that_they_had(version: str) -> None:
    users = take_in(exported(version)).users

    for password, expected in (("secret", True), ("Secret", False)):
        assert users.attempt("alice", password).is_right() is expected
    alice, bob = users.get("alice"), users.get("bob")
    assert alice is not None
    assert sorted(alice.tags) == ["monitoring", "policymaker"]
    assert bob is not None
    assert bob.password_hash is None


@pytest.mark.parametrize("version", ["4.0.5", "3.10.8"])
def test_an_export_of_one_vhost_is_taken_into_the_vhost_that_is_meant(version: str) -> None:
    broker = make_broker()
    broker.add_vhost("elsewhere")

    import_definitions(broker, exported(f"{version}-vhost"), salt, vhost_name="elsewhere")

    vhost = broker.vhosts["elsewhere"]
    assert sorted(vhost.queues) == ["orders", "parcels", "passing"]
    assert vhost.queue("orders").rules.length_max == 5
    assert vhost.limits == {"max-queues": 100}
    assert "shop" not in broker.vhosts


@pytest.mark.parametrize("version", ["4.0.5", "3.10.8"])
def test_what_was_taken_in_is_exported_again(version: str) -> None:
    document = export_definitions(take_in(exported(version)))

    again = export_definitions(take_in(document))

    assert again == document
    queues: Any = document["queues"]
    assert sorted(queue["name"] for queue in queues) == ["orders", "parcels"]  # the durable ones


def test_the_export_of_one_vhost_names_none() -> None:
    document = export_definitions(take_in(exported("4.0.5")), "shop")

    text = json.dumps(document)
    assert '"vhost":' not in text
    broker = take_in(document)
    assert broker.vhosts["/"].queue("parcels").rules.is_quorum


# Taking in twice


def test_what_is_there_stays_and_what_can_be_changed_is() -> None:
    broker = take_in({"queues": [{"name": "q", "vhost": "/", "arguments": {"x-max-length": 5}}]})
    queue = broker.vhosts["/"].queue("q")

    take_in(
        {
            "vhosts": [{"name": "/"}],
            "users": [{"name": "guest", "password": "new", "tags": "administrator"}],
            "queues": [{"name": "q", "vhost": "/", "arguments": {"x-max-length": 6}}],
            "policies": [{"name": "p", "vhost": "/", "pattern": "", "definition": {"expires": 9}}],
        },
        broker,
    )

    assert broker.vhosts["/"].queue("q") is queue
    assert (queue.rules.length_max, queue.rules.expires_ms) == (5, 9)
    assert broker.users.attempt("guest", "new").is_right()


def test_clients_work_on_while_definitions_come() -> None:
    broker = make_broker()
    client = Client(broker)

    take_in({"queues": [{"name": "q", "vhost": "/"}]}, broker)

    assert client.open().vhost.queue("q").durable


# What is wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"queues": [}', "line 1, column 13: this is not JSON: Expecting value"),
        ("[]", "this is no definitions file: it must be an object in braces"),
        ("[" * 100_000, "this is no definitions file: nested too deeply"),
    ],
)
def test_a_file_of_another_kind_is_refused(text: str, expected: str) -> None:
    with pytest.raises(WrongDefinitions) as caught:
        read_definitions(text)

    assert caught.value.errors[0].startswith(expected)


@pytest.mark.parametrize(
    ("section", "item", "expected"),
    [
        ("queues", {"name": "q"}, "queue 'q': 'vhost' is missing: it must be a text"),
        (
            "queues",
            {"name": "q", "vhost": "no"},
            "queue 'q' in vhost 'no': there is no vhost 'no': add it to 'vhosts'",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "durable": "yes"},
            "queue 'q' in vhost '/': 'durable' must be true or false, not \"yes\"",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "argumnets": {}},
            "queue 'q' in vhost '/': unknown key 'argumnets': write 'arguments'",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "arguments": [5]},
            "queue 'q' in vhost '/': 'arguments' must be an object in braces, not [5]",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "arguments": {"n": 2**63}},
            "queue 'q' in vhost '/': 'arguments': 'n' is a number of more than 64 bits",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "arguments": {"x-max-length": -1}},
            "queue 'q' in vhost '/': invalid arg 'x-max-length' for queue 'q' in vhost '/': "
            "{value_negative,-1}",
        ),
        (
            "queues",
            {"name": "q", "vhost": "/", "arguments": {"x-queue-type": "stream"}},
            "queue 'q' in vhost '/': invalid arg 'x-queue-type' for queue 'q' in vhost '/': "
            "streams are not offered",
        ),
        ("queues", {"name": "", "vhost": "/"}, "queue '' in vhost '/': 'name' must not be empty"),
        ("queues", 5, "queues[0]: must be an object in braces"),
        ("queues", {}, "queues[0]: 'vhost' is missing: it must be a text"),
        (
            "exchanges",
            {"name": "x", "vhost": "/", "type": "nope"},
            "exchange 'x' in vhost '/': unknown exchange type 'nope'",
        ),
        (
            "exchanges",
            {"name": "x", "vhost": "/", "type": 5},
            "exchange 'x' in vhost '/': 'type' must be a text, not 5",
        ),
        (
            "bindings",
            {"source": "amq.topic", "vhost": "/", "destination": "q", "destination_type": "queue"},
            "binding from 'amq.topic' to 'q' in vhost '/': no queue 'q' in vhost '/'",
        ),
        (
            "bindings",
            {"source": "x", "vhost": "/", "destination": "q", "destination_type": "topic"},
            "binding from 'x' to 'q' in vhost '/': 'destination_type' must be \"queue\" or "
            "\"exchange\", not 'topic'",
        ),
        (
            "users",
            {"name": "alice"},
            "user 'alice': 'password_hash' is missing: give it with its 'hashing_algorithm', a "
            "'password', or \"\" for a user who cannot log in with one",
        ),
        (
            "users",
            {"name": "alice", "password_hash": "", "tags": [5]},
            "user 'alice': 'tags' must be a list of texts, not [5]",
        ),
        (
            "users",
            {"name": "alice", "password_hash": "", "limits": {"max-queues": 5}},
            "user 'alice': Unrecognised terms [{<<\"max-queues\">>,5}] in user-limits",
        ),
        (
            "permissions",
            {"user": "no", "vhost": "/", "configure": "", "write": "", "read": ""},
            "permissions of user 'no' in vhost '/': there is no user 'no'",
        ),
        (
            "policies",
            {"name": "p", "vhost": "/", "pattern": "(", "definition": {"max-length": 5}},
            "policy 'p' in vhost '/': pattern should be regular expression but is invalid: "
            '{"missing )",1}',
        ),
        (
            "policies",
            {"name": "p", "vhost": "/", "pattern": "", "definition": {"max-lenght": 5}},
            "policy 'p' in vhost '/': [{<<\"max-lenght\">>,5}] are not recognised policy settings",
        ),
        (
            "parameters",
            {
                "name": "p", "vhost": "/", "component": "operator_policy",
                "value": {"pattern": "", "definition": {"queue-mode": "lazy"}},
            },
            "operator policy 'p' in vhost '/': [{<<\"queue-mode\">>,<<\"lazy\">>}] are not "
            "recognised policy settings",
        ),
        (
            "parameters",
            {"name": "limits", "vhost": "/", "component": "vhost-limits", "value": {"max": 5}},
            "parameter 'limits' in vhost '/': Unrecognised terms [{<<\"max\">>,5}] in limits",
        ),
        (
            "vhosts",
            {"name": "v", "default_queue_type": "stream"},
            "vhost 'v': 'stream' is not a type of queue: give classic or quorum",
        ),
    ],
)  # fmt: skip
def test_each_mistake_is_told_in_one_line(section: str, item: object, expected: str) -> None:
    document = {"vhosts": [{"name": "/"}], section: [item]}

    assert expected in errors_of(document)


def test_all_mistakes_are_told_at_once() -> None:
    errors = errors_of(
        {
            "querues": [],
            "users": {},
            "queues": [{"name": "a", "vhost": "/", "durable": 1, "auto_delete": 2}],
            "exchanges": [{"name": "x", "vhost": "/", "type": "nope"}],
        }
    )

    assert errors == [
        "the file: unknown key 'querues': write 'queues'",
        "the file: 'users' must be a list of objects",
        "exchange 'x' in vhost '/': unknown exchange type 'nope'",
        "queue 'a' in vhost '/': 'durable' must be true or false, not 1",
        "queue 'a' in vhost '/': 'auto_delete' must be true or false, not 2",
    ]


def test_of_many_mistakes_the_first_are_shown() -> None:
    with pytest.raises(WrongDefinitions) as caught:
        take_in({"vhosts": [], "queues": [{"name": str(number)} for number in range(50)]})

    lines = str(caught.value).splitlines()
    assert lines[-1] == f"and {50 - ERRORS_MAX} more errors"
    assert len(lines) == ERRORS_MAX + 1


def test_what_means_nothing_here_is_passed_over_with_a_note() -> None:
    notes = import_definitions(
        make_broker(),
        {
            "vhosts": [{"name": "/", "shape": "round"}],
            "parameters": [{"name": "s", "vhost": "/", "component": "shovel", "value": {}}],
            "policies": [
                {"name": "p", "vhost": "/", "pattern": "", "definition": {"ha-mode": "all"}}
            ],
            "bindings": [
                {"source": "", "vhost": "/", "destination": "q", "destination_type": "queue"}
            ],
        },
        salt,
    )

    assert notes == [
        "vhost '/': the key 'shape' means nothing here, and is passed over",
        "parameter 's' in vhost '/': is passed over: there is no shovel",
        "policy 'p' in vhost '/': 'ha-mode' is passed over: it means nothing to a single broker",
        "binding from '' to 'q' in vhost '/': is passed over: every queue is bound to the default "
        "exchange",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["name", "vhost", "type", "arguments", "durable", "tags", "limits", "password_hash", "value",
     "component", "pattern", "definition", "source", "destination", "destination_type", "user"]
)  # fmt: skip


@example(document={"parameters": 1})
@given(
    st.dictionaries(
        st.sampled_from(
            ["vhosts", "users", "permissions", "parameters", "policies", "exchanges", "queues",
             "bindings", "topic_permissions", "limits", "metadata"]
        ),
        json_values | st.lists(st.dictionaries(KEYS, json_values | st.just("/")), max_size=3),
    )
)  # fmt: skip
def test_whatever_a_file_says_it_is_taken_in_or_refused(document: dict[str, Any]) -> None:
    broker = make_broker()
    before = export_definitions(broker)
    try:
        take_in(document, broker)
    except WrongDefinitions:
        assert export_definitions(broker) == before


def test_a_policy_that_is_there_holds_for_queues_that_come() -> None:
    broker = make_broker()
    broker.vhosts["/"].set_policy(check_policy("p", "", {"max-length": 1}))

    take_in({"queues": [{"name": "q", "vhost": "/"}]}, broker)

    assert broker.vhosts["/"].queue("q").rules.length_max == 1
