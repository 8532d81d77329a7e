"""What Linux tells about processes: who listens on a port, CPU time, resident memory.

Everything is read from ``/proc``; a test gives another directory instead.  A process that is gone
or may not be looked into is a `ProcessLookupError` or an absent answer, never a guess.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

PROC = Path("/proc")

_LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def listener_pid(port: int, address: str, proc: Path = PROC) -> int | None:
    """Find the process that accepts connections to *address* (numeric) and *port*.

    None if nobody listens there or the listener's descriptors may not be read (another user's).
    Of several processes that share the socket, the eldest is the server.
    """
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port, address, proc)}
    owners = (pid for pid in _pids(proc) if wanted & _open_files(proc / str(pid) / "fd"))
    return min(owners, default=None) if wanted else None


def cpu_seconds(pid: int, proc: Path = PROC) -> float:
    """User and system time of all threads of *pid* since it started, to a clock tick (10 ms)."""
    fields = _read(pid, "stat", proc).rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_bytes(pid: int, proc: Path = PROC) -> int:
    """Physical memory that *pid* holds now (VmRSS)."""
    match = re.search(r"^VmRSS:\s+(\d+) kB$", _read(pid, "status", proc), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0  # a dead process that was not yet waited for


def free_descriptors(pid: int, proc: Path = PROC) -> int:
    """How many more files and connections *pid* may open before its soft limit.

    Raises `PermissionError` for another user's process.
    """
    limits = _read(pid, "limits", proc)
    match = re.search(r"^Max open files\s+(\d+)\s", limits, re.MULTILINE)
    limit = int(match[1]) if match else sys.maxsize  # "unlimited"
    return limit - sum(1 for _ in (proc / str(pid) / "fd").iterdir())


@attrs.frozen
class Machine:
    """Where figures were measured: they mean nothing without it."""

    cpu: str
    core_count: int
    memory_mb: int
    system: str
    python: str

    @classmethod
    def here(cls, proc: Path = PROC) -> Machine:
        cpu = re.search(r"^model name\s*: (.+)$", (proc / "cpuinfo").read_text(), re.MULTILINE)
        memory = re.search(r"^MemTotal:\s+(\d+) kB$", (proc / "meminfo").read_text(), re.MULTILINE)
        return cls(
            cpu=cpu[1].strip() if cpu else platform.machine(),
            core_count=len(os.sched_getaffinity(0)),
            memory_mb=int(memory[1]) // 1024 if memory else 0,
            system=f"{platform.system()} {platform.release()}",
            python=f"{platform.python_implementation()} {platform.python_version()}",
        )


def _read(pid: int, name: str, proc: Path) -> str:
    try:
        return (proc / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(f"process {pid} is gone") from error


def _listening_inodes(port: int, address: str, proc: Path) -> Iterator[str]:
    target = ipaddress.ip_address(address)
    for table in ("tcp", "tcp6"):
        path = proc / "net" / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            raw_address, _, raw_port = fields[1].partition(":")
            if fields[3] != _LISTEN or int(raw_port, 16) != port:
                continue
            listening = _decode_address(raw_address)
            if listening == target or _accepts_any(listening, target):
                yield fields[9]


def _decode_address(raw: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Decode the kernel's hexadecimal: 32-bit words, each in host order (little-endian)."""
    words = (bytes.fromhex(raw[at : at + 8])[::-1] for at in range(0, len(raw), 8))
    decoded = ipaddress.ip_address(b"".join(words))
    mapped = decoded.ipv4_mapped if isinstance(decoded, ipaddress.IPv6Address) else None
    return mapped or decoded


def _accepts_any(
    listening: ipaddress.IPv4Address | ipaddress.IPv6Address,
    target: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> bool:
    """A socket on ``::`` takes IPv4 too, one on ``0.0.0.0`` only IPv4."""
    return listening.is_unspecified and (listening.version == 6 or target.version == 4)


def _pids(proc: Path) -> Iterator[int]:
    return (int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())


def _open_files(descriptors: Path) -> set[str]:
    found: set[str] = set()
    try:
        for descriptor in descriptors.iterdir():
            found.add(str(descriptor.readlink()))
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        pass  # it ended meanwhile, or is somebody else's: then it is not one that we may measure
    return found
