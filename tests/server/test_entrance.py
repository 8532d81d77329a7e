"""The doors: who is not logged in is counted, and when they are too many the others wait."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count

import pytest
import trio
from server_stage import Client, Stage
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.server.entrance import HURRY_SECONDS
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER

HALF_OPEN_MAX = 5
_numbers = count()


class House:
    """A server with one door, a Unix socket: who knocks is in its queue at once."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.entrance = stage.server.entrance
        self._name = name

    async def knock(self) -> Client:
        """Somebody at the door, who says nothing."""
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self._name)
        client = Client(sock)
        self.stage.clients.append(client)
        await wait_all_tasks_blocked()
        return client

    async def crowd(self) -> list[Client]:
        """As many as may be in without logging in."""
        return [await self.knock() for _ in range(HALF_OPEN_MAX)]

    async def is_let_in(self, client: Client) -> bool:
        """Whether the server answers it now."""
        await client.send_bytes(PROTOCOL_HEADER)
        await wait_all_tasks_blocked()
        try:
            return bool(client._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False


@asynccontextmanager
async def a_house() -> AsyncGenerator[House]:
    name = f"\0amqpbroker-tests-entrance-{id(object())}-{next(_numbers)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen(64)
        stage = Stage(Settings(half_open_max=HALF_OPEN_MAX))
        stage.server.entrance.open(listener)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.server.reactor.run)
            nursery.start_soon(stage.server.timekeeper.run)
            yield House(stage, name)
            stage.clear()
            stage.server.entrance.close()
            nursery.cancel_scope.cancel()


async def test_one_too_many_waits_until_somebody_is_logged_in(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_house() as house:
        crowd = await house.crowd()
        late = await house.knock()
        assert not await house.is_let_in(late)
        assert house.entrance.half_open_count == HALF_OPEN_MAX
        await crowd[0].open()
        await late.expect(m.ConnectionStart)
        assert trio.current_time() == 0

    said = "5 clients are not logged in: the next ones wait (half-open-max)"
    assert [record.getMessage() for record in caplog.records].count(said) == 2


async def test_one_too_many_waits_until_somebody_leaves(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        crowd = await house.crowd()
        late = await house.knock()
        crowd[0].drop()
        await wait_all_tasks_blocked()
        assert await house.is_let_in(late)


async def test_who_says_nothing_must_hurry_while_others_wait(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_house() as house:
        crowd = await house.crowd()
        late = await house.knock()
        for client in crowd:
            assert await client.expect_end() == HURRY_SECONDS
        await late.open()
        assert trio.current_time() == HURRY_SECONDS

    assert "5 clients took too long to log in while others wait" in caplog.text


async def test_who_says_nothing_has_its_time_while_nobody_waits(
    autojump_clock: MockClock,
) -> None:
    async with a_house() as house:
        client = await house.knock()
        assert await client.expect_end() == 10


async def test_those_who_are_logged_in_are_never_too_many(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        for _ in range(3 * HALF_OPEN_MAX):
            await (await house.knock()).open()
        assert house.entrance.half_open_count == 0


async def test_a_flood_does_not_keep_others_out_for_long(autojump_clock: MockClock) -> None:
    """Silent clients by the dozen come first; who logs in at once has its turn in seconds."""
    async with a_house() as house:
        for _ in range(6 * HALF_OPEN_MAX):
            await house.knock()
        late = await house.knock()
        await late.open()
        assert trio.current_time() <= 6 * HURRY_SECONDS


async def test_a_raised_limit_counts_at_once(autojump_clock: MockClock) -> None:
    async with a_house() as house:
        await house.crowd()
        late = await house.knock()
        house.stage.server.reload(Settings(half_open_max=2 * HALF_OPEN_MAX))
        await wait_all_tasks_blocked()
        assert await house.is_let_in(late)
