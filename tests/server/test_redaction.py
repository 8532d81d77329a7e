"""Neither the log nor what a client is told shows a password or a message's body.

Clients do all that may be logged, right and wrong, with a password and bodies that would be known
anywhere; the log is at its most talkative.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import pytest
from server_stage import Client, Stage, a_stage, client_properties, publish_frames
from trio.testing import MockClock

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.passwords import hashed_quickly
from amqpbroker.engine.permissions import NOTHING
from amqpbroker.engine.ready import FifoOrder
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import FRAME_BODY, PROTOCOL_HEADER
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import encode_table, longstr
from amqpbroker.testing.raw_client import encode_frame
from amqpbroker.wire.writer import method_frame

PASSWORD = "hush-password"
BODY = b"hush-body"
RIGHT = b"\0app\0" + PASSWORD.encode()
Act = Callable[[Client], Awaitable[None]]


def amqplain(**fields: str) -> bytes:
    return encode_table({name: longstr(text) for name, text in fields.items()})[4:]


def log_in(mechanism: str, response: bytes, *, cut: int = 0) -> Act:
    """Say who one is; the last *cut* bytes of it are missing, and others follow."""

    async def act(client: Client) -> None:
        await client.send_bytes(PROTOCOL_HEADER)
        await client.expect(m.ConnectionStart)
        properties = client_properties(["authentication_failure_close"])
        frame = method_frame(0, m.ConnectionStartOk(properties, mechanism, response, "en_US"))
        await client.send_bytes(frame[: len(frame) - cut] + frame[:cut])

    return act


def publish(exchange: str, routing_key: str, *, size: int = 0) -> Act:
    """Log in rightly, and publish."""

    async def act(client: Client) -> None:
        await open_as_app(client)
        await client.send_bytes(publish_frames(1, routing_key, BODY.ljust(size, b"."), exchange))

    return act


async def open_as_app(client: Client) -> None:
    await log_in("PLAIN", RIGHT)(client)
    await client.expect(m.ConnectionTune)
    await client.send(m.ConnectionTuneOk(2047, 131_072, 0), m.ConnectionOpen("/"))
    await client.expect(m.ConnectionOpenOk)
    await client.ask(m.ChannelOpen(), m.ChannelOpenOk)


async def get_it(client: Client) -> None:
    await publish("", "jobs")(client)
    await client.send(m.BasicGet(0, "jobs"), channel=1)
    _, body = await client.expect_content(m.BasicGetOk)
    assert body == BODY


async def body_out_of_place(client: Client) -> None:
    await open_as_app(client)
    await client.send_bytes(encode_frame(FRAME_BODY, 1, BODY))


async def too_much_body(client: Client) -> None:
    await open_as_app(client)
    frames = publish_frames(1, "jobs", BODY)
    await client.send_bytes(frames[: -len(BODY) - 8] + encode_frame(FRAME_BODY, 1, BODY * 2))


async def meets_a_bug(client: Client) -> None:
    await open_as_app(client)
    await client.send_bytes(publish_frames(1, "broken", BODY))


ACTS: dict[str, Act] = {
    "a right login": open_as_app,
    "a wrong password": log_in("PLAIN", b"\0app\0not-" + PASSWORD.encode()),
    "an unknown user": log_in("PLAIN", b"\0bob\0" + PASSWORD.encode()),
    "too many parts": log_in("PLAIN", RIGHT + b"\0more"),
    "acting for another": log_in("PLAIN", b"root" + RIGHT),
    "a wrong table": log_in("AMQPLAIN", amqplain(LOGIN="bob", PASSWORD=PASSWORD)),
    "half a table": log_in("AMQPLAIN", amqplain(LOGIN="app", PASSWORD=PASSWORD)[:-1]),
    "no login": log_in("AMQPLAIN", amqplain(PASSWORD=PASSWORD)),
    "an unknown mechanism": log_in("CRAM-MD5", RIGHT),
    "a cut frame": log_in("PLAIN", RIGHT, cut=9),
    "a password as the name": log_in("PLAIN", b"\0" + PASSWORD.encode()),
    "a message that is got": get_it,
    "no such exchange": publish("nowhere", "k"),
    "an internal exchange": publish("amq.rabbitmq.trace", "k"),
    "a message too large": publish("", "jobs", size=20_000),
    "a body out of place": body_out_of_place,
    "too much body": too_much_body,
    "a bug": meets_a_bug,
}


class BrokenOrder(FifoOrder):
    def append(self, messages: Sequence[Message]) -> int:
        raise RuntimeError("full of holes")


async def everything_sent_to(client: Client) -> bytes:
    """All that the broker says until it hangs up, or has nothing to say."""
    said = b""
    await client.finish_sending()
    while (frame := await client.receive()) is not None:
        if frame.type != FRAME_BODY:
            said += frame.payload
    return said


def furnish(stage: Stage) -> None:
    broker = stage.server.broker
    administration.put_user(broker, User("app", hashed_quickly(PASSWORD, b"salt")))
    administration.set_permissions(broker, "app", "/")


@pytest.mark.parametrize("name", ACTS)
async def test_nothing_secret_is_logged_or_told(
    name: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_stage(Settings(message_bytes_max=10_000)) as stage:
        furnish(stage)
        owner = await stage.open_client()
        for queue_name in ("jobs", "broken"):
            await owner.ask(m.QueueDeclare(0, queue_name), m.QueueDeclareOk)
        stage.server.broker.vhosts["/"].queues["broken"].order = BrokenOrder()
        client = stage.connect()
        await ACTS[name](client)
        said = await everything_sent_to(client)

    assert caplog.text
    for secret in (PASSWORD, BODY.decode()):
        assert secret not in caplog.text
        assert secret.encode() not in said
        assert repr(secret.encode())[2:-1] not in caplog.text


async def test_a_refusal_names_the_user_and_not_what_was_published(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_stage() as stage:
        furnish(stage)
        client = stage.connect()
        await open_as_app(client)
        administration.set_permissions(stage.server.broker, "app", "/", NOTHING)
        await client.publish("jobs", BODY)
        close = await client.expect(m.ChannelClose, 1)

    assert "refused for user 'app'" in close.reply_text
    assert "hush" not in caplog.text + close.reply_text


def test_what_is_shown_of_settings_has_no_password() -> None:
    assert "hush" not in repr(Settings(default_password="hush"))
