"""The few calls by which the log reaches its directory, and their real implementation.

Everything that the log does to the world goes through `Disk` and `File`, so that a simulated disk
can lose what was not synced, tear the last write, fail, or fill up (`testing/simulated_disk.py`).

(K1) What `File.append` wrote is safe when a later `File.sync` has returned.  Before that, any part
     of it may be there after a power cut, and the rest may not.
(K2) A file that was made or removed is so for good when `Disk.sync` has returned.
(K3) After a failed `File.sync` nothing is known of what was appended since the last good one; it
     is not synced again (the kernel may have thrown it away, and say so only once).
"""

import fcntl
import os
from collections.abc import Sequence
from typing import Protocol


class StoreLocked(Exception):
    """Another broker has the directory open."""


class File(Protocol):
    """One file, which only grows."""

    @property
    def size_bytes(self) -> int:
        """Its length, what is not synced included."""
        ...

    def append(self, data: bytes) -> None:
        """Write behind all that is there; raises `OSError`, then some of it may be there."""
        ...

    def sync(self) -> None:
        """Make safe what was appended; raises `OSError`."""
        ...

    def read(self, position: int, byte_count: int) -> bytes:
        """Read; less than asked for at the end of the file."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut off the end."""
        ...

    def close(self) -> None:
        """Let go of the file; whoever reads from it at this moment still may."""
        ...


class Disk(Protocol):
    """One directory."""

    def names(self) -> Sequence[str]:
        """The files in it."""
        ...

    def open(self, name: str) -> File:
        """Open a file, which is made if it is not there."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; who has it open may go on reading."""
        ...

    def sync(self) -> None:
        """Make safe which files there are."""
        ...

    def free_bytes(self) -> int:
        """How much more could be written."""
        ...


class RealFile:
    """`File` of the operating system."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def append(self, data: bytes) -> None:
        """Write behind all that is there."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.size_bytes)
            self.size_bytes += written
            view = view[written:]

    def sync(self) -> None:
        """fdatasync."""
        os.fdatasync(self._descriptor)

    def read(self, position: int, byte_count: int) -> bytes:
        """Read at a position."""
        return os.pread(self._descriptor, byte_count, position)

    def truncate(self, size_bytes: int) -> None:
        """Cut off the end."""
        os.ftruncate(self._descriptor, size_bytes)
        self.size_bytes = size_bytes

    def close(self) -> None:
        """Close it when nobody holds the file any more."""

    def __del__(self) -> None:
        os.close(self._descriptor)


class RealDisk:
    """`Disk` of the operating system; it holds the directory's lock while it is there."""

    LOCK_NAME = "lock"

    def __init__(self, path: str, *, must_exist: bool = False) -> None:
        """Make the directory if need be, and lock it; raises `OSError` and `StoreLocked`."""
        self.path = path
        if not must_exist:
            os.makedirs(path, mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock = os.open(os.path.join(path, self.LOCK_NAME), flags, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StoreLocked(path) from None
        self._directory = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def names(self) -> Sequence[str]:
        """The files in it, but for the lock."""
        return [name for name in os.listdir(self.path) if name != self.LOCK_NAME]

    def open(self, name: str) -> RealFile:
        """Open a file."""
        return RealFile(os.path.join(self.path, name))

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(os.path.join(self.path, name))

    def sync(self) -> None:
        """fsync the directory."""
        os.fsync(self._directory)

    def free_bytes(self) -> int:
        """What the file system has left for us."""
        status = os.fstatvfs(self._directory)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Unlock the directory."""
        os.close(self._directory)
        os.close(self._lock)
