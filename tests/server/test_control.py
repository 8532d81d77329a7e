"""The control socket: who may open it, what it answers, and what it survives."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from record_journal import RecordJournal
from server_stage import a_stage
from trio.testing import wait_all_tasks_blocked

from amqpbroker.engine.ports import Record, RecordKey
from amqpbroker.server.control import LINE_BYTES_MAX, ControlSocket
from amqpbroker.server.control_path import (
    ControlUnavailable,
    in_data_directory,
    in_runtime_directory,
    running_sockets,
)
from amqpbroker.server.server import Server
from amqpbroker.server.unix_path import short_path

TIME_LIMIT_S = 10.0


class Operator:
    """The other end of a control socket."""

    def __init__(self, stream: trio.SocketStream, server: Server) -> None:
        self.server = server
        self._stream = stream
        self._unread = b""

    async def send(self, data: bytes) -> None:
        with trio.fail_after(TIME_LIMIT_S):
            await self._stream.send_all(data)

    async def receive(self) -> dict[str, object]:
        with trio.fail_after(TIME_LIMIT_S):
            while b"\n" not in self._unread:
                data = await self._stream.receive_some()
                assert data, "the broker has hung up"
                self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)

    async def expect_end(self) -> None:
        with trio.fail_after(TIME_LIMIT_S):
            assert await self._stream.receive_some() == b""

    async def ask(self, verb: str, **arguments: object) -> dict[str, object]:
        await self.send(json.dumps({"verb": verb, "arguments": arguments}).encode() + b"\n")
        return await self.receive()


@asynccontextmanager
async def an_operator(path: Path) -> AsyncGenerator[Operator]:
    async with a_stage() as stage, trio.open_nursery() as nursery:
        await nursery.start(ControlSocket(str(path)), stage.server, trio.Event())
        async with await trio.open_unix_socket(str(path)) as stream:
            yield Operator(stream, stage.server)
        nursery.cancel_scope.cancel()


async def test_a_verb_is_carried_out_and_answered(tmp_path: Path) -> None:
    async with an_operator(tmp_path / "c") as operator:
        assert await operator.ask("add_vhost", name="test") == {"result": None}
        assert list(operator.server.broker.vhosts) == ["/", "test"]
        answer = await operator.ask("ping")

    assert answer == {"result": {"vhost_count": 2, "connection_count": 0}}


async def test_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async with an_operator(tmp_path / "c") as operator:
        requests = [{"verb": "add_vhost", "arguments": {"name": name}} for name in "abc"]
        lines = [json.dumps(one) for one in (*requests, {"verb": "ping"})]
        await operator.send("".join(f"{line}\n" for line in lines).encode())
        answers = [await operator.receive() for _ in lines]

    assert answers[:3] == [{"result": None}] * 3
    assert answers[3] == {"result": {"vhost_count": 4, "connection_count": 0}}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "the request is not JSON"),
        (b"add_vhost test", "the request is not JSON"),
        (b"\xff\xfe", "the request is not JSON"),
        (b"[" * 100_000, "the request is not JSON"),
        (b"[]", "the request is no object"),
        (b"{}", "the request has no verb, or arguments that are no object"),
        (b'{"verb": 7}', "the request has no verb, or arguments that are no object"),
        (b'{"verb": "ping", "arguments": []}', "the request has no verb, or arguments"),
        (b'{"verb": "delete_vhost", "arguments": {"name": "no"}}', "there is no vhost 'no'"),
    ],
)
async def test_what_is_no_request_is_answered_and_the_next_one_is_heard(
    line: bytes, error: str, tmp_path: Path
) -> None:
    async with an_operator(tmp_path / "c") as operator:
        await operator.send(line + b"\n")
        answer = await operator.receive()
        assert str(answer["error"]).startswith(error)
        assert "result" in await operator.ask("ping")


async def test_a_request_without_an_end_is_not_kept(tmp_path: Path) -> None:
    async with an_operator(tmp_path / "c") as operator:
        await operator.send(b"x" * (LINE_BYTES_MAX + 1))
        assert await operator.receive() == {"error": "the request is too long"}
        await operator.expect_end()


async def test_a_bug_in_a_verb_is_logged_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with an_operator(tmp_path / "c") as operator:
        operator.server.broker.vhosts["/"].broker = None  # type: ignore[assignment]
        answer = await operator.ask("delete_vhost", name="/")
        assert answer == {"error": "a bug in the broker; its log says more"}
        assert "result" in await operator.ask("ping")

    assert sum(record.exc_info is not None for record in caplog.records) == 1


class SlowJournal(RecordJournal):
    """Nothing that it is told is safe yet."""

    told_number = 1

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        super().put(kind, key, record)
        self.demand_count += 1


async def test_an_answer_waits_until_what_was_changed_is_safe(tmp_path: Path) -> None:
    async with an_operator(tmp_path / "c") as operator:
        operator.server.broker.journal = SlowJournal()
        assert "result" in await operator.ask("ping")
        request = {"verb": "add_user", "arguments": {"name": "app"}}
        await operator.send(json.dumps(request).encode() + b"\n")
        await wait_all_tasks_blocked()
        (asker,) = operator.server.awaiting
        assert operator.server.awaiting[asker] == 1
        asker.answer()
        assert await operator.receive() == {"result": None}


async def test_the_log_names_verbs_and_no_arguments(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "amqpbroker")
    async with an_operator(tmp_path / "c") as operator:
        await operator.ask("add_user", name="hush", password_hash=None)

    assert "control socket: add_user" in caplog.text
    assert "hush" not in caplog.text


async def test_the_socket_is_for_its_user_alone_and_goes_with_the_broker(tmp_path: Path) -> None:
    path = tmp_path / "c"
    async with an_operator(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert not path.exists()


def test_it_is_for_its_user_alone_whatever_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        control = ControlSocket(str(tmp_path / "c"))
        assert os.umask(0) == 0
    finally:
        os.umask(mask)

    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o600
    control.close()


def test_what_a_broker_left_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    control = ControlSocket(str(path))
    control.close()

    assert not path.exists()


def test_a_socket_that_was_replaced_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    control = ControlSocket(str(path))
    path.unlink()
    path.write_text("somebody else's")

    control.close()

    assert path.exists()


@pytest.mark.parametrize("what", ["another broker", "a file", "a directory", "no directory"])
def test_a_socket_that_cannot_be_made_is_one_line(what: str, tmp_path: Path) -> None:
    path = tmp_path / "c"
    other: ControlSocket | None = None
    if what == "another broker":
        other = ControlSocket(str(path))
    elif what == "a file":
        path.write_text("precious")
    elif what == "a directory":
        path.mkdir()
    else:
        path = tmp_path / "no" / "c"

    with pytest.raises(ControlUnavailable, match="cannot make the control socket") as error:
        ControlSocket(str(path))

    assert "\n" not in str(error.value)
    assert what == "no directory" or path.exists()
    if other is not None:
        other.close()


def test_a_name_that_is_too_long_for_an_address_works_too(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    path = str(directory / "control.sock")

    control = ControlSocket(path)
    with short_path(path) as short, socket.socket(socket.AF_UNIX) as client:
        client.connect(short)
    control.close()

    assert list(directory.iterdir()) == []


def test_where_a_socket_is(tmp_path: Path) -> None:
    own, shared = str(tmp_path / "own"), str(tmp_path / "shared")

    assert in_data_directory("/var/lib/x") == "/var/lib/x/control.sock"
    assert in_runtime_directory(5672, {}) is None
    assert in_runtime_directory(7, {"XDG_RUNTIME_DIR": shared}) == f"{shared}/amqpbroker/7.control"
    both = {"XDG_RUNTIME_DIR": shared, "AMQPBROKER_RUNTIME_DIR": own}
    assert in_runtime_directory(7, both) == f"{own}/7.control"
    assert stat.S_IMODE(Path(own).stat().st_mode) == 0o700
    assert in_runtime_directory(7, {"AMQPBROKER_RUNTIME_DIR": "/proc/nowhere"}) is None


def test_the_sockets_of_running_brokers_are_found(tmp_path: Path) -> None:
    for name in ("5673.control", "5672.control", "default.json"):
        (tmp_path / name).touch()
    environment = {"AMQPBROKER_RUNTIME_DIR": str(tmp_path)}

    assert running_sockets(environment) == [
        f"{tmp_path}/5672.control",
        f"{tmp_path}/5673.control",
    ]
    assert running_sockets({}) == []
    assert running_sockets({"XDG_RUNTIME_DIR": str(tmp_path)}) == []
