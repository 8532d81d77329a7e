"""A broker in a thread of this process, and a console to it for the test's own thread."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue

import trio

from amqpbroker.engine import administration
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import hashed_quickly
from amqpbroker.engine.policies import check_policy
from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.server.verbs import perform
from conformance.consoles import Arguments, Refused

LIMIT_S = 10.0


@contextmanager
def an_administered_broker() -> Generator[tuple[str, EngineConsole]]:
    """The URL of a broker, and a console to it, for the time of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(Settings(has_event_exchange=True), [listener])
    url = f"amqp://guest:guest@127.0.0.1:{listener.getsockname()[1]}/"
    stops: SimpleQueue[Callable[[], None]] = SimpleQueue()

    async def main() -> None:
        token, stop = trio.lowlevel.current_trio_token(), trio.Event()
        stops.put(lambda: token.run_sync_soon(stop.set))
        await server.run(stop)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    stop = stops.get(timeout=LIMIT_S)
    try:
        yield url, EngineConsole(server)
    finally:
        stop()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


class EngineConsole:
    """`conformance.consoles.Console`, straight to the engine."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def perform(self, verb: str, arguments: Arguments) -> None:
        """Have *verb* carried out between two rounds."""
        answers: SimpleQueue[Exception | None] = SimpleQueue()

        def call() -> None:
            self._server.broker.acting_user_name = "guest"
            try:
                if (other := OTHER_VERBS.get(verb)) is not None:
                    other(self._server.broker, arguments)
                else:
                    perform(self._server.broker, verb, _arguments(verb, arguments))
            except OperatorError as error:
                answers.put(Refused(str(error)))
            except Exception as bug:
                answers.put(bug)
                raise
            else:
                answers.put(None)

        self._server.reactor.call_soon_threadsafe(call)
        answer = answers.get(timeout=LIMIT_S)
        if answer is not None:
            raise answer


Verb = Callable[[Broker, Arguments], object]


def _arguments(verb: str, given: Arguments) -> dict[str, object]:
    """What a case says, in the words of the broker's own verbs."""
    arguments = {name: value for name, value in given.items() if value is not None}
    if verb == "add_user":
        password = arguments.pop("password")
        if password:
            arguments["password_hash"] = hashed_quickly(password, b"salt").text
        arguments["tags"] = list(filter(None, given["tags"].split(",")))
        arguments["may_replace"] = True
    return arguments


def _set_policy(broker: Broker, given: Arguments, *, is_operators: bool) -> None:
    policy = check_policy(
        given["name"],
        given["pattern"],
        given["definition"],
        apply_to=given["apply_to"],
        priority=given["priority"],
        is_operators=is_operators,
    )
    administration.set_policy(broker, given["vhost"], policy)


def _set_vhost_limit(broker: Broker, given: Arguments) -> None:
    name = given["vhost"]
    limits = _with_limit(broker.vhosts[name].limits, given)
    administration.set_vhost_limits(broker, name, limits)


def _set_user_limit(broker: Broker, given: Arguments) -> None:
    name = given["user"]
    limits = _with_limit(broker.user_limits.get(name, {}), given)
    administration.set_user_limits(broker, name, limits)


def _with_limit(limits: Mapping[str, object], given: Arguments) -> Mapping[str, object]:
    others = {name: value for name, value in limits.items() if name != given["limit"]}
    return {**others, given["limit"]: given["value"]} if "value" in given else others


#: {verb of `conformance.admin`: what it does}, where the broker has no verb of that name
OTHER_VERBS: Mapping[str, Verb] = {
    "set_policy": partial(_set_policy, is_operators=False),
    "set_operator_policy": partial(_set_policy, is_operators=True),
    "clear_policy": lambda broker, given: administration.clear_policy(
        broker, given["vhost"], given["name"]
    ),
    "clear_operator_policy": lambda broker, given: administration.clear_policy(
        broker, given["vhost"], given["name"], is_operators=True
    ),
    "set_vhost_limit": _set_vhost_limit,
    "clear_vhost_limit": _set_vhost_limit,
    "set_user_limit": _set_user_limit,
    "clear_user_limit": _set_user_limit,
    "trace_on": lambda broker, given: broker.trace_on(given["vhost"]),
    "trace_off": lambda broker, given: broker.trace_off(given["vhost"]),
}
