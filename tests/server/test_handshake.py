"""Who may come in: mechanisms, passwords, and from where."""

from __future__ import annotations

import pytest

from amqpbroker.engine import passwords
from amqpbroker.engine.access import User, Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.ports import EventWitness
from amqpbroker.server.handshake import Handshake, is_loopback
from amqpbroker.spec import methods as m
from amqpbroker.spec.errors import AMQPException
from amqpbroker.spec.table import Field, Table, longstr
from amqpbroker.wire.connection import HandshakeAborted

ELSEWHERE = "192.0.2.7"


def make_broker() -> Broker:
    users = [
        User(name, passwords.hashed_quickly(password, b"salt"))
        for name, password in (("guest", "guest"), ("app", "secret"))
    ]
    return Broker(lambda: "name", users=Users(users))


#: Of a client that wants to be told when its login is refused.
UNDERSTANDING: Table = {
    "capabilities": Field("F", {"authentication_failure_close": Field("t", True)})
}


def start_ok(
    response: bytes, mechanism: str = "PLAIN", properties: Table = UNDERSTANDING
) -> m.ConnectionStartOk:
    return m.ConnectionStartOk(properties, mechanism, response, "en_US")


def log_in(handshake: Handshake, method: m.ConnectionStartOk) -> m.ConnectionTune:
    """What a session and the login desk do together."""
    login = handshake.begin_login(method)
    login.is_right = login.compute()
    return handshake.conclude_login(login)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::1%lo", ""],
)
def test_loopback_addresses(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        ELSEWHERE, "128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:192.0.2.7", "::ffff:0.0.0.0",
        "2001:db8::1", "fe80::1%eth0", "2001:db8::7f00:1", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_other_addresses(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", ""])
def test_guest_may_come_from_this_machine(address: str) -> None:
    handshake = Handshake(make_broker(), address)

    tune = log_in(handshake, start_ok(b"\0guest\0guest"))

    assert handshake.user is not None
    assert handshake.user.name == "guest"
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (2047, 131_072, 60)  # S-031


@pytest.mark.parametrize("address", [ELSEWHERE, "::ffff:192.0.2.7", "fe80::1%eth0"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "ANONYMOUS"])
def test_guest_may_not_come_from_elsewhere(address: str, mechanism: str) -> None:
    handshake = Handshake(make_broker(), address)

    with pytest.raises(AMQPException) as refused:
        log_in(handshake, start_ok(b"\0guest\0guest", mechanism))

    assert refused.value.reply_text == (
        f"ACCESS_REFUSED - Login was refused using authentication mechanism {mechanism}. For "
        "details see the broker logfile."
    )
    assert handshake.user is None


def test_other_users_may_come_from_anywhere() -> None:
    handshake = Handshake(make_broker(), ELSEWHERE)
    log_in(handshake, start_ok(b"\0app\0secret"))

    assert handshake.user is not None
    assert handshake.user.name == "app"


@pytest.mark.parametrize(
    "response",
    [
        b"\0guest\0wrong",
        b"\0guest\0",
        b"\0nobody\0guest",
        b"\0\0",
        b"\0guest\0\xff",
        b"\0GUEST\0guest",
    ],
)
def test_a_wrong_login_is_refused_and_tied_to_no_method(response: bytes) -> None:
    with pytest.raises(AMQPException) as refused:
        log_in(Handshake(make_broker(), "::1"), start_ok(response))

    assert (refused.value.reply_code, refused.value.class_id, refused.value.method_id) == (
        403,
        0,
        0,
    )


@pytest.mark.parametrize("mechanism", ["", "plain", "EXTERNAL", "PLAIN AMQPLAIN", "SCRAM-SHA-256"])
def test_a_mechanism_that_is_not_offered_aborts(mechanism: str) -> None:
    with pytest.raises(HandshakeAborted):
        log_in(Handshake(make_broker(), "::1"), start_ok(b"\0guest\0guest", mechanism))


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
def test_a_malformed_response_aborts(mechanism: str) -> None:
    with pytest.raises(HandshakeAborted):
        log_in(Handshake(make_broker(), "::1"), start_ok(b"guest/guest", mechanism))


NACK, BLOCKED = "basic.nack", "connection.blocked"


def test_a_password_does_not_show_in_what_is_raised() -> None:
    with pytest.raises(HandshakeAborted) as aborted:
        log_in(Handshake(make_broker(), "::1"), start_ok(b"guest\0hush"))

    assert "hush" not in str(aborted.value)


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, set()),
        (
            {"capabilities": Field("F", {NACK: Field("t", True), BLOCKED: Field("t", False)})},
            {NACK},
        ),
        ({"capabilities": Field("F", {NACK: Field("I", 1), BLOCKED: longstr("true")})}, set()),
        ({"capabilities": Field("F", {"of our own": Field("t", True)})}, set()),
        ({"capabilities": longstr(NACK)}, set()),
        ({"capabilities": Field("A", [Field("t", True)])}, set()),
        ({"capabilities": Field("V", None)}, set()),
    ],
)  # S-021
def test_only_capabilities_that_are_true_count(properties: Table, expected: set[str]) -> None:
    handshake = Handshake(make_broker(), "::1")
    log_in(handshake, start_ok(b"\0guest\0guest", properties=properties))

    assert handshake.capabilities == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [(longstr("billing"), "billing"), (Field("I", 7), ""), (Field("x", b"billing"), "")],
)
def test_a_connection_may_have_a_name(field: Field, expected: str) -> None:
    handshake = Handshake(make_broker(), "::1")
    properties = {"connection_name": field}
    log_in(handshake, start_ok(b"\0guest\0guest", properties=properties))

    assert handshake.connection_name == expected


def test_what_is_offered_names_the_mechanisms_and_capabilities() -> None:
    start = Handshake(make_broker(), "::1").start()

    assert start.mechanisms == b"PLAIN AMQPLAIN ANONYMOUS"
    capabilities = start.server_properties["capabilities"].value
    assert isinstance(capabilities, dict)
    assert {name for name, field in capabilities.items() if field.value is True} == {
        "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
        "connection.blocked", "consumer_priorities", "authentication_failure_close",
        "per_consumer_qos", "direct_reply_to",
    }  # fmt: skip


def test_a_witness_is_told_who_logs_in_and_who_does_not() -> None:
    class Logins(EventWitness):
        def __init__(self) -> None:
            self.told: list[tuple[str, ...]] = []

        def authentication_succeeded(
            self, user_name: str, mechanism_name: str, peer_address: str
        ) -> None:
            self.told.append(("succeeded", user_name, mechanism_name, peer_address))

        def authentication_failed(
            self, user_name: str, mechanism_name: str, peer_address: str
        ) -> None:
            self.told.append(("failed", user_name, mechanism_name, peer_address))

    broker, logins = make_broker(), Logins()
    broker.watch_events(logins)
    log_in(Handshake(broker, ELSEWHERE), start_ok(b"\0app\0secret"))
    with pytest.raises(AMQPException):
        log_in(Handshake(broker, ELSEWHERE), start_ok(b"\0guest\0guest"))

    assert logins.told == [
        ("succeeded", "app", "PLAIN", ELSEWHERE),
        ("failed", "guest", "PLAIN", ELSEWHERE),
    ]
