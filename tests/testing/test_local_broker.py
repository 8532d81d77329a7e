"""The broker in the tests' own process: it is there at once, and nothing of it stays."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import trio
from kit_stage import a_client, declare

from amqpbroker.server.mailbox import ServerStopped
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.testing import LocalBroker, VHostHandle, async_broker, broker
from amqpbroker.testing.raw_client import RawConnection


def open_files() -> set[str]:
    entries = Path("/proc/self/fd").iterdir()
    return {str(entry.readlink()) for entry in entries if entry.is_symlink()}


def test_clients_use_it_by_its_url() -> None:
    with broker() as local, a_client(local) as channel:
        declare(channel, "jobs")
        channel.publish("", "jobs", b"hello")

        assert channel.get_all("jobs") == [b"hello"]


def test_it_listens_on_a_unix_socket_too(local: LocalBroker) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect(str(local.unix_path))
        client.sendall(PROTOCOL_HEADER)

        assert client.recv(1) == b"\x01"  # a method frame: connection.start


@pytest.mark.slow
def test_a_long_way_to_temporary_files_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    far = tmp_path / ("x" * 100)
    far.mkdir()
    program = """
from amqpbroker.testing import broker

with broker() as local:
    print(local.unix_path.is_socket())
print(local.unix_path.parent.exists())
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(far)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.stdout.split(), list(far.iterdir())) == (["True", "False"], []), run.stderr


def test_it_leaves_no_thread_socket_file_or_warning() -> None:
    threads, files = set(threading.enumerate()), open_files()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with broker() as local:
            with a_client(local) as channel:
                declare(channel, "jobs")
            assert local.unix_path.exists()
        gc.collect()

    assert set(threading.enumerate()) <= threads  # others may end meanwhile
    assert open_files() - files == set()
    assert not local.unix_path.parent.exists()


def test_a_client_that_is_still_there_is_told_320_and_not_waited_for() -> None:
    with broker() as local:
        connection = RawConnection.open(local.url)
    close = connection.expect(m.ConnectionClose)
    connection.drop()

    assert close.reply_code == 320


def test_two_of_them_do_not_know_each_other() -> None:
    with broker() as one, broker() as other:
        one.vhost().queue("jobs").declare()

        assert (list(one.vhost().queues), list(other.vhost().queues)) == (["jobs"], [])


def test_a_port_that_is_taken_is_said_at_once_and_leaves_nothing(local: LocalBroker) -> None:
    files = open_files()
    with pytest.raises(OSError, match="in use"):
        broker(port=local.port)
    gc.collect()

    assert open_files() - files == set()


def test_the_garbage_collector_stays_the_programs_own() -> None:
    with broker() as local, a_client(local):
        assert gc.isenabled()


def test_a_call_runs_in_the_brokers_thread_and_its_result_comes_back(local: LocalBroker) -> None:
    name = local.call(lambda first, last: threading.current_thread().name + first + last, "1", "2")

    assert name == "amqpbroker12"


def test_what_a_call_raises_is_the_callers(local: LocalBroker) -> None:
    with pytest.raises(ZeroDivisionError):
        local.call(lambda: 1 / 0)
    assert local.call(lambda: "still there") == "still there"


def test_a_call_within_a_call_is_made_at_once(local: LocalBroker) -> None:
    assert local.call(lambda: local.call(lambda: local.look(lambda: "inside"))) == "inside"


def test_after_the_end_a_call_says_that_it_is_over() -> None:
    with broker() as local:
        pass

    with pytest.raises(ServerStopped):
        local.call(lambda: None)
    assert repr(local).endswith("stopped>")


def test_who_waits_when_it_ends_is_told() -> None:
    errors: list[BaseException] = []
    with broker() as local:
        queue = local.vhost().queue("never")

        def wait() -> None:
            try:
                queue.wait_for(ready=1, timeout=60)
            except ServerStopped as error:
                errors.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        local.vhost().queue("other").declare()
    waiting.join()

    assert [str(error) for error in errors] == ["the broker has stopped"]


