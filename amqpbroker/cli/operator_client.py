"""How commands reach a broker: over its control socket, or in its data directory when none runs.

    --control PATH, AMQPBROKER_CONTROL      this socket
    --data-dir DIR, AMQPBROKER_DATA_DIR     the socket in this directory, else the directory itself
    neither                                 the only broker that runs (`control_path.py`)

Passwords are hashed here: the broker is told the hash.
"""

import argparse
import getpass
import json
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from amqpbroker.cli.main import fail
from amqpbroker.engine import passwords
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.server.control_path import in_data_directory, running_sockets
from amqpbroker.server.run import default_data_dir
from amqpbroker.server.unix_path import short_path

#: How long a broker may take to answer, in seconds; deleting a large vhost takes a while.
ANSWER_SECONDS: Final = 60.0


class Trouble(Exception):
    """A sentence that says what is wrong, and what to do."""


class Operable(Protocol):
    """A broker that can be told what to do."""

    def perform(self, verb: str, arguments: Mapping[str, object]) -> Any:
        """Have a verb carried out; its answer.  Raises `OperatorError`, `Trouble`."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class ControlClient:
    """A broker's control socket.  Raises `Trouble` when there is none."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            with short_path(path) as short:
                self._socket.connect(short)
        except OSError as error:
            self._socket.close()
            raise Trouble(f"no broker answers at {path}: {error.strerror}") from None
        self._file = self._socket.makefile("rb")

    def perform(self, verb: str, arguments: Mapping[str, object]) -> Any:
        """Have a verb carried out; its answer.  Raises `OperatorError`, `Trouble`."""
        request = {"verb": verb, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            line = self._file.readline()
        except OSError as error:
            raise Trouble(f"the broker does not answer: {error.strerror or error}") from None
        if not line:
            raise Trouble("the broker has gone, and has not answered")
        answer = json.loads(line)
        if "error" in answer:
            raise OperatorError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()


def add_target(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which broker it is about."""
    parser.add_argument(
        "--control", metavar="PATH", help="the control socket of the broker that is meant"
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="the data directory of the broker that is meant"
    )


def connect(values: argparse.Namespace) -> Operable:
    """The broker that is meant.  Raises `Trouble`."""
    control = values.control or os.environ.get("AMQPBROKER_CONTROL")
    if control:
        return ControlClient(control)
    directory = values.data_dir or os.environ.get("AMQPBROKER_DATA_DIR")
    if directory:
        return _in_directory(directory)
    sockets, usual = running_sockets(), default_data_dir()
    if not sockets and os.path.isdir(usual):  # noqa: PTH112
        return _in_directory(usual)
    if not sockets:
        raise Trouble("no broker runs (--control and --data-dir say where one is)")
    if len(sockets) > 1:
        raise Trouble(f"several brokers run, choose one: --control {' or '.join(sockets)}")
    return ControlClient(sockets[0])


def _in_directory(directory: str) -> Operable:
    """The broker with this data directory, whether it runs or not.  Raises `Trouble`."""
    try:
        return ControlClient(in_data_directory(directory))
    except Trouble:
        from amqpbroker.cli.stopped_broker import NoStore, StoppedBroker

        try:
            return StoppedBroker(directory)
        except NoStore as error:
            raise Trouble(str(error)) from None


def run_action(
    command: str, values: argparse.Namespace, act: Callable[[Operable, Any], None]
) -> int:
    """Do *act* with the broker that is meant; the exit status."""
    try:
        client = connect(values)
        try:
            act(client, values)
        finally:
            client.close()
    except (Trouble, OperatorError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    return 0


def read_password(command: str) -> str:
    """A new password: asked for twice, or the first line of what is piped in."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        password = line.removesuffix("\n").removesuffix("\r")
        if not password:
            fail(command, "no password came on standard input")
        return password
    try:
        password = getpass.getpass("Password: ")
        is_same = password == getpass.getpass("Once more: ")
    except EOFError:
        fail(command, "no password was given")
    if not is_same:
        fail(command, "the two passwords are not the same")
    return password


def hashed_password(command: str) -> str:
    """The hash of a new password, as text."""
    try:
        return passwords.hashed(
            read_password(command), secrets.token_bytes(passwords.SALT_BYTES)
        ).text
    except OperatorError as error:
        fail(command, str(error))


def print_table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print rows in columns; names that clients or operators chose are made printable."""
    shown = [headings, *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print("  ".join(map(str.ljust, row, widths)).rstrip())


def printable(text: str) -> str:
    """A text without what a terminal would obey."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def rows_of(answer: object) -> list[dict[str, Any]]:
    """A list of objects that a broker has answered."""
    return cast("list[dict[str, Any]]", answer)
