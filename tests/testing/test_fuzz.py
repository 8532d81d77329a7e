"""The fuzzer: its cases are the seed's, our broker stands them, and a broker that errs is found."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from amqpbroker.cli.main import main
from amqpbroker.spec import methods as m
from amqpbroker.spec.message import encode_content
from amqpbroker.testing.fuzz.campaign import Campaign, Finding, Problem, Tally
from amqpbroker.testing.fuzz.client import Client, Lost
from amqpbroker.testing.fuzz.conversation import Conversation
from amqpbroker.testing.fuzz.healthy import Healthy
from amqpbroker.testing.fuzz.local import a_local_broker
from amqpbroker.testing.fuzz.script import Case, Login, Send, case_of
from amqpbroker.testing.fuzz.text import Transcript, sent_lines
from amqpbroker.wire.writer import confirm_frame, method_frame

GUEST = Login()
CASES = 300


def notes_of(case: Case) -> set[str]:
    """What was harmed in a case, without the numbers."""
    notes = "".join(step.note for step in case.steps if isinstance(step, Send))
    return {
        re.sub(r" (at octet )?[0-9a-f.]+$", "", note) for note in re.findall(r"\[(.*?)\]", notes)
    }


def test_a_case_depends_on_its_seed_alone() -> None:
    assert [case_of(seed, GUEST) for seed in range(20)] == [
        case_of(seed, GUEST) for seed in range(20)
    ]
    assert len({case_of(seed, GUEST).steps for seed in range(20)}) == 20


def test_cases_say_and_harm_everything() -> None:
    cases = [case_of(seed, GUEST) for seed in range(CASES)]
    notes = set[str]().union(*map(notes_of, cases))
    kinds = {type(step).__name__ for case in cases for step in case.steps}
    text = "\n".join(
        line
        for case in cases
        for step in case.steps
        if isinstance(step, Send) and not step.note
        for line in sent_lines(step.raw)
    )

    assert notes >= {
        "table", "surplus bytes", "arguments missing", "last argument cut", "method", "frame type",
        "channel", "size", "end", "empty frame", "content class", "content weight",
        "content body size", "content flags", "content headers", "content cut", "content surplus",
        "shorter", "body out of nowhere", "bit flipped", "octet changed", "cut off", "inserted",
        "taken out", "repeated", "noise", "ShortStr argument", "Bits argument", "LongLong argument",
    }  # fmt: skip
    assert kinds == {
        "Connect", "Send", "Await", "StopReading", "ReadOn", "FinishSending", "Leave",
    }  # fmt: skip
    for name in ("queue.declare", "exchange.bind", "basic.publish", "basic.consume", "basic.get",
                 "basic.nack", "confirm.select", "tx.commit", "basic.recover"):  # fmt: skip
        assert f" {name} " in text or f" {name}\n" in text


@pytest.mark.slow
async def test_our_broker_stands_the_first_cases() -> None:
    async with a_local_broker() as broker:
        campaign = Campaign(broker, iter(range(CASES)), Tally())
        await campaign.run()
        await broker.settle()

    assert campaign.findings == []
    assert broker.problems() == []
    assert campaign.tally.case_count == CASES
    assert campaign.tally.frame_count > 10 * CASES
    assert broker.trip_count > 10


# A broker that errs is found


class Script:
    """A server that sends each client the same bytes at once, whatever it says."""

    login = GUEST

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._socks: list[socket.socket] = []

    async def connect(self) -> socket.socket:
        await trio.lowlevel.checkpoint()
        ours, theirs = socket.socketpair()
        ours.sendall(self._data)
        self._socks.append(ours)
        theirs.setblocking(False)
        return theirs

    def problems(self) -> list[Problem]:
        return []

    def close(self) -> None:
        for sock in self._socks:
            sock.close()


async def test_an_illegal_answer_is_put_down_to_its_case() -> None:
    script = Script(method_frame(0, m.ConnectionStart())[:-1] + b"\xcd")
    conversation = Conversation(case_of(1, GUEST), script.connect)
    await conversation.run()
    script.close()

    assert "a frame without its end octet" in conversation.faults[0]


async def findings_when(break_it: Callable[[], None]) -> list[Finding]:
    """What is found when this is called in a round of the broker."""
    async with a_local_broker() as broker:
        broker.server.timekeeper.call_in(0, break_it)
        campaign = Campaign(broker, iter(range(5)), Tally(), together=1)
        await campaign.run()
    return campaign.findings


async def test_a_traceback_in_the_log_is_found() -> None:
    def fail() -> None:
        raise AssertionError("a mistake of ours")

    findings = await findings_when(fail)

    assert "a mistake of ours" in findings[0].problem.text
    assert logging.getLogger("amqpbroker").propagate


async def test_a_turn_that_takes_too_long_is_found() -> None:
    def work() -> None:
        ends = time.thread_time() + 0.15
        while time.thread_time() < ends:
            pass

    findings = await findings_when(work)

    assert "kept everybody waiting" in findings[0].problem.text


async def test_what_the_broker_keeps_for_nobody_is_found() -> None:
    async with a_local_broker() as broker:
        sock = await broker.connect()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
            client = Client(stream, GUEST)
            await client.open()
            await client.send(m.QueueDeclare(0, "kept"))
            await client.expect("queue.declare-ok")
            await client.publish("kept", bytes(100_000), *([bytes(100_000)] * 10))
            await client.send(m.BasicQos())
            await client.expect("basic.qos-ok")
            await broker.settle()
        texts = [problem.text for problem in broker.problems()]

    assert texts[0] == "2 connections are left, and one is open"
    assert "bytes of messages, and all are gone" in texts[1]


GREETING = (
    method_frame(0, m.ConnectionStart())
    + method_frame(0, m.ConnectionTune(2047, 131_072, 60))
    + method_frame(0, m.ConnectionOpenOk())
    + method_frame(1, m.ChannelOpenOk())
    + method_frame(1, m.QueueDeclareOk("own", 0, 0))
    + method_frame(1, m.ConfirmSelectOk())
    + method_frame(1, m.BasicConsumeOk("healthy"))
)


def delivery(tag: int, number: int) -> bytes:
    body = b"%d" % number + b"." * 100
    return method_frame(1, m.BasicDeliver("healthy", tag, False, "", "own")) + encode_content(
        1, b"\0\0", body, 4096
    )


@asynccontextmanager
async def healthy_with(data: bytes) -> AsyncGenerator[tuple[Healthy, list[float]]]:
    """A healthy client whose broker sends this, and then nothing more."""
    script = Script(data)
    sock = await script.connect()
    trips: list[float] = []
    async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
        yield Healthy(Client(stream, GUEST), trips.append), trips
    script.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (confirm_frame(1, 1, False) + delivery(1, 2), "message 1 was due, and b'2"),
        (delivery(1, 1) + delivery(2, 1), "message 2 was due"),
        (confirm_frame(1, 1, False) + confirm_frame(1, 1, False), "a confirm of 1"),
        (confirm_frame(1, 2, False), "a confirm of 2"),
        (method_frame(1, m.ChannelClose(541, "INTERNAL_ERROR", 0, 0)), "channel.close"),
    ],
    ids=["overtaken", "delivered twice", "confirmed twice", "confirmed early", "closed"],
)
async def test_a_client_that_does_nothing_wrong_notices(data: bytes, expected: str) -> None:
    async with healthy_with(GREETING + data) as (healthy, _):
        with pytest.raises(Lost, match=re.escape(expected)):
            await healthy.live(trio.Event())


async def test_a_round_trip_is_measured() -> None:
    data = GREETING + confirm_frame(1, 1, False) + delivery(1, 1) + delivery(2, 1)
    async with healthy_with(data) as (healthy, trips):
        with pytest.raises(Lost):
            await healthy.live(trio.Event())

    assert healthy.trip_count == len(trips) == 1


async def test_what_is_left_behind_is_deleted_around_what_may_not_be() -> None:
    async with a_local_broker() as broker:
        queues = broker.server.broker.vhosts["/"].queues
        sock = await broker.connect()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
            client = Client(stream, GUEST)
            await client.open()
            for name in ("a", "b"):
                await client.send(m.QueueDeclare(0, name))
                await client.expect("queue.declare-ok")
            locked = next(name for name in queues if name.startswith("amq.gen"))
            await client.delete(["a", locked, "gone", "b"], ["amq.direct", "nope"])

        assert {"a", "b"} & queues.keys() == set()
        assert locked in queues


# The command


def test_the_command_plays_cases_and_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--in-process", "--cases", "3", "--seed", "5"]) == 0
    assert re.match(r"3 cases with \d+ connections in ", capsys.readouterr().out)


def test_the_command_prints_a_case_as_a_dialogue(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "--in-process", "--replay", "7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    told: list[str] = []
    transcript = Transcript(told.append)
    for step in case_of(7, GUEST).steps:
        transcript.done(step)
    first_steps = [line for line in told if line.startswith("C/0")][:6]

    assert [line for line in lines if line.startswith("C/0")][:6] == first_steps
    assert "(connects, frames up to" in first_steps[0]
    assert any(re.match(r"S/\d 0 connection.start ", line) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "one of the arguments URL --own --in-process is required"),
        (["http://localhost/"], "not an amqp:// URL"),
        (["--own", "--in-process"], "not allowed with argument"),
        (["--own", "--seed", "x"], "'x' is not a number"),
    ],
)
def test_what_is_typed_wrong_is_one_clear_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as status:
        main(["fuzz", *arguments])
    errors = capsys.readouterr().err

    assert status.value.code == 2
    assert expected in errors
    assert errors.count("\n") == 1


def test_a_broker_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        status = main(["fuzz", f"amqp://127.0.0.1:{sock.getsockname()[1]}/", "--cases", "1"])

    errors = capsys.readouterr().err
    assert status == 2
    assert errors.startswith("amqpbroker fuzz: Error connecting to ")
    assert errors.count("\n") == 1
