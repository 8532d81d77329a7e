"""The test API over HTTP: requests in, the test kit, JSON out.

Only for tests on the same machine: it listens on 127.0.0.1 and asks for no login.  A web page that
is open in somebody's browser must not reach it, so requests must name this machine in `Host` and
have no `Origin`.

A thread of the standard library's HTTP server serves each connection, since requests wait for
messages; what they ask of the broker crosses over to its thread as all calls of the test kit do.
"""

import json
import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import trio

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.server.server import Server
from amqpbroker.spec.errors import AMQPException
from amqpbroker.testing.api_routes import routes
from amqpbroker.testing.api_table import Route, Values, WrongRequest, openapi
from amqpbroker.testing.journeys import JOURNEYS_MAX
from amqpbroker.testing.local_broker import LocalBroker
from amqpbroker.testing.served_broker import ServedBroker

logger = logging.getLogger("amqpbroker")

HOST: Final = "127.0.0.1"
#: The largest body of a request, in bytes.
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
#: How long a connection may say nothing, in seconds.
IDLE_SECONDS: Final = 60.0
_NAMES: Final = frozenset(("127.0.0.1", "localhost"))
_LOOK_SECONDS: Final = 0.05


class TestApi:
    """The API of one server.  `server.run.Beside`."""

    __test__ = False  # not for pytest

    def __init__(self, port: int, broker_port: int, journeys: int = JOURNEYS_MAX) -> None:
        """Take the port; 0 takes a free one.  Raises `OSError`.

        The broker is to be found at *broker_port*, and keeps so many messages' journeys.
        """
        self._http = _HttpServer((HOST, port), _Handler)
        self.port: int = self._http.server_address[1]
        self._broker_port = broker_port
        self._journeys = journeys

    async def __call__(
        self, server: Server, stop: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Serve as long as the server does."""
        self.serve(ServedBroker(server, HOST, self._broker_port, self._journeys))
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.close()

    def serve(self, broker: LocalBroker) -> None:
        """Serve the test kit of *broker* from now on."""
        self._http.broker = broker
        Thread(
            target=self._http.serve_forever, args=(_LOOK_SECONDS,), name="test API", daemon=True
        ).start()

    def close(self) -> None:
        """Take no more requests."""
        self._http.shutdown()
        self._http.server_close()


class _HttpServer(ThreadingHTTPServer):
    """Listens, and knows what is served."""

    daemon_threads = True
    broker: LocalBroker
    routes: list[Route]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.routes = routes()

    def server_bind(self) -> None:
        """Without asking for the machine's name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server: _HttpServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: standard error is the broker's log."""

    def _answer(self) -> None:
        try:
            body = self._read_body()
            self._check_origin()
            answer: object = self._perform(body)
            status = 200
        except WrongRequest as error:
            status, answer = error.status, {"error": str(error)}
        except TimeoutError as error:
            status, answer = 504, {"error": str(error)}
        except LookupError as error:
            status, answer = 404, {"error": str(error.args[0] if error.args else error)}
        except (ValueError, TypeError, OperatorError) as error:
            status, answer = 400, {"error": str(error)}
        except AMQPException as error:
            status, answer = 409, {"error": error.reply_text}
        except Exception:  # a bug of ours hurts the request that it hit
            logger.exception("a bug in the broker, in the test API: %s", self.requestline)
            status, answer = 500, {"error": "a bug in the broker: its log tells more"}
        data = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _read_body(self) -> bytes:
        text = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not text.isascii() or not text.isdigit():
            self.close_connection = True
            raise WrongRequest(411, "the body must have a Content-Length")
        length = int(text)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            raise WrongRequest(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
        return self.rfile.read(length)

    def _check_origin(self) -> None:
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in _NAMES or "Origin" in self.headers:
            raise WrongRequest(403, "this API is for tests on this machine, not for browsers")

    def _perform(self, body: bytes) -> object:
        target = urlsplit(self.path)
        parts = [unquote(part) for part in target.path.strip("/").split("/")]
        table = self.server.routes
        if (self.command, parts) == ("GET", ["openapi.json"]):
            return openapi(table)
        for route in table:
            named = route.matches(self.command, parts)
            if named is not None:
                given = _read_json(body) if route.has_body else _read_query(target.query)
                values: Values = {**route.checked(given), **named}
                return route.act(self.server.broker, values)
        raise WrongRequest(404, f"there is no {self.command} {target.path}: see /openapi.json")


def _read_json(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    try:
        given = json.loads(body)
    except ValueError:
        raise WrongRequest(400, "the body is not JSON") from None
    except RecursionError:
        raise WrongRequest(400, "the body is nested too deeply") from None
    if not isinstance(given, dict):
        raise WrongRequest(400, "the body must be a JSON object")
    return cast("dict[str, object]", given)


def _read_query(query: str) -> dict[str, object]:
    return dict(parse_qsl(query, keep_blank_values=True))
