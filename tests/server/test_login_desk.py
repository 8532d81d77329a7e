"""Logins whose passwords take long to check, and those that fail too often.

The hashes here are cheap; what makes them slow is where they are computed: at a desk whose worker
waits until the test lets it go on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from server_stage import Client, Stage, a_stage, client_properties
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.passwords import hashed, hashed_quickly
from amqpbroker.server.login_desk import (
    FAILURE_SECONDS,
    FAILURES_MAX,
    LOGINS_AT_ONCE,
    Login,
    LoginDesk,
    in_a_thread,
    place_of,
)
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER

SLOW = hashed("secret", b"s" * 16, iterations=1)
RIGHT, WRONG = b"\0app\0secret", b"\0app\0wrong"


class Bench:
    """Where slow hashes are computed, when the test says so."""

    def __init__(self) -> None:
        self.started_count = 0
        self._go_on = trio.Event()

    async def compute(self, function: Callable[[], bool]) -> bool:
        self.started_count += 1
        await self._go_on.wait()
        return function()

    def let_go(self) -> None:
        self._go_on.set()


@asynccontextmanager
async def a_desk(bench: Bench) -> AsyncGenerator[Stage]:
    """A server whose user app has a slow hash."""
    async with a_stage() as stage, trio.open_nursery() as nursery:
        server = stage.server
        server.login_desk = LoginDesk(server.broker.users, server.timekeeper, bench.compute)
        nursery.start_soon(server.login_desk.run)
        administration.put_user(server.broker, User("app", SLOW))
        administration.set_permissions(server.broker, "app", "/")
        yield stage
        bench.let_go()
        nursery.cancel_scope.cancel()


async def say_who(client: Client, response: bytes, *, understands: bool = True) -> None:
    """Send the login, and wait for nothing."""
    await client.send_bytes(PROTOCOL_HEADER)
    await client.expect(m.ConnectionStart)
    properties = client_properties(["authentication_failure_close"] if understands else [])
    await client.send(m.ConnectionStartOk(properties, "PLAIN", response, "en_US"))


async def test_a_slow_login_holds_nobody_up(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        other, slow = await stage.open_client(), stage.connect()
        await say_who(slow, RIGHT)
        await other.round_trip()
        await (await stage.open_client()).round_trip()
        assert bench.started_count == 1
        bench.let_go()
        assert (await slow.expect(m.ConnectionTune)).frame_max == 131_072


@pytest.mark.parametrize("understands", [True, False])
async def test_a_wrong_password_is_refused_late_as_at_once(
    understands: bool, autojump_clock: MockClock
) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        client = stage.connect()
        await say_who(client, WRONG, understands=understands)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        bench.let_go()
        if understands:
            assert (await client.expect(m.ConnectionClose)).reply_code == 403
        assert await client.expect_end() == began + 3  # S-025, S-026


async def test_what_a_client_sends_before_the_answer_waits(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        client = stage.connect()
        await say_who(client, RIGHT)
        await client.send(m.ConnectionTuneOk(2047, 131_072, 0), m.ConnectionOpen("/"))
        await wait_all_tasks_blocked()
        bench.let_go()
        await client.expect(m.ConnectionTune)
        await client.expect(m.ConnectionOpenOk)
        await client.ask(m.ChannelOpen(), m.ChannelOpenOk)


async def test_what_is_sent_with_a_wrong_login_is_not_done(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        client = stage.connect()
        await client.send_bytes(PROTOCOL_HEADER)
        await client.expect(m.ConnectionStart)
        login = m.ConnectionStartOk(client_properties([]), "PLAIN", WRONG, "en_US")
        await client.send(login, m.ConnectionTuneOk(2047, 131_072, 0), m.ConnectionOpen("/"))
        bench.let_go()
        await client.expect_end()
        assert not stage.server.broker.connections


async def test_who_takes_too_long_to_check_is_gone_and_forgotten(
    autojump_clock: MockClock,
) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        client = stage.connect()
        await say_who(client, RIGHT)
        assert await client.expect_end() == 10  # S-017
        bench.let_go()
        await wait_all_tasks_blocked()
        assert not stage.server.broker.connections
        await (await stage.open_client()).round_trip()


async def test_who_leaves_before_its_turn_is_not_checked(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        clients = [stage.connect() for _ in range(LOGINS_AT_ONCE + 3)]
        for client in clients:
            await say_who(client, WRONG)
        await wait_all_tasks_blocked()
        for client in clients:
            client.drop()
        await wait_all_tasks_blocked()
        bench.let_go()
        await wait_all_tasks_blocked()

        assert bench.started_count == LOGINS_AT_ONCE


async def test_a_crowd_of_one_user_is_checked_once_or_so(autojump_clock: MockClock) -> None:
    bench = Bench()
    async with a_desk(bench) as stage:
        clients = [stage.connect() for _ in range(FAILURES_MAX * 3)]
        for client in clients:
            await say_who(client, RIGHT)
        await wait_all_tasks_blocked()
        bench.let_go()
        for client in clients:
            await client.expect(m.ConnectionTune)

        assert bench.started_count == LOGINS_AT_ONCE


async def test_a_slow_hash_is_computed_in_a_thread() -> None:
    """The real way, without a clock that would jump over the thread's work."""
    async with a_stage() as stage, trio.open_nursery() as nursery:
        server = stage.server
        server.login_desk = LoginDesk(server.broker.users, server.timekeeper, in_a_thread)
        nursery.start_soon(server.login_desk.run)
        administration.put_user(server.broker, User("app", SLOW))
        client = stage.connect()
        await say_who(client, RIGHT)
        assert (await client.expect(m.ConnectionTune)).frame_max == 131_072
        nursery.cancel_scope.cancel()


