"""`amqpbroker doctor`: what a power cut now would keep and lose, in plain words."""

import argparse
import os
import sys
import time

from amqpbroker.cli.sources import WrongSetting, add_settings, choose, settings_of
from amqpbroker.server.run import default_data_dir

#: How often the disk is asked to sync.
_SYNC_COUNT = 20
_PROBE_NAME = "doctor.probe"
#: File systems on which another machine may have the last word.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}
)
_VOLATILE = frozenset({"tmpfs", "ramfs"})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = (
        "Say what a power cut now would keep and lose: how confirms wait for the disk, how long "
        "that takes, on which file system, and how much is free. Takes the options of 'serve', "
        "and goes by the same environment and configuration."
    )
    parser.add_argument("directory", metavar="DIR", nargs="?", help="as 'serve --data-dir'")
    add_settings(parser)


def run(values: argparse.Namespace) -> int:
    """Look, measure, and say it; the exit status is 1 when nothing can be kept there."""
    try:
        settings = settings_of(choose(values))
    except WrongSetting as error:
        print(f"amqpbroker doctor: {error}", file=sys.stderr)
        return 2
    path = values.directory or settings.data_dir or default_data_dir()
    if settings.is_in_memory and not values.directory:
        print("Everything is kept in memory (--memory): a power cut, or the end of the broker, ")
        print("loses every queue and every message.")
        return 0
    try:
        fsync_ms = sorted(measure_fsync_ms(_nearest(path)))
    except OSError as error:
        print(f"amqpbroker doctor: cannot write to {path}: {error.strerror}", file=sys.stderr)
        return 1
    middle_ms, worst_ms = fsync_ms[len(fsync_ms) // 2], fsync_ms[-1]
    file_system = file_system_of(path)
    status = os.statvfs(_nearest(path))
    free_bytes = status.f_bavail * status.f_frsize
    print(f"store          {path}{'' if os.path.isdir(path) else ' (not made yet)'}")  # noqa: PTH112
    print(f"file system    {file_system}, {free_bytes / 1024**3:.1f} GiB free")
    print(f"fsync          {'on' if settings.syncs else 'off'}")
    print(
        f"a sync takes   {middle_ms:.2f} ms, {worst_ms:.2f} ms at worst, of {len(fsync_ms)} tried"
    )
    print()
    for line in _verdict(settings.syncs, file_system, middle_ms):
        print(line)
    if free_bytes < settings.disk_free_limit_bytes:
        print("There is less free than --disk-free-limit asks for: publishers would have to wait.")
    return 0


def _nearest(path: str) -> str:
    """The directory, or the one above that is there: looking makes nothing."""
    path = os.path.realpath(path)
    while not os.path.exists(path):  # noqa: PTH110
        path = os.path.dirname(path)  # noqa: PTH120
    return path


def measure_fsync_ms(path: str) -> list[float]:
    """How long it takes to write 4 KiB and sync them, in milliseconds, several times."""
    probe = os.path.join(path, _PROBE_NAME)  # noqa: PTH118
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    taken_ms: list[float] = []
    try:
        for _ in range(_SYNC_COUNT):
            began = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            taken_ms.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
        os.unlink(probe)  # noqa: PTH108
    return taken_ms


def file_system_of(path: str) -> str:
    """The kind of file system that a path is on; "unknown" where that cannot be told."""
    real = os.path.realpath(path)
    best, kind = "", "unknown"
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:  # noqa: PTH123
            for line in mounts:
                _, point, one, *_ = line.split(" ")
                is_above = real == point or real.startswith(point.rstrip("/") + "/")
                if is_above and len(point) >= len(best):
                    best, kind = point, one
    except OSError:
        pass
    return kind


def _verdict(syncs: bool, file_system: str, sync_ms: float) -> list[str]:
    lines: list[str] = []
    if file_system in _VOLATILE:
        return [
            f"This is {file_system}: it is in memory. A killed broker loses nothing; a power cut,",
            "or a restart of the machine, loses everything. Give --data-dir a directory on a disk.",
        ]
    if syncs:
        lines += [
            "A power cut now keeps every message that was confirmed, every queue, exchange and",
            "binding that was answered, and every transaction that was committed. It loses what",
            "was under way: publishes not yet confirmed, and acks of the last moments, whose",
            "messages are delivered again, marked as redelivered.",
        ]
    else:
        lines += [
            "A power cut now loses what was confirmed in the last seconds, for fsync is off: a",
            "confirm says that the operating system has the message, not that the disk has it. A",
            "killed broker loses nothing. '--fsync on' waits for the disk.",
        ]
    lines.append(
        "It always loses transient messages, and queues that are not durable or exclusive."
    )
    if file_system in _NETWORK:
        lines.append(
            f"This is {file_system}, over a network: whether a sync means anything is up to the "
            "other side, and the lock against a second broker may not hold."
        )
    if syncs and sync_ms < 0.05:
        lines.append(
            f"A sync takes {sync_ms:.3f} ms: so fast is no disk without a protected cache. Either "
            "it has one, or it says that data is safe before it is."
        )
    elif syncs and sync_ms > 10:
        lines.append(
            f"A sync takes {sync_ms:.1f} ms: a publisher that waits for each confirm gets at most "
            f"{1000 / sync_ms:.0f} a second. Many that wait at the same time share one."
        )
    return lines
