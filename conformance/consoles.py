"""How a broker is administered from outside: one verb at a time, with arguments by name.

A real RabbitMQ has a management plugin with an HTTP API (`ManagementConsole`).  The verbs are those
of `conformance.admin`; each console says what a verb is called where it goes.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

TIME_LIMIT_S = 15.0
"""How long a RabbitMQ may take to answer; making a vhost takes it up to a second."""

_WRAPPED = re.compile(r"\n +")

Arguments = Mapping[str, Any]
"""{name of an argument: a value that JSON knows}"""


class Refused(AssertionError):
    """The broker will not do what it was told.  Its words are the exception's text."""


class Console(Protocol):
    """A way to a broker for who administers it."""

    def perform(self, verb: str, arguments: Arguments) -> None:
        """Have *verb* carried out.  Raises `Refused` with the broker's words, `OSError`."""
        ...


class ManagementConsole:
    """The HTTP API of RabbitMQ's management plugin.

    The user of *url*, by default guest, must be an administrator.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"not an http:// URL: {url}")
        self._host, self._port = parts.hostname, parts.port or 15672
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        self._login = base64.b64encode(f"{user}:{password}".encode()).decode()

    def perform(self, verb: str, arguments: Arguments) -> None:
        """Make the request that *verb* means."""
        method, path, body = _REQUESTS[verb](arguments)
        connection = HTTPConnection(self._host, self._port, timeout=TIME_LIMIT_S)
        try:
            connection.request(
                method,
                "/api/" + "/".join(quote(part, safe="") for part in path),
                None if body is None else json.dumps(body),
                {"authorization": f"Basic {self._login}", "content-type": "application/json"},
            )
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(_reason(answer) or f"{response.status} {response.reason}")


def _reason(answer: str) -> str:
    """Why the API refused: RabbitMQ's own words, on one line; policies' are escaped for HTML.

    Terms that Erlang wrapped at column 80 are put together again, as in `wording.reply_text`.
    """
    try:
        reason: str = json.loads(answer)["reason"]
    except (ValueError, KeyError):
        return ""
    words = html.unescape(reason).removeprefix("Validation failed\n\n")
    return "; ".join(_WRAPPED.sub("", words).strip().split("\n"))


Request = tuple[str, tuple[str, ...], object]  # method, path, body or None


def _set_policy(kind: str) -> Callable[[Arguments], Request]:
    def request(given: Arguments) -> Request:
        body = {
            "pattern": given["pattern"],
            "definition": given["definition"],
            "apply-to": given["apply_to"],
            "priority": given["priority"],
        }
        return "PUT", (kind, given["vhost"], given["name"]), body

    return request


def _clear_policy(kind: str) -> Callable[[Arguments], Request]:
    return lambda given: ("DELETE", (kind, given["vhost"], given["name"]), None)


def _add_vhost(given: Arguments) -> Request:
    body = {key: value for key, value in given.items() if key != "name" and value is not None}
    return "PUT", ("vhosts", given["name"]), body


def _set_permissions(given: Arguments) -> Request:
    body = {key: given[key] for key in ("configure", "write", "read")}
    return "PUT", ("permissions", given["vhost"], given["user"]), body


def _set_topic_permissions(given: Arguments) -> Request:
    body = {key: given[key] for key in ("exchange", "write", "read")}
    return "PUT", ("topic-permissions", given["vhost"], given["user"]), body


def _trace(active: bool) -> Callable[[Arguments], Request]:
    return lambda given: ("PUT", ("vhosts", given["vhost"]), {"tracing": active})


_REQUESTS: Mapping[str, Callable[[Arguments], Request]] = {
    "add_vhost": _add_vhost,
    "delete_vhost": lambda given: ("DELETE", ("vhosts", given["name"]), None),
    "add_user": lambda given: (
        "PUT",
        ("users", given["name"]),
        {"password": given["password"], "tags": given["tags"]},
    ),
    "delete_user": lambda given: ("DELETE", ("users", given["name"]), None),
    "set_permissions": _set_permissions,
    "clear_permissions": lambda given: (
        "DELETE",
        ("permissions", given["vhost"], given["user"]),
        None,
    ),
    "set_topic_permissions": _set_topic_permissions,
    "clear_topic_permissions": lambda given: (
        "DELETE",
        ("topic-permissions", given["vhost"], given["user"]),
        None,
    ),
    "set_policy": _set_policy("policies"),
    "clear_policy": _clear_policy("policies"),
    "set_operator_policy": _set_policy("operator-policies"),
    "clear_operator_policy": _clear_policy("operator-policies"),
    "set_vhost_limit": lambda given: (
        "PUT",
        ("vhost-limits", given["vhost"], given["limit"]),
        {"value": given["value"]},
    ),
    "clear_vhost_limit": lambda given: (
        "DELETE",
        ("vhost-limits", given["vhost"], given["limit"]),
        None,
    ),
    "set_user_limit": lambda given: (
        "PUT",
        ("user-limits", given["user"], given["limit"]),
        {"value": given["value"]},
    ),
    "clear_user_limit": lambda given: (
        "DELETE",
        ("user-limits", given["user"], given["limit"]),
        None,
    ),
    "trace_on": _trace(active=True),
    "trace_off": _trace(active=False),
}
