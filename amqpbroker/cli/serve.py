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
from typing import TYPE_CHECKING, Final

from amqpbroker import __version__

if TYPE_CHECKING:
    from amqpbroker.server.settings import Settings

_BACKLOG: Final = 1024


def serve(values: argparse.Namespace) -> int:
    """Run the broker with the options of `cli/main.py`; the exit status."""
    try:
        listeners = _listen(values.host, values.port)
    except (OSError, UnicodeError) as error:
        print(f"amqpbroker: {_explain(error, values.host, values.port)}", file=sys.stderr)
        return 1
    gc.disable()  # loading makes much and drops nothing: saves 15 to 25 ms
    from amqpbroker.server.run import run
    from amqpbroker.server.settings import Settings

    gc.freeze()
    gc.enable()
    settings = Settings(
        host=values.host,
        port=listeners[0].getsockname()[1],
        memory_limit_bytes=values.memory_limit,
        message_bytes_max=values.max_message_size,
        has_express=values.express,
        default_user=values.default_user,
        default_password=values.default_password,
        vhost_names=tuple(dict.fromkeys((values.default_vhost, *filter(None, values.vhost)))),
    )
    run(settings, listeners, log_level=values.log_level, ready_lines=_ready_lines(settings))
    return 0


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of *host*; with port 0 they share one."""
    listeners: list[socket.socket] = []
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


def _explain(error: OSError | UnicodeError, host: str, port: int) -> str:
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

    user, vhost_name = settings.default_user, settings.vhost_names[0]
    login = "guest:guest" if settings.default_password == user == "guest" else quote(user, safe="")
    path = "" if vhost_name == "/" else quote(vhost_name, safe="")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host or "0.0.0.0"
    return [
        f"amqpbroker {__version__} is ready: amqp://{login}@{host}:{settings.port}/{path}",
        " Server startup complete",
    ]
