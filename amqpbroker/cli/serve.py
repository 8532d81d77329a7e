"""`amqpbroker serve`: open the port, load the rest, serve until told to stop.

The port is open before the broker's modules are loaded: clients that come early wait in the
listening socket's queue, and a port that is taken costs no start.
"""

import argparse
import errno
import gc
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from amqpbroker import __version__
from amqpbroker.cli import options
from amqpbroker.cli.main import fail
from amqpbroker.cli.sources import (
    DEFAULT,
    Chosen,
    WrongSetting,
    add_settings,
    choose,
    needing_a_restart,
    settings_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amqpbroker.management.at_start import DefinitionsAtStart
    from amqpbroker.server.control import ControlSocket
    from amqpbroker.server.run import Beside
    from amqpbroker.server.settings import Settings

_BACKLOG: Final = 1024
_EPILOG: Final = """\
examples:
  amqpbroker serve                          on amqp://guest:guest@127.0.0.1:5672/
  amqpbroker serve --port 0                 on any free port; the first line says which
  amqpbroker serve --memory                 keeps nothing when it ends
  amqpbroker serve --data-dir ./data        keeps durable queues and their messages there
  amqpbroker serve --memory-limit 512MiB    publishers wait when messages take more
  amqpbroker serve --config broker.toml     with the settings of a file
  amqpbroker serve --tls-cert server.pem --tls-key server-key.pem    also on amqps://...:5671/
  amqpbroker serve --definitions broker.json    with what a RabbitMQ has exported
  RABBITMQ_DEFAULT_USER=app RABBITMQ_DEFAULT_PASS=secret amqpbroker serve

Every option can be set as AMQPBROKER_<NAME>, with the dashes as underscores (AMQPBROKER_VHOST
takes several names, with commas between them), or in a TOML file, where its name is the key; the
variables of RabbitMQ's image work as well: RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS,
RABBITMQ_DEFAULT_VHOST and RABBITMQ_NODE_PORT. What is given as an option wins, then the
environment, then the file.

When the broker is ready, the first line on standard output ends with its URL, without the
password unless it is guest's, and with TLS another line with that URL; the last is what tools
made for RabbitMQ wait for. SIGHUP reads settings and certificates again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Run the broker until SIGTERM or Ctrl-C."
    parser.epilog = _EPILOG
    add_companions(parser)
    add_settings(parser)


def add_companions(parser: argparse.ArgumentParser) -> None:
    """Describe the options about what runs beside the broker."""
    group = parser.add_argument_group("for tests and scripts")
    group.add_argument(
        "--exit-with-parent", action="store_true",
        help="stop when the process that has started the broker ends",
    )  # fmt: skip
    group.add_argument(
        "--test-api", type=options.port, metavar="PORT",
        help="let tests hold the clock, make faults and look into the broker, over HTTP on "
        "127.0.0.1 without a login; 0 takes a free port (docs/test-api.md)",
    )  # fmt: skip
    group.add_argument(
        "--journeys", type=options.count, default=10_000, metavar="COUNT",
        help="with --test-api: of how many messages to tell what became of them (default: 10000)",
    )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Run the broker; the exit status."""
    parent_id = os.getppid()  # before anything takes time: later it may be another one
    try:
        chosen = choose(values)
    except WrongSetting as error:
        fail("amqpbroker serve", str(error))
    host, has_tls = cast("str", chosen["host"].value), bool(chosen["tls-cert"].value)
    port = cast("int | None", chosen["port"].value)
    tls_port = cast("int | None", chosen["tls-port"].value) if has_tls else None
    opening, listeners = port, list[socket.socket]()
    try:
        listeners = _listen(host, port)
        opening = tls_port
        tls_listeners = _listen(host, tls_port)
    except (OSError, UnicodeError) as error:
        print(f"amqpbroker: {_explain(error, host, opening)}", file=sys.stderr)
        for listener in listeners:
            listener.close()
        return 1
    gc.disable()  # loading makes much and drops nothing: saves 15 to 25 ms
    import attrs

    from amqpbroker.server import run as server
    from amqpbroker.server.control_path import ControlUnavailable
    from amqpbroker.server.tls import WrongCertificate

    gc.freeze()
    gc.enable()
    settings = attrs.evolve(
        settings_of(chosen), port=_port_of(listeners), tls_port=_port_of(tls_listeners)
    )
    definitions = None
    try:
        if settings.definitions_file:
            definitions = _read_definitions(settings, chosen)
            settings = definitions.settings
        server.run(
            settings,
            listeners,
            tls_listeners,
            ready_lines=_ready_lines(settings),
            beside=_beside(values, chosen, settings, parent_id),
            prepare=None if definitions is None else definitions.prepare,
        )
    except (
        WrongCertificate,
        ControlUnavailable,
        NoTestApi,
        server.StoreError,
        server.CannotStart,
    ) as error:
        for reason in _reasons(error):
            print(f"amqpbroker: {reason}", file=sys.stderr)
        for listener in (*listeners, *tls_listeners):
            listener.close()
        return 1
    return 0


def _reasons(error: Exception) -> Sequence[str]:
    """Why the broker does not start, a line each."""
    from amqpbroker.cli.store_trouble import explain
    from amqpbroker.server.run import CannotStart, StoreError

    if isinstance(error, CannotStart):
        return error.args
    return (explain(error) if isinstance(error, StoreError) else str(error),)


def _read_definitions(settings: "Settings", chosen: Mapping[str, Chosen]) -> "DefinitionsAtStart":
    """What the broker is to have from the start; raises `CannotStart`."""
    from amqpbroker.management.at_start import DefinitionsAtStart

    is_meant = chosen["default-user"].place != DEFAULT
    return DefinitionsAtStart(settings, is_default_user_meant=is_meant)


class NoTestApi(Exception):
    """A sentence on why the test API cannot be served."""


def _beside(
    values: argparse.Namespace,
    chosen: Mapping[str, Chosen],
    settings: "Settings",
    parent_id: int,
) -> "Iterator[Beside]":
    """What runs with the server, by the options that ask for it; raises `ControlUnavailable`.

    Asked for when the store is open: what is in its directory then is ours.
    """
    from amqpbroker.server.reload import ReloadOnHangup

    yield ReloadOnHangup(lambda: _read_again(values, chosen))
    port = settings.port or settings.tls_port or 0
    if (control := _control_socket(settings, port)) is not None:
        yield control
    if values.exit_with_parent:
        from amqpbroker.server.parent import StopWithParent

        yield StopWithParent(parent_id)
    if values.test_api is not None:
        from amqpbroker.testing.http_api import HOST, TestApi

        try:
            api = TestApi(values.test_api, port, values.journeys)
        except OSError as error:
            raise NoTestApi(_explain(error, HOST, values.test_api)) from None
        print(f"test API: http://{HOST}:{api.port}/", file=sys.stderr, flush=True)
        yield api


def _control_socket(settings: "Settings", port: int) -> "ControlSocket | None":
    """Where operators reach the broker.  Raises `ControlUnavailable` for a path that was given."""
    import logging

    from amqpbroker.server import control_path
    from amqpbroker.server.control import ControlSocket
    from amqpbroker.server.run import default_data_dir

    if settings.control_path:
        return ControlSocket(settings.control_path)
    if settings.is_in_memory:
        path = control_path.in_runtime_directory(port)
    else:
        path = control_path.in_data_directory(settings.data_dir or default_data_dir())
    try:
        return None if path is None else ControlSocket(path)
    except control_path.ControlUnavailable as error:
        logging.getLogger("amqpbroker").warning("%s", error)
        return None


def _read_again(values: argparse.Namespace, before: Mapping[str, Chosen]) -> "Settings":
    """The settings as they are now, for SIGHUP; raises `WrongSetting`."""
    import logging

    now = choose(values)
    for name in needing_a_restart(before, now):
        logging.getLogger("amqpbroker").warning("%s changes only with a restart", name)
    return settings_of(now)


def _port_of(listeners: Sequence[socket.socket]) -> int | None:
    return listeners[0].getsockname()[1] if listeners else None


def _listen(host: str, port: int | None) -> list[socket.socket]:
    """Listening sockets for every address of *host*; none without a port.

    With port 0 they share one.
    """
    listeners: list[socket.socket] = []
    if port is None:
        return listeners
    try:
        for family, kind, protocol, _, address in dict.fromkeys(
            socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            sock = socket.socket(family, kind, protocol)
            listeners.append(sock)
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taken = listeners[0].getsockname()[1] if len(listeners) > 1 else port
            sock.bind((address[0], taken, *address[2:]))
            sock.listen(_BACKLOG)
    except OSError:
        for sock in listeners:
            sock.close()
        raise
    return listeners


def _explain(error: OSError | UnicodeError, host: str, port: int | None) -> str:
    """Why the port cannot be had, and what to do."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"cannot listen on '{host}': no such address (--host takes a name or an IP address)"
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {host}:{port}: the port is taken (--port 0 takes a free one)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {host}:{port}: this machine does not have that address"
    if error.errno == errno.EACCES:
        return f"cannot listen on {host}:{port}: ports below 1024 are reserved"
    return f"cannot listen on {host}:{port}: {error.strerror or error}"


def _ready_lines(settings: "Settings") -> list[str]:
    from urllib.parse import quote  # loaded by then, and not before the port is open

    user, vhost_name = settings.default_user, settings.default_vhost
    login = "guest:guest" if settings.default_password == user == "guest" else quote(user, safe="")
    path = "" if vhost_name == "/" else quote(vhost_name, safe="")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host or "0.0.0.0"
    urls = [
        f"{scheme}://{login}@{host}:{port}/{path}"
        for scheme, port in (("amqp", settings.port), ("amqps", settings.tls_port))
        if port is not None
    ]
    return [
        f"amqpbroker {__version__} is ready: {urls[0]}",
        *(f"amqpbroker {__version__} is ready, with TLS: {url}" for url in urls[1:]),
        " Server startup complete",
    ]