def test_a_broker_whose_loop_breaks_says_why() -> None:
    local = broker()

    async def break_down() -> None:
        raise SystemError("the loop is broken")

    local.call(trio.lowlevel.spawn_system_task, break_down)
    local.close()
    with pytest.raises(ServerStopped) as caught:
        local.call(lambda: None)

    assert isinstance(caught.value.__cause__, trio.TrioInternalError)


FORKING = """
import os, socket, sys
from amqpbroker.server.mailbox import ServerStopped
from amqpbroker.testing import broker

local = broker()
client = socket.create_connection(("127.0.0.1", local.port), timeout=10)
local.look(lambda: None)
ready, done = os.pipe(), os.pipe()
if os.fork() == 0:
    try:
        local.call(lambda: None)
    except ServerStopped:
        os.write(ready[1], b"stopped")
    os.read(done[0], 1)  # the child lives on, as long as the parent looks
    os._exit(0)
print(os.read(ready[0], 100).decode())
print(local.call(lambda: "the parent's is still there"))
local.close()
while client.recv(100):
    pass
try:
    socket.create_connection(("127.0.0.1", local.port), timeout=10)
except ConnectionRefusedError:
    print("and gone when it is closed")
os.write(done[1], b"x")
os.wait()
"""


@pytest.mark.slow
def test_a_forked_child_does_not_keep_it_open() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run.stdout.splitlines() == [
        "stopped",
        "the parent's is still there",
        "and gone when it is closed",
    ], run.stderr


def test_a_look_sees_what_was_written_before_it(local: LocalBroker, vhost: VHostHandle) -> None:
    with a_client(local, vhost.name) as channel:
        declare(channel, "jobs")
        for number in range(300):
            channel.publish("", "jobs", b"x" * 1000)
            if number % 100 == 99:
                assert vhost.queue("jobs").ready_count == number + 1


def test_a_vhost_is_made_and_gone_with_all_that_it_has(local: LocalBroker) -> None:
    with local.fresh_vhost() as vhost:
        assert local.vhost(vhost.name).url == vhost.url
        connection = RawConnection.open(vhost.url)
        vhost.queue("jobs").declare()
    close = connection.expect(m.ConnectionClose)
    connection.drop()

    assert close.reply_code == 320
    with pytest.raises(LookupError, match=rf"no vhost '{vhost.name}'; there are '/'"):
        local.vhost(vhost.name)


def test_a_fresh_vhost_may_be_deleted_by_the_test_itself(local: LocalBroker) -> None:
    with local.fresh_vhost() as vhost:
        vhost.delete()

    assert not local.call(lambda: vhost.name in local.engine.vhosts)


def test_a_url_names_any_vhost_and_user(local: LocalBroker) -> None:
    url = local.url_for("a/b", user="ä", password="p@ss")

    assert url == f"amqp://%C3%A4:p%40ss@127.0.0.1:{local.port}/a%2Fb"


def test_it_serves_code_under_asyncio() -> None:
    async def main() -> int:
        async with async_broker() as local:
            queue = local.vhost().queue("jobs").declare()

            async def publish_from_elsewhere() -> None:
                await asyncio.to_thread(queue.publish, b"hello")

            task = asyncio.create_task(publish_from_elsewhere())
            await queue.async_wait_for(ready=1)
            await local.async_settle()
            await task
            return queue.ready_count

    assert asyncio.run(main()) == 1


async def test_it_serves_code_under_trio() -> None:
    async with async_broker() as local, trio.open_nursery() as nursery:
        queue = local.vhost().queue("jobs").declare()
        nursery.start_soon(trio.to_thread.run_sync, queue.publish, b"hello")
        await queue.async_wait_for(ready=1)
        await local.async_settle()

        assert queue.ready_count == 1


async def test_who_stops_waiting_leaves_nothing_behind(local: LocalBroker) -> None:
    queue = local.vhost().queue("never")
    with trio.move_on_after(0.01) as scope:
        await queue.async_wait_for(ready=1, timeout=60)

    assert scope.cancelled_caught
    assert local.call(lambda: "still there") == "still there"
