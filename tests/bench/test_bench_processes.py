"""Finding a broker's process in a ``/proc`` made for the purpose, and what it says of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import procfs
from bench.client import Address
from bench.errors import BenchError

# As the kernel writes it: addresses in words of host order, states 0A (listening) and 01.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0 0 111 1 0 100 0
   1: 0100007F:1628 0100007F:A000 01 00000000:00000000 00:00000000 00000000   0 0 222 1 0 100 0
   2: 00000000:1629 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0 0 333 1 0 100 0
   3: 0200007F:162A 00000000:0000 0A 00000000:00000000 00:00000000 00000000   0 0 444 1 0 100 0
"""
TCP6 = """\
  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode
 0: 00000000000000000000000000000000:162B 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 555
 1: 00000000000000000000000001000000:162C 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 666
 2: 0000000000000000FFFF00000100007F:162D 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 777
"""
STAT = "42 (a (name) b) S 1 42 42 0 -1 4194304 9 0 0 0 150 50 0 0 20 0 1 0 99 1 1 1"
SOCKETS = {40: [222], 41: [111, 333], 42: [444, 555], 43: [666, 777], 44: [111]}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "tcp6").write_text(TCP6)
    (tmp_path / "self").mkdir()
    for pid, inodes in SOCKETS.items():
        descriptors = tmp_path / str(pid) / "fd"
        descriptors.mkdir(parents=True)
        (descriptors / "0").symlink_to("/dev/null")
        for number, inode in enumerate(inodes, start=1):
            (descriptors / str(number)).symlink_to(f"socket:[{inode}]")
    return tmp_path


@pytest.mark.parametrize(
    ("port", "address", "expected"),
    [
        (5672, "127.0.0.1", 41),  # not 40, which only has a connection; not 44, which is younger
        (5673, "127.0.0.1", 41),  # listens on every address
        (5674, "127.0.0.1", None),  # 127.0.0.2 is another
        (5674, "127.0.0.2", 42),
        (5675, "127.0.0.1", 42),  # :: takes IPv4 too
        (5676, "::1", 43),
        (5677, "127.0.0.1", 43),  # an IPv4 address in an IPv6 socket
        (5673, "::1", None),  # 0.0.0.0 does not take IPv6
        (5678, "127.0.0.1", None),
    ],
)
def test_the_process_that_listens_is_found(
    proc: Path, port: int, address: str, expected: int | None
) -> None:
    assert procfs.listener_pid(port, address, proc) == expected


def test_cpu_time_is_user_and_system_time_whatever_the_process_is_called(proc: Path) -> None:
    (proc / "42" / "stat").write_text(STAT)

    assert procfs.cpu_seconds(42, proc) == 200 / os.sysconf("SC_CLK_TCK")


def test_resident_memory_is_in_bytes(proc: Path) -> None:
    (proc / "42" / "status").write_text("Name:\tx\nVmHWM:\t  99 kB\nVmRSS:\t    40 kB\n")

    assert procfs.resident_bytes(42, proc) == 40 * 1024


def test_free_descriptors_are_the_soft_limit_less_those_that_are_open(proc: Path) -> None:
    limits = "Limit Soft Limit Hard Limit Units\nMax open files            1024    20000    files\n"
    (proc / "42" / "limits").write_text(limits)

    assert procfs.free_descriptors(42, proc) == 1024 - 3


def test_a_process_that_is_gone_is_said_to_be(proc: Path) -> None:
    with pytest.raises(ProcessLookupError):
        procfs.cpu_seconds(99, proc)


def test_the_machine_is_described(proc: Path) -> None:
    (proc / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A processor \n")
    (proc / "meminfo").write_text("MemTotal:       2048000 kB\n")

    machine = procfs.Machine.here(proc)

    assert (machine.cpu, machine.memory_mb) == ("A processor", 2000)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://somewhere", Address("somewhere", 5672, "guest", "guest", "/")),
        ("amqp://u:p%40@h:5:/", None),
        ("amqp://u:p%40@h:5/", Address("h", 5, "u", "p@", "/")),
        ("amqp://h/a%2Fb", Address("h", 5672, "guest", "guest", "a/b")),
        ("amqp://[::1]:99", Address("::1", 99, "guest", "guest", "/")),
        ("amqps://h", None),
        ("h:5672", None),
    ],
)
def test_an_address_is_what_its_url_says(url: str, expected: Address | None) -> None:
    if expected is None:
        with pytest.raises(BenchError, match="not an AMQP URL"):
            Address.parse(url)
    else:
        assert Address.parse(url) == expected
