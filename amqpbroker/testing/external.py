"""Another broker than ours, against which the same tests run: `pytest --amqp-url`.

Of that one only the URL of a vhost is known.  With the URL of its management API each test has a
vhost of its own there as well; without, all share the one that the URL names.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from itertools import count
from os import getpid
from typing import Final, NoReturn
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import pytest

_TIMEOUT_SECONDS: Final = 10.0
_numbers = count(1)


class ExternalVHost:
    """A vhost of a broker that is not ours: it has a name and a URL, and no more is known."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = unquote(urlsplit(url).path[1:]) or "/"

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        pytest.skip(f"amqp_vhost.{name} looks into our own broker, and --amqp-url names another")


@contextmanager
def external_vhost(url: str, management_url: str | None) -> Generator[ExternalVHost]:
    """The vhost of *url*, or with a management API a new one for the time of the block."""
    if management_url is None:
        yield ExternalVHost(url)
        return
    name = f"test-{getpid()}-{next(_numbers)}"
    parts = urlsplit(url)
    user_name = unquote(parts.username or "guest")
    path = quote(name, safe="")
    _request(management_url, "PUT", f"/api/vhosts/{path}")
    try:
        permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        user_path = quote(user_name, safe="")
        _request(management_url, "PUT", f"/api/permissions/{path}/{user_path}", permissions)
        yield ExternalVHost(urlunsplit(parts._replace(path=f"/{path}")))
    finally:
        _request(management_url, "DELETE", f"/api/vhosts/{path}")


def _request(management_url: str, verb: str, path: str, body: object = None) -> None:
    """Ask the management API; raises `RuntimeError` for anything but success."""
    from base64 import b64encode

    parts = urlsplit(management_url)
    login = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(
            verb,
            parts.path.rstrip("/") + path,
            None if body is None else json.dumps(body),
            {
                "Authorization": f"Basic {b64encode(login.encode()).decode()}",
                "Content-Type": "application/json",
            },
        )
        response = connection.getresponse()
        if response.status >= 300:
            raise RuntimeError(
                f"--amqp-management: {verb} {path} was answered {response.status} "
                f"{response.reason}: {response.read(500).decode(errors='replace')}"
            )
    finally:
        connection.close()
