"""The reactor: who is told what, when, and who is not."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from amqpbroker.server.reactor import READ, WRITE, Reactor


class Pair:
    """A served socket, its other end, and what was told about it."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.ours, self.theirs = socket.socketpair()
        self.told: list[str] = []
        self.then: Callable[[], None] = lambda: None
        reactor.add(self.ours, self)

    def on_readable(self) -> None:
        data = self.ours.recv(100)
        self.told.append(f"readable {data.decode()}" if data else "end")
        self.then()

    def on_writable(self) -> None:
        self.told.append("writable")
        self.then()

    def drop(self) -> None:
        self.told.append("dropped")
        self.close()

    def close(self) -> None:
        self.reactor.remove(self.ours)
        self.ours.close()


class Rounds:
    """What the reactor is given to finish its rounds with."""

    def __init__(self) -> None:
        self.count = 0
        self.waits: list[float] = []  # for the next rounds; then None
        self.then: Callable[[], None] = lambda: None  # at the end of the next round

    def finish(self) -> float | None:
        self.count += 1
        then, self.then = self.then, lambda: None
        then()
        return self.waits.pop(0) if self.waits else None


class Scene:
    """A reactor that serves pairs."""

    def __init__(self, rounds: Rounds) -> None:
        self.reactor = Reactor(rounds.finish)
        self.pairs: list[Pair] = []

    def pair(self) -> Pair:
        self.pairs.append(Pair(self.reactor))
        return self.pairs[-1]


@asynccontextmanager
async def a_scene(rounds: Rounds) -> AsyncGenerator[Scene]:
    scene = Scene(rounds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.reactor.run)
        yield scene
        nursery.cancel_scope.cancel()
    for pair in scene.pairs:
        pair.ours.close()
        pair.theirs.close()


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


async def test_bytes_are_told_to_whom_they_concern(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        one, other = scene.pair(), scene.pair()
        one.theirs.send(b"hello")
        await wait_all_tasks_blocked()
        assert (one.told, other.told) == (["readable hello"], [])
        other.theirs.send(b"me too")
        await wait_all_tasks_blocked()

    assert (one.told, other.told) == (["readable hello"], ["readable me too"])


async def test_all_who_are_ready_share_a_round(rounds: Rounds) -> None:
    told_before_the_end: list[list[str]] = []
    async with a_scene(rounds) as scene:
        pairs = [scene.pair() for _ in range(5)]
        rounds.then = lambda: told_before_the_end.extend(list(pair.told) for pair in pairs)
        for pair in pairs:
            pair.theirs.send(b"x")
        await wait_all_tasks_blocked()

    assert told_before_the_end == [["readable x"]] * 5


async def test_room_is_told_when_it_was_asked_for(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        pair = scene.pair()
        await wait_all_tasks_blocked()
        assert pair.told == []
        pair.then = lambda: scene.reactor.change(pair.ours, READ)
        scene.reactor.change(pair.ours, READ | WRITE)
        await wait_all_tasks_blocked()

    assert pair.told == ["writable"]


async def test_reading_can_be_put_off(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        pair = scene.pair()
        scene.reactor.change(pair.ours, 0)
        pair.theirs.send(b"later")
        await wait_all_tasks_blocked()
        assert pair.told == []
        scene.reactor.change(pair.ours, READ)
        await wait_all_tasks_blocked()

    assert pair.told == ["readable later"]


async def test_the_end_is_told_also_to_whom_waits_for_nothing(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        pair = scene.pair()
        scene.reactor.change(pair.ours, 0)
        pair.then = pair.close
        pair.theirs.close()
        await wait_all_tasks_blocked()

    assert pair.told == ["end"]


async def test_one_removed_in_the_round_is_not_told(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        one, other = scene.pair(), scene.pair()
        one.then, other.then = other.close, one.close
        one.theirs.send(b"x")
        other.theirs.send(b"x")
        await wait_all_tasks_blocked()

    assert sorted([one.told, other.told]) == [[], ["readable x"]]


async def test_one_removed_twice_is_removed(rounds: Rounds) -> None:
    async with a_scene(rounds) as scene:
        pair = scene.pair()
        scene.reactor.remove(pair.ours)
        scene.reactor.remove(pair.ours)
        pair.theirs.send(b"x")
        await wait_all_tasks_blocked()

    assert pair.told == []


async def test_a_call_that_fails_drops_its_socket_and_no_other(
    rounds: Rounds, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise AssertionError("a broken invariant")

    async with a_scene(rounds) as scene:
        broken, sound = scene.pair(), scene.pair()
        broken.then = fail
        broken.theirs.send(b"x")
        await wait_all_tasks_blocked()
        sound.theirs.send(b"y")
        await wait_all_tasks_blocked()

    assert broken.told == ["readable x", "dropped"]
    assert sound.told == ["readable y"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "a broken invariant" in caplog.text


async def test_a_round_with_more_to_do_is_followed_by_another(rounds: Rounds) -> None:
    rounds.waits = [0, 0, 0.001]
    async with a_scene(rounds) as scene:
        pair = scene.pair()
        pair.theirs.send(b"x")
        await wait_all_tasks_blocked()

    assert rounds.count >= 4
    assert rounds.waits == []
    assert pair.told == ["readable x"]


async def test_others_have_their_turn_under_unending_work(rounds: Rounds) -> None:
    rounds.waits = [0] * 1_000_000
    turns = 0
    async with a_scene(rounds) as scene:
        scene.pair().theirs.send(b"x")
        while turns < 20:
            await trio.lowlevel.checkpoint()
            turns += 1
        assert rounds.waits, "the reactor went on until it was done"

    assert turns == 20
