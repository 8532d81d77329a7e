"""Where a broker's control socket is.

--control PATH                      there
a data directory                    DIR/control.sock
in memory, AMQPBROKER_RUNTIME_DIR   DIR/PORT.control
in memory, XDG_RUNTIME_DIR          DIR/amqpbroker/PORT.control
in memory, and neither              nowhere
"""

import os
import stat
from collections.abc import Mapping
from typing import Final

NAME: Final = "control.sock"
_ENDING: Final = ".control"


class ControlUnavailable(OSError):
    """The socket cannot be made; why, in one line."""


def in_data_directory(directory: str) -> str:
    """The control socket of the broker with this data directory."""
    return os.path.join(directory, NAME)  # noqa: PTH118  # pathlib: 7 ms


def in_runtime_directory(port: int, environment: Mapping[str, str] = os.environ) -> str | None:
    """The control socket of a broker that keeps nothing; None when there is no place for it.

    The directory is made if it is not there, and is ours alone.
    """
    directory = _runtime_directory(environment)
    if directory is None:
        return None
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)  # noqa: PTH103
        found = os.stat(directory)  # noqa: PTH116
    except OSError:
        return None
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        return None
    return os.path.join(directory, f"{port}{_ENDING}")  # noqa: PTH118


def running_sockets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The control sockets in the runtime directory, in the order of their names."""
    directory = _runtime_directory(environment)
    try:
        names = sorted(os.listdir(directory)) if directory else []  # noqa: PTH208
    except OSError:
        return []
    assert directory is not None or not names
    return [
        os.path.join(str(directory), name)  # noqa: PTH118
        for name in names
        if name.endswith(_ENDING)
    ]


def _runtime_directory(environment: Mapping[str, str]) -> str | None:
    own, shared = environment.get("AMQPBROKER_RUNTIME_DIR"), environment.get("XDG_RUNTIME_DIR")
    if own:
        return own
    return os.path.join(shared, "amqpbroker") if shared else None  # noqa: PTH118
