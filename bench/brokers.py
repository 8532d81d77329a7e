"""The brokers in a run: ours, started here, and rivals that are there already.

A broker's process is known by its pid: ours because we started it, a rival's because it listens
on the port (or because the user says so).  Only such a process is measured or paused.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

import attrs

from bench import procfs
from bench.client import Address, Client
from bench.errors import BenchError

OUR_NAME = "amqpbroker"
#: Options with which our broker keeps on disk what is durable, syncs included.
ON_DISK = ("--data-dir", "{directory}")

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0
_DESCRIPTORS = 20_000
_READY = re.compile(r"\b(amqp://\S+)")
_PID_SUFFIX = re.compile(r"^(?P<url>.*),pid=(?P<pid>\d+)$")


@attrs.frozen
class Broker:
    """One contestant."""

    name: str
    address: Address
    #: None: not on this machine or not ours to see; then there is no CPU time and no memory
    pid: int | None
    may_pause: bool
    is_ours: bool = False

    def cpu_seconds(self) -> float | None:
        return None if self.pid is None else procfs.cpu_seconds(self.pid)

    def resident_mb(self) -> float | None:
        """Resident memory in MB of a million bytes."""
        return None if self.pid is None else procfs.resident_bytes(self.pid) / 1e6

    def require_descriptors(self, count: int) -> None:
        """Raise `BenchError` unless it can open so many more files.

        RabbitMQ does not survive running out of them (seen with 4.0.5: 1,000 connections under
        the usual limit of 1,024 ended its database), so no load may find that out by trying.
        """
        if self.pid is None:
            raise BenchError("its process is not known, so neither is how much it can bear")
        try:
            free_count = procfs.free_descriptors(self.pid)
        except OSError as error:
            raise BenchError(f"its limit on open files cannot be read: {error}") from error
        if free_count < count:
            raise BenchError(
                f"it may open {free_count} more files, {count} are needed: "
                "start it with a higher limit (ulimit -n)"
            )

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.may_pause and self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def find_rival(against: str, *, may_pause: bool) -> Broker:
    """Look at the broker that ``--against URL[,pid=N]`` names: its product, its process."""
    match = _PID_SUFFIX.match(against)
    address = Address.parse(match["url"] if match else against)
    with Client.connect(address) as client:
        product = client.product
    pid = int(match["pid"]) if match else _pid_behind(address)
    return Broker(product, address, pid, may_pause)


@contextlib.contextmanager
def our_broker(arguments: Sequence[str] = ()) -> Generator[Broker]:
    """Run ``amqpbroker serve`` on a free port, with further *arguments*.

    It runs with ``--memory``, unless `ON_DISK` is among them.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        log = Path(directory, "broker.log")
        filled = [argument.format(directory=f"{directory}/data") for argument in arguments]
        process = start_process(["--port", "0", *filled], log)
        broker: Broker | None = None
        try:
            address = Address.parse(_ready_url(process, log))
            broker = Broker(OUR_NAME, address, process.pid, may_pause=True, is_ours=True)
            yield broker
        finally:
            if broker is not None:
                broker.resume()
            stop_process(process)


def start_process(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start our broker; what it says goes to *log*.

    It is in a session of its own, so that Ctrl-C stops the run and the run stops the broker, and
    it may write .pyc files: compiling is not what is measured, after the first start.
    """
    store = () if ON_DISK[0] in arguments else ("--memory",)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "amqpbroker", "serve", *store, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Stop our broker by SIGTERM, by SIGKILL if that is not enough."""
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def allow_many_descriptors() -> None:
    """Let this process, and the brokers it starts from now on, open as many files as may be."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def only_awake(broker: Broker, brokers: Iterable[Broker]) -> Generator[None]:
    """Pause all *brokers* but this one (those that may be) and wake them again at the end."""
    waiting = [other for other in brokers if other is not broker]
    try:
        for other in waiting:
            other.pause()
        yield
    finally:
        for other in waiting:
            other.resume()


def _ready_url(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_at = time.monotonic() + _START_TIMEOUT_S
    while True:
        ended = process.poll() is not None
        said = log.read_text(errors="replace")
        if match := _READY.search(said):
            return match[1]
        if ended or time.monotonic() > give_up_at:
            raise BenchError(f"our broker did not start; it said:\n{said[-2_000:]}")
        time.sleep(0.005)


def _pid_behind(address: Address) -> int | None:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    numeric = [str(sockaddr[0]) for *_, sockaddr in found]
    pids = (procfs.listener_pid(address.port, ip) for ip in numeric if _is_local(ip))
    return next((pid for pid in pids if pid is not None), None)


def _is_local(ip: str) -> bool:
    """Only an address of this machine can be bound: another's port is not ours to look for."""
    with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True
