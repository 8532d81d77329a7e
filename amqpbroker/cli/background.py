"""Brokers in the background: where they are noted, and how to tell whether they still run.

    DIR/NAME.json    {"pid": 4711, "began": 123456, "log": "DIR/NAME.log", "command": [...]}
    DIR/NAME.log     what the broker prints: its first line ends with the URL

DIR is `AMQPBROKER_RUNTIME_DIR`, else `amqpbroker` in `XDG_RUNTIME_DIR`, else a directory of the
user's in the system's for temporary files.  A process is known by its id *and* the time at which
it began, so that no stranger is ever taken for a broker, or stopped.
"""

import json
import os
import re
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

DEFAULT_NAME: Final = "default"
READY_LINE: Final = " Server startup complete"
#: How often to look whether a broker is ready, or gone, in seconds.
LOOK_SECONDS: Final = 0.01
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL: Final = re.compile(r"amqps?://\S+")
_LOG_BYTES_SHOWN: Final = 4096


class Trouble(Exception):
    """A sentence that says what is wrong, and what to do."""


class Started(NamedTuple):
    """A broker that was started, and may have ended since."""

    name: str
    pid: int
    began: str  # when, in the system's own words: with the id, it names one process
    log: Path

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return _began(self.pid) == self.began

    def printed(self) -> list[str]:
        """The first lines that it has printed."""
        try:
            with self.log.open("rb") as file:
                return file.read(_LOG_BYTES_SHOWN).decode("utf-8", "replace").splitlines()
        except OSError:
            return []

    @property
    def is_ready(self) -> bool:
        """Whether it has said that clients may come."""
        return READY_LINE in self.printed()

    @property
    def url(self) -> str | None:
        """Where it is; None until it has said so.

        With the vhost spelled out: some clients (Java's) take a URL that ends with a slash for
        one of the vhost without a name.
        """
        found = _URL.search("\n".join(self.printed()))
        if found is None:
            return None
        return f"{found[0]}%2F" if found[0].endswith("/") else found[0]

    def facts(self) -> dict[str, object]:
        """What a script wants to know, for JSON."""
        return {
            "name": self.name,
            "running": self.is_running,
            "ready": self.is_running and self.is_ready,
            "pid": self.pid,
            "url": self.url,
            "log": str(self.log),
        }

    def wait_until_ready(self, timeout_seconds: float) -> None:
        """Return when clients may come.  Raises `Trouble` when it ends before, or takes longer."""
        deadline = time.monotonic() + timeout_seconds
        while not self.is_ready:
            if not self.is_running:
                said = "\n".join(self.printed()[-3:]) or "it has said nothing"
                raise Trouble(f"the broker has ended at its start: {said}")
            if time.monotonic() > deadline:
                raise Trouble(
                    f"the broker is not ready after {timeout_seconds:g} s; it prints to {self.log}"
                )
            time.sleep(LOOK_SECONDS)

    def wait_until_gone(self, timeout_seconds: float) -> bool:
        """Whether it has ended within the time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True


def checked_name(name: str) -> str:
    """The name of a background broker.  Raises `Trouble`."""
    if _NAME.fullmatch(name) is None:
        raise Trouble(f"'{name}' is no name: up to 64 letters, digits, '.', '_' and '-'")
    return name


def runtime_directory() -> Path:
    """The directory, made if it is not there, and ours alone.  Raises `Trouble`."""
    given = os.environ.get("AMQPBROKER_RUNTIME_DIR")
    shared = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        directory = Path(given)
    elif shared:
        directory = Path(shared) / "amqpbroker"
    else:
        directory = Path(tempfile.gettempdir()) / f"amqpbroker-{os.getuid()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat(follow_symlinks=bool(given))
    except OSError as error:
        raise Trouble(f"cannot use {directory}: {error.strerror}") from None
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise Trouble(f"{directory} belongs to somebody else: set AMQPBROKER_RUNTIME_DIR")
    return directory


def find(name: str) -> Started | None:
    """The broker that was started under *name*, if one was.  Raises `Trouble`."""
    path = runtime_directory() / f"{checked_name(name)}.json"
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return Started(name, int(note["pid"]), str(note["began"]), Path(note["log"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise Trouble(f"{path} cannot be read: remove it") from None


def launch(name: str, command: list[str]) -> Started:
    """Start *command*, which is a broker, detached from us.  Raises `Trouble`."""
    directory = runtime_directory()
    log = directory / f"{name}.log"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise Trouble(f"cannot start the broker: {error.strerror} ({error.filename})") from None
    began = _began(process.pid)
    process.returncode = 0  # it is nobody's child from here on: no warning that it still runs
    started = Started(name, process.pid, began or "", log)
    note = {"pid": started.pid, "began": started.began, "log": str(log), "command": command}
    path = directory / f"{name}.json"
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(note) + "\n", encoding="utf-8")
    draft.replace(path)
    return started


def forget(started: Started) -> None:
    """Remove the note about a broker that has ended; its log stays."""
    (runtime_directory() / f"{started.name}.json").unlink(missing_ok=True)


def _began(pid: int) -> str | None:
    """When a process began; None when there is none of that id, or only its remains."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    fields = text.rpartition(")")[2].split()  # the name before may have anything in it
    return None if fields[0] in "ZX" else fields[19]