async def after(stage: Stage, seconds: float) -> None:
    """Let time pass, on the clock of the test."""
    passed = trio.Event()
    stage.server.timekeeper.call_in(seconds, passed.set)
    await passed.wait()


class Queue:
    """A desk alone, and what became of the logins that were put to it."""

    def __init__(self, stage: Stage) -> None:
        self.users = stage.server.broker.users
        self.users.put(User("quick", hashed_quickly("secret", b"salt")))
        self.desk = stage.server.login_desk
        self.resumed: list[str] = []

    def put(self, password: str, address: str, name: str = "quick") -> Login:
        login = Login(name, "PLAIN", self.users.attempt(name, password))
        self.desk.check(login, address, lambda: self.resumed.append(f"{password} {login.is_right}"))
        return login


async def test_an_address_that_fails_too_often_waits(autojump_clock: MockClock) -> None:
    """(D1)."""
    async with a_stage() as stage:
        queue = Queue(stage)
        failed = [queue.put("wrong", "192.0.2.1") for _ in range(FAILURES_MAX)]
        late = [queue.put(password, "192.0.2.1") for password in ("secret", "wrong")]
        elsewhere = queue.put("secret", "192.0.2.2")
        here = queue.put("secret", "")

        assert [login.is_right for login in failed] == [False] * FAILURES_MAX
        assert [login.is_right for login in late] == [None, None]
        assert (elsewhere.is_right, here.is_right) == (True, True)
        await after(stage, FAILURE_SECONDS - 0.1)
        assert queue.resumed == []
        await after(stage, 0.2)
        assert queue.resumed == ["secret True", "wrong False"]


async def test_right_logins_do_not_count(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        queue = Queue(stage)

        logins = [queue.put("secret", "192.0.2.1") for _ in range(FAILURES_MAX * 2)]

        assert all(login.is_right for login in logins)


async def test_who_waits_and_leaves_holds_nobody_up(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        queue = Queue(stage)
        for _ in range(FAILURES_MAX):
            queue.put("wrong", "192.0.2.1")
        gone = [queue.put("secret", "192.0.2.1") for _ in range(1000)]
        for login in gone:
            login.is_wanted = False
        last = queue.put("secret", "192.0.2.1")
        await after(stage, FAILURE_SECONDS + 1)

        assert last.is_right
        assert queue.resumed == ["secret True"]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("", ""),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_where_failures_are_counted(address: str, place: str) -> None:
    assert place_of(address) == place
