"""A bug of ours costs the session that meets it, and nobody else: (S2).

The bugs here are made of the ports that the engine offers: a source of names that fails, and an
order of ready messages that does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from server_stage import Client, Stage, a_stage
from trio.testing import MockClock

from amqpbroker.engine.ports import EventWitness
from amqpbroker.engine.ready import FifoOrder
from amqpbroker.server.session_limits import SILENT_CLOSE_SECONDS
from amqpbroker.spec import methods as m
from amqpbroker.spec.message import Message


def fail_to_name() -> str:
    raise RuntimeError("no more names")


class UntakingOrder(FifoOrder):
    """Takes in nothing."""

    def append(self, messages: Sequence[Message]) -> int:
        raise RuntimeError("full of holes")


class UngivingOrder(FifoOrder):
    """Gives out nothing."""

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        raise RuntimeError("stuck")


async def expect_internal_error(client: Client) -> None:
    close = await client.expect(m.ConnectionClose)
    assert (close.reply_code, close.reply_text) == (541, "INTERNAL_ERROR")
    assert (close.failed_class_id, close.failed_method_id) == (0, 0)
    await client.send(m.ConnectionCloseOk())
    await client.expect_end()


def tracebacks(caplog: pytest.LogCaptureFixture) -> int:
    return sum(record.exc_info is not None for record in caplog.records)


async def a_queue_with(stage: Stage, client: Client, order: FifoOrder) -> None:
    await client.declare("broken")
    stage.server.broker.vhosts["/"].queues["broken"].order = order


async def test_a_bug_in_a_request_closes_its_connection(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        stage.server.broker.names = fail_to_name
        await client.send(m.QueueDeclare(), channel=1)
        await expect_internal_error(client)
        await other.round_trip()
        await (await stage.open_client()).round_trip()

    assert tracebacks(caplog) == 1
    assert "no more names" in caplog.text


async def test_a_bug_in_a_publish_closes_its_connection(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await a_queue_with(stage, other, UntakingOrder())
        await client.publish("broken", b"x")
        await expect_internal_error(client)
        await other.round_trip()

    assert tracebacks(caplog) == 1


async def test_what_stands_behind_the_bug_is_not_performed(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        stage.server.broker.names = fail_to_name
        await client.send(m.QueueDeclare(), m.QueueDeclare(0, "later"), channel=1)
        await expect_internal_error(client)

        assert stage.server.broker.vhosts["/"].queues == {}


async def test_a_bug_while_dispatching_hurts_the_queue_alone(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await a_queue_with(stage, client, UngivingOrder())
        await client.consume("broken")
        await other.declare("sound")
        await other.publish("broken", b"x")
        await other.publish("sound", b"y")
        await other.send(m.BasicGet(0, "sound", True), channel=1)
        _, body = await other.expect_content(m.BasicGetOk)
        await client.round_trip()

        assert body == b"y"
        assert len(stage.server.broker.connections) == 2
    assert tracebacks(caplog) >= 1


async def test_a_bug_while_cleaning_up_leaves_no_session(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Unreturnable(FifoOrder):
        def put_back(self, position: int, message: Message) -> None:
            raise RuntimeError("no way back")

    async with a_stage() as stage:
        client, other = await stage.open_client(), await stage.open_client()
        await a_queue_with(stage, client, Unreturnable())
        await client.publish("broken", b"x")
        await client.send(m.BasicGet(0, "broken"), channel=1)
        await client.expect_content(m.BasicGetOk)
        client.drop()
        await other.round_trip()
        await other.round_trip()

        assert len(stage.server._sessions) == 1
    assert "no way back" in caplog.text


async def test_a_bug_that_comes_again_and_again_ends(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage() as stage:
        other = await stage.open_client()
        await a_queue_with(stage, other, UntakingOrder())
        for _ in range(20):
            client = await stage.open_client()
            await client.publish("broken", b"x")
            await expect_internal_error(client)
        await other.round_trip()

    assert tracebacks(caplog) == 20


class Blind(EventWitness):
    """Stumbles over every login."""

    def authentication_succeeded(
        self, user_name: str, mechanism_name: str, peer_address: str
    ) -> None:
        raise RuntimeError("who was that?")


async def test_a_bug_before_login_closes_its_connection_without_a_word(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_stage() as stage:
        other = await stage.open_client()
        blind = Blind()
        stage.server.broker.watch_events(blind)
        client = stage.connect()
        await client.log_in()
        assert await client.expect_end() == SILENT_CLOSE_SECONDS
        stage.server.broker.unwatch_events(blind)
        await other.round_trip()
        await (await stage.open_client()).round_trip()
        assert stage.server.entrance.half_open_count == 0

    assert tracebacks(caplog) == 1
