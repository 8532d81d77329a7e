"""Stopping: everybody is told 320, and whoever does not answer is not waited for long."""

from __future__ import annotations

import gc
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from server_stage import Client, Stage
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.server.server import DRAIN_SECONDS
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER

SHUTDOWN = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"


class Running:
    """A server that runs as a whole, and when it ended."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.stop = trio.Event()
        self.ended_at: float | None = None

    async def run(self) -> None:
        await self.stage.server.run(self.stop)
        self.ended_at = trio.current_time()


@asynccontextmanager
async def running() -> AsyncGenerator[Running]:
    scene = Running(Stage(Settings()))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.run)
            await wait_all_tasks_blocked()
            yield scene
            scene.stop.set()
    finally:
        scene.stage.clear()


async def expect_shutdown(client: Client) -> None:
    close = await client.expect(m.ConnectionClose)
    assert (close.reply_code, close.reply_text) == (320, SHUTDOWN)
    assert (close.failed_class_id, close.failed_method_id) == (0, 0)


async def test_a_server_without_clients_stops_at_once(autojump_clock: MockClock) -> None:
    async with running() as scene:
        pass

    assert scene.ended_at == 0


async def test_clients_are_told_and_their_answer_ends_it(autojump_clock: MockClock) -> None:
    async with running() as scene:
        clients = [await scene.stage.open_client() for _ in range(5)]
        scene.stop.set()
        for client in clients:
            await expect_shutdown(client)
            await client.send(m.ConnectionCloseOk())
            await client.expect_end()

    assert scene.ended_at == 0


async def test_a_client_that_does_not_answer_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with running() as scene:
        client = await scene.stage.open_client()
        scene.stop.set()
        await expect_shutdown(client)
        assert await client.expect_end() == DRAIN_SECONDS

    assert scene.ended_at == DRAIN_SECONDS


async def test_clients_in_any_state_do_not_hold_it_up(autojump_clock: MockClock) -> None:
    async with running() as scene:
        stage = scene.stage
        silent, greeted = stage.connect(), stage.connect()
        await greeted.send_bytes(PROTOCOL_HEADER)
        await greeted.expect(m.ConnectionStart)
        closing = await stage.open_client()
        await closing.send(m.ChannelOpen(), channel=1)
        assert (await closing.expect(m.ConnectionClose)).reply_code == 504
        unread = await stage.open_client(heartbeat=1)
        scene.stop.set()
        for client in (silent, greeted, closing):
            await client.expect_end()
        await expect_shutdown(unread)
        await unread.expect_end()

    assert scene.ended_at is not None
    assert scene.ended_at <= DRAIN_SECONDS


async def test_a_client_that_reads_nothing_is_dropped(autojump_clock: MockClock) -> None:
    async with running() as scene:
        client = await scene.stage.open_client()
        await client.declare("jobs")
        await client.consume("jobs")
        for _ in range(30):
            await client.publish("jobs", bytes(100_000))
        await wait_all_tasks_blocked()
        scene.stop.set()

    assert scene.ended_at == DRAIN_SECONDS
    assert scene.stage.server._sessions == {}


async def test_messages_and_exclusive_queues_go_before_the_client_is_told(
    autojump_clock: MockClock,
) -> None:
    async with running() as scene:
        client = await scene.stage.open_client()
        await client.declare("mine", exclusive=True)
        scene.stop.set()
        await expect_shutdown(client)

        assert scene.stage.server.broker.vhosts["/"].queues == {}


async def test_the_door_is_shut_first(autojump_clock: MockClock) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stage = Stage(Settings())
    stage.server._listeners = [listener]
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.server.run, stop)
        await wait_all_tasks_blocked()
        client = await stage.open_client()
        stop.set()
        await expect_shutdown(client)
        assert listener.fileno() == -1
    client.drop()


async def test_the_collector_is_left_as_it_was(autojump_clock: MockClock) -> None:
    assert gc.isenabled()
    async with running():
        await wait_all_tasks_blocked()
        assert not gc.isenabled()

    assert gc.isenabled()
