"""A broker behind a URL: ours in a process of its own, or anybody's.

Its process is watched as far as it is known: the memory that it takes, and its log.  The healthy
client is a process of its own too, so that what it measures is the broker and not this fuzzer.
"""

import errno
import re
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import trio

from amqpbroker.testing.fuzz.campaign import Problem
from amqpbroker.testing.fuzz.script import Login
from amqpbroker.testing.raw_client import ServerAddress

#: What the broker's process may take, in bytes.
MEMORY_BYTES_MAX: Final = 300 * 1024 * 1024
#: What a broker of ours is told to take at most, messages included.
_MEMORY_LIMIT: Final = "200MiB"
#: How often memory and log are looked at, in seconds.
_LOOK_SECONDS: Final = 0.25
#: After this long without a free port to connect from, the broker is not to be reached.
_CONNECT_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_MISTAKES: Final = re.compile(rb"^Traceback|a bug in the broker", re.MULTILINE)
_LOG_SHOWN_BYTES: Final = 4000


def check_url(url: str) -> None:
    """Raise `ValueError` unless *url* is one of a broker."""
    ServerAddress.of(url)


class RemoteBroker:
    """The broker, as `campaign.Target`."""

    def __init__(
        self, url: str, *, process_id: int | None = None, log_path: Path | None = None,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:  # fmt: skip
        """What is not known is not watched."""
        self.url = url
        self.process_id = process_id
        self._address = ServerAddress.of(url)
        self.login = Login(self._address.user, self._address.password, self._address.virtual_host)
        self._log_path = log_path
        self._log_position = log_path.stat().st_size if log_path is not None else 0
        self._memory_bytes_max = memory_bytes_max
        self.peak_bytes = 0
        self.trip_count = 0
        self.slowest_seconds = 0.0
        self._problems: list[Problem] = []

    @property
    def figures(self) -> str:
        """What was measured, as text."""
        memory = f"; the broker took up to {self.peak_bytes >> 20} MiB" if self.peak_bytes else ""
        return f"the longest took {self.slowest_seconds * 1000:.0f} ms{memory}"

    async def connect(self) -> socket.socket:
        """A TCP connection."""
        with trio.fail_after(_CONNECT_SECONDS):
            while True:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    await trio.socket.from_stdlib_socket(sock).connect(self._address[:2])
                except OSError as error:
                    sock.close()
                    if error.errno != errno.EADDRNOTAVAIL:
                        raise
                    await trio.sleep(1)  # too many connections are still being forgotten
                except BaseException:
                    sock.close()
                    raise
                else:
                    return sock

    def problems(self) -> list[Problem]:
        """What has gone wrong since the last call."""
        problems, self._problems = self._problems, []
        return problems

    def note(self, problem: Problem) -> None:
        """Something is wrong."""
        self._problems.append(problem)

    async def watch(self) -> None:
        """Look at memory and log for ever."""
        while True:
            self.look()
            await trio.sleep(_LOOK_SECONDS)

    def look(self) -> None:
        """Look at memory and log once."""
        if self.process_id is not None:
            self._look_at_memory(Path(f"/proc/{self.process_id}/status"))
        if self._log_path is not None:
            self._look_at_log(self._log_path)

    def _look_at_memory(self, status: Path) -> None:
        try:
            found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"))
        except OSError:
            found = None
        if found is None:
            self._problems.append(Problem(f"the broker's process {self.process_id} is gone"))
            self.process_id = None
            return
        taken_bytes = int(found[1]) * 1024
        self.peak_bytes = max(self.peak_bytes, taken_bytes)
        if taken_bytes > self._memory_bytes_max:
            taken, most = taken_bytes >> 20, self._memory_bytes_max >> 20
            self._problems.append(Problem(f"the broker takes {taken} MiB, and {most} is the most"))

    def _look_at_log(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._log_position)
            new = file.read()
        found = _MISTAKES.search(new)
        if found is None:
            self._log_position += new.rfind(b"\n") + 1
            return
        self._log_position += len(new)
        shown = new[max(found.start() - 500, 0) :][:_LOG_SHOWN_BYTES]
        self._problems.append(Problem(f"in the log: {shown.decode(errors='backslashreplace')}"))

    async def live(self, stop: trio.Event) -> None:
        """Let a client that does nothing wrong live until *stop*, in a process of its own."""
        command = [sys.executable, "-m", "amqpbroker.testing.fuzz.healthy", self.url]
        if self.process_id is not None:
            command.append(str(self.process_id))
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, process.stdout)
                await stop.wait()
                await process.stdin.aclose()
        finally:
            await _ended(process)

    async def _listen(self, stdout: trio.abc.ReceiveStream) -> None:
        text = b""
        async for data in stdout:
            *lines, text = (text + bytes(data)).split(b"\n")
            for line in lines:
                self._hear(*line.decode().split(" ", 1))

    def _hear(self, word: str, rest: str) -> None:
        if word == "slow":
            self.slowest_seconds = max(self.slowest_seconds, float(rest))
            ms = float(rest) * 1000
            text = f"a client that does nothing wrong had to wait for {ms:.0f} ms"
            self._problems.append(Problem(text, is_of_time=True))
        elif word == "lost":
            self._problems.append(Problem(rest))
        else:
            count, slowest = rest.split()
            self.trip_count += int(count)
            self.slowest_seconds = max(self.slowest_seconds, float(slowest))


@asynccontextmanager
async def a_broker_watched(broker: RemoteBroker) -> AsyncGenerator[RemoteBroker]:
    """Watch a broker, with a healthy client beside the block; what is wrong at the end counts."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.watch)
        async with trio.open_nursery() as clients:
            clients.start_soon(broker.live, stop)
            try:
                yield broker
            finally:
                stop.set()
        nursery.cancel_scope.cancel()
    broker.look()


@asynccontextmanager
async def an_own_broker(*, is_durable: bool = False) -> AsyncGenerator[RemoteBroker]:
    """`amqpbroker serve` on a free port, for the time of the block.

    One that is durable is started again at the end, on what the block has left.  Raises
    `RuntimeError` when it does not start.
    """
    with TemporaryDirectory(prefix="amqpbroker-fuzz-") as name:
        directory = Path(name)
        options = ("--data-dir", str(directory / "data")) if is_durable else ("--memory",)
        async with _served(directory, options) as broker:
            yield broker
        if is_durable:
            async with _served(directory, options) as again:
                again.look()
            for problem in again.problems():
                broker.note(problem)


@asynccontextmanager
async def _served(directory: Path, options: Sequence[str]) -> AsyncGenerator[RemoteBroker]:
    log_path = directory / "broker.log"
    with log_path.open("ab") as log:
        process = await trio.lowlevel.open_process(
            [
                sys.executable, "-m", "amqpbroker", "serve", "--port", "0",
                "--memory-limit", _MEMORY_LIMIT, *options,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            start_new_session=True,  # Ctrl-C is for the fuzzer
        )  # fmt: skip
    assert process.stdout is not None
    try:
        line = bytes(await process.stdout.receive_some())
        found = re.search(rb"amqp://\S+", line)
        if found is None:
            raise RuntimeError(f"the broker does not start: {log_path.read_text()}")
        broker = RemoteBroker(found[0].decode(), process_id=process.pid, log_path=log_path)
        yield broker
        process.terminate()
        with trio.move_on_after(_STOP_SECONDS, shield=True):
            await process.wait()
        broker.process_id = None
        broker.look()
    finally:
        await _ended(process)


async def _ended(process: trio.Process) -> None:
    """Make sure that a process is over."""
    process.kill()
    with trio.CancelScope(shield=True):
        await process.wait()
