"""A stand-in for the Docker daemon whose every container is the broker under test.

aio-pika's tests ask Docker for a RabbitMQ, by HTTP at ``DOCKER_HOST``.  This answers the few
requests that they make.  Where the broker is ours to start, a container is a broker process of
its own, which the tests may stop and kill; where it was given by its URL, a container is merely
that address, and a request to stop it says that this cannot be done.

    POST /images/create            -> 200            GET  /containers/ID/json -> 200, its port
    POST /containers/create        -> 201, an id     POST /containers/ID/exec -> 201, an id
    POST /containers/ID/start|kill -> 204            POST /exec/ID/start      -> 200, runs it
    DELETE /containers/ID          -> 204            GET  /exec/ID/json       -> 200, its status

Source: the Docker Engine API, as far as tests/docker_client.py of aio-pika uses it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import urlsplit

from attrs import define, field

from interop.broker import BrokerFailedError, OurBroker

_STATUS_CANNOT = 1
_NO_CONTENT = 204


class Container(Protocol):
    """What the stand-in asks of a broker that poses as a container."""

    @property
    def port(self) -> int: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...

    def control(self, command: Sequence[str]) -> int:
        """Do what rabbitmqctl would, and return its exit status."""
        ...

    def faults(self) -> list[str]: ...


@define(eq=False)
class OurContainer:
    """A broker process of ours, started when the container is."""

    broker: OurBroker

    @property
    def port(self) -> int:
        return self.broker.port

    def start(self) -> None:
        self.broker.start()

    def kill(self) -> None:
        self.broker.kill()

    def control(self, command: Sequence[str]) -> int:
        """Stop or start the broker, keeping its port, as ``stop_app`` and ``start_app`` do."""
        if list(command) == ["rabbitmqctl", "stop_app"]:
            self.broker.stop()
        elif list(command) == ["rabbitmqctl", "start_app"]:
            self.broker.start()
        else:
            return _STATUS_CANNOT
        return 0

    def faults(self) -> list[str]:
        return self.broker.faults()


@define
class GivenContainer:
    """The address of a broker that is not ours: it cannot be started or stopped."""

    port: int

    def start(self) -> None:
        """Nothing: it runs."""

    def kill(self) -> None:
        """Nothing: this is also how a test says that it needs it no longer."""

    def control(self, command: Sequence[str]) -> int:
        return _STATUS_CANNOT

    def faults(self) -> list[str]:
        return []


@define(eq=False)
class StandIn:
    """The stand-in's state: the containers and commands that it was asked for."""

    make_container: Callable[[], Container]
    closed_port: int  # of loopback, where nothing listens: for ports that the broker has not
    containers: dict[str, Container] = field(factory=dict[str, Container])  # {id: container}
    commands: dict[str, tuple[str, list[str]]] = field(factory=dict[str, tuple[str, list[str]]])
    statuses: dict[str, int] = field(factory=dict[str, int])  # {id of a command: exit status}
    faults: list[str] = field(factory=list[str])

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Carry out one request; return the HTTP status and what to send as JSON."""
        match [method, *path.strip("/").split("/")]:
            case ["POST", "images", "create"]:
                return 200, {}
            case ["POST", "containers", "create"]:
                return 201, {"Id": self._keep(self.containers, self.make_container())}
            case ["POST", "containers", container, "start"]:
                self.containers[container].start()
                return _NO_CONTENT, None
            case ["POST", "containers", container, "kill"]:
                self._kill(self.containers[container])
                return _NO_CONTENT, None
            case ["DELETE", "containers", container]:
                self._kill(self.containers.pop(container))
                return _NO_CONTENT, None
            case ["GET", "containers", container, "json"]:
                return 200, self._inspected(self.containers[container])
            case ["POST", "containers", container, "exec"]:
                return 201, {"Id": self._keep(self.commands, (container, body["Cmd"]))}
            case ["POST", "exec", command, "start"]:
                container, words = self.commands[command]
                self.statuses[command] = self.containers[container].control(words)
                return 200, {}
            case ["GET", "exec", command, "json"]:
                return 200, {"Running": False, "ExitCode": self.statuses[command]}
            case _:
                return 501, {"message": f"not part of this stand-in: {method} {path}"}

    def end(self) -> None:
        """End all containers that nobody removed."""
        for container in self.containers.values():
            self._kill(container)
        self.containers.clear()

    def _kill(self, container: Container) -> None:
        self.faults += [fault for fault in container.faults() if fault not in self.faults]
        container.kill()

    def _inspected(self, container: Container) -> dict[str, Any]:
        ports = {"5672/tcp": container.port, "5671/tcp": self.closed_port}
        bindings = {
            name: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for name, port in ports.items()
        }
        return {"NetworkSettings": {"Ports": bindings}}

    @staticmethod
    def _keep(shelf: dict[str, Any], thing: object) -> str:
        thing_id = uuid.uuid4().hex
        shelf[thing_id] = thing
        return thing_id


@contextmanager
def docker_stand_in(make_container: Callable[[], Container]) -> Generator[tuple[StandIn, str]]:
    """Run a stand-in until the block ends; gives it and the ``DOCKER_HOST`` that leads to it."""
    with socket.socket() as closed:
        # Bound and never listened on: connections are refused, and nobody else gets the port.
        closed.bind(("127.0.0.1", 0))
        stand_in = StandIn(make_container, closed.getsockname()[1])
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stand_in))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield stand_in, f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            stand_in.end()


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            try:
                status, content = stand_in.answer(
                    self.command, re.sub(r"^/v[0-9.]+", "", path), json.loads(body or b"{}")
                )
            except KeyError as error:
                status, content = 404, {"message": f"no {error}"}
            except BrokerFailedError as error:
                stand_in.faults.append(str(error))
                status, content = 500, {"message": str(error)}
            raw = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            if status != _NO_CONTENT:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet: the run prints what matters."""

    return Handler


def container_maker(url: str | None, options: Sequence[str] = ()) -> Callable[[], Container]:
    """Tell how containers are made: for the broker at *url*, or with brokers of ours."""
    if url is None:
        return lambda: OurContainer(OurBroker(tuple(options)))
    port = urlsplit(url).port or 5672
    return lambda: GivenContainer(port)
