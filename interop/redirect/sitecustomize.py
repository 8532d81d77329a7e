"""Sends connections for RabbitMQ's usual address to the broker under test.

pika's acceptance tests have 127.0.0.1:5672 written into them.  Python imports this file at its
start, in the tests' process and in those that they start, when its directory is in
``PYTHONPATH``; ``INTEROP_HOST`` and ``INTEROP_PORT`` say where the broker really is.  The
tests and the client stay as they are.
"""

from __future__ import annotations

import os
import socket
from typing import Any

_USUAL_HOSTS = {"127.0.0.1", "localhost"}
_USUAL_PORT = 5672
_broker = (os.environ["INTEROP_HOST"], int(os.environ["INTEROP_PORT"]))
_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _redirected(address: Any) -> Any:
    if isinstance(address, tuple) and address[1] == _USUAL_PORT and address[0] in _USUAL_HOSTS:
        return _broker
    return address


def _connect_to_broker(self: socket.socket, address: Any, /) -> None:
    _connect(self, _redirected(address))


def _connect_ex_to_broker(self: socket.socket, address: Any, /) -> int:
    return _connect_ex(self, _redirected(address))


socket.socket.connect = _connect_to_broker
socket.socket.connect_ex = _connect_ex_to_broker
