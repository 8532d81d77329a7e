"""A disk in memory that does its worst: it loses what was not synced, tears it, fails, fills up.

`Disk` of `storage/disk.py`.  Whatever may happen after a power cut there happens here by the dice
of a seed: of what was appended and not synced, each sector is there, is zeros, or is missing from
some point on; a file that was made or removed without a sync of the directory is there or not.
"""

import errno
import random
from collections.abc import Sequence

_SECTOR_BYTES = 512


class PowerCut(Exception):
    """The power went; nothing more happens on this disk."""


class _Content:
    """What a file holds, whatever its name."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)
        self.synced_bytes = len(data)

    def surviving(self, dice: random.Random) -> bytes:
        """What is there after a power cut."""
        synced, loose = bytes(self.data[: self.synced_bytes]), self.data[self.synced_bytes :]
        kept = bytearray(loose[: dice.randint(0, len(loose))] if dice.random() < 0.7 else loose)
        if dice.random() < 0.5:
            start = -self.synced_bytes % _SECTOR_BYTES
            for position in (0, *range(start, len(kept), _SECTOR_BYTES)):
                if dice.random() < 0.3:
                    end = min(position + _SECTOR_BYTES, len(kept))
                    kept[position:end] = bytes(end - position)
        return synced + bytes(kept)


class SimulatedFile:
    """`File` on a simulated disk."""

    def __init__(self, disk: "SimulatedDisk", content: _Content) -> None:
        self._disk = disk
        self._content = content

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return len(self._content.data)

    def append(self, data: bytes) -> None:
        """Write behind all that is there, or as much as the disk takes."""
        part = self._disk.part_that_fits(data)
        self._content.data += part
        self._disk.written_bytes += len(part)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        self._disk.step()

    def sync(self) -> None:
        """Make safe what was appended."""
        self._disk.step(is_sync=True)
        self._content.synced_bytes = len(self._content.data)

    def read(self, position: int, byte_count: int) -> bytes:
        """Read at a position."""
        return bytes(self._content.data[position : position + byte_count])

    def truncate(self, size_bytes: int) -> None:
        """Cut off the end."""
        self._disk.written_bytes -= len(self._content.data) - size_bytes
        del self._content.data[size_bytes:]
        self._content.synced_bytes = min(self._content.synced_bytes, size_bytes)

    def close(self) -> None:
        """Nothing."""

    def damage(self, position: int, data: bytes) -> None:
        """Write over what is there, as a disk that rots does."""
        self._content.data[position : position + len(data)] = data


class SimulatedDisk:
    """`Disk` whose power goes at a step, whose syncs fail from a step on, which has a size.

    A step is an append, a sync, or a file made or removed.
    """

    def __init__(
        self,
        *,
        cut_at_step: int | None = None,
        sync_fails_at_step: int | None = None,
        size_bytes: int = 1 << 40,
    ) -> None:
        self.cut_at_step = cut_at_step
        self.sync_fails_at_step = sync_fails_at_step
        self.size_bytes = size_bytes
        self.written_bytes = 0
        self.step_count = 0
        self.sync_count = 0
        self._contents: dict[str, _Content] = {}
        self._synced_names: dict[str, _Content] = {}

    def step(self, *, is_sync: bool = False) -> None:
        """Something is done to the disk; raises `PowerCut`, and `OSError` when a sync fails."""
        self.step_count += 1
        if self.cut_at_step is not None and self.step_count >= self.cut_at_step:
            raise PowerCut
        if is_sync:
            self.sync_count += 1
            if self.sync_fails_at_step is not None and self.step_count >= self.sync_fails_at_step:
                raise OSError(errno.EIO, "Input/output error")

    def part_that_fits(self, data: bytes) -> bytes:
        """As much of *data* as there is room for."""
        return data[: max(self.size_bytes - self.written_bytes, 0)]

    def names(self) -> Sequence[str]:
        """The files in it."""
        return list(self._contents)

    def open(self, name: str) -> SimulatedFile:
        """Open a file, or make it."""
        if name not in self._contents:
            self.step()
            self._contents[name] = _Content()
        return SimulatedFile(self, self._contents[name])

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.step()
        self.written_bytes -= len(self._contents.pop(name).data)

    def sync(self) -> None:
        """Make safe which files there are."""
        self.step(is_sync=True)
        self._synced_names = dict(self._contents)

    def free_bytes(self) -> int:
        """What is left of its size."""
        return max(self.size_bytes - self.written_bytes, 0)

    def after_power_cut(self, dice: random.Random) -> "SimulatedDisk":
        """The disk as the next process finds it."""
        found = SimulatedDisk(size_bytes=self.size_bytes)
        for name in sorted({*self._contents, *self._synced_names}):
            now, before = self._contents.get(name), self._synced_names.get(name)
            content = now if now is before or dice.random() < 0.5 else before
            if content is not None:
                data = content.surviving(dice)
                found._contents[name] = _Content(data)
                found.written_bytes += len(data)
        found._synced_names = dict(found._contents)
        return found
