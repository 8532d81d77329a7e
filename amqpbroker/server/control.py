"""The control socket: how an operator on this machine tells a running broker what to do.

A Unix socket with mode 0600: whoever may open it may do everything (`verbs.py`).  One JSON object
a line, an answer for each, in order:

    {"verb": "add_vhost", "arguments": {"name": "test"}}    ->  {"result": null}
    {"verb": "delete_vhost", "arguments": {"name": "no"}}   ->  {"error": "there is no vhost 'no'"}

A verb is carried out between two rounds of the reactor.  Its answer comes when what it changed is
safe; in the broker's log stands which verb it was, without its arguments.
"""

import logging
import os
import socket
import stat
from contextlib import suppress
from typing import Final, cast

import trio

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.ports import Json
from amqpbroker.server.control_path import ControlUnavailable
from amqpbroker.server.server import Server
from amqpbroker.server.unix_path import short_path
from amqpbroker.server.verbs import perform

logger = logging.getLogger("amqpbroker")

#: A longer request ends its connection, in bytes.
LINE_BYTES_MAX: Final = 1024 * 1024
#: How many operators may be connected at once; the next ones wait.
CONNECTIONS_MAX: Final = 16
_MODE: Final = 0o600


class ControlSocket:
    """Serves a control socket.  `run.Beside`."""

    def __init__(self, path: str) -> None:
        """Open it at *path*, where nothing may be but the socket of a broker that is gone.

        Raises `ControlUnavailable`.
        """
        self._path = path
        self._listener = bind(path)
        self._inode = os.stat(path).st_ino  # noqa: PTH116  # pathlib: 7 ms

    async def __call__(
        self, server: Server, stop: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Serve until cancelled; the socket is gone afterwards."""
        task_status.started()
        limit = trio.CapacityLimiter(CONNECTIONS_MAX)

        async def serve(stream: trio.SocketStream) -> None:
            async with limit:
                await _serve(server, stream)

        try:
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._listener))
            await trio.serve_listeners(serve, [listener])
        finally:
            self.close()

    def close(self) -> None:
        """Remove the socket, if it is still ours."""
        self._listener.close()
        with suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:  # noqa: PTH116
                os.unlink(self._path)  # noqa: PTH108


def bind(path: str) -> socket.socket:
    """A listening socket at *path*, for this user alone.  Raises `ControlUnavailable`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as short:
            _remove_stale(short, path)
            mask = os.umask(0o777 & ~_MODE)  # nobody else may connect, from the first moment on
            try:
                listener.bind(short)
            finally:
                os.umask(mask)
        listener.listen(CONNECTIONS_MAX)
    except OSError as error:
        listener.close()
        if isinstance(error, ControlUnavailable):
            raise
        reason = error.strerror or str(error)
        raise ControlUnavailable(f"cannot make the control socket {path}: {reason}") from None
    return listener


def _remove_stale(short: str, path: str) -> None:
    """Remove the socket of a broker that did not end in peace; nothing else."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(short)
        except FileNotFoundError:
            return
        except OSError as error:
            is_socket = stat.S_ISSOCK(os.lstat(short).st_mode)  # files refuse connections, too
            if isinstance(error, ConnectionRefusedError) and is_socket:
                os.unlink(short)  # noqa: PTH108
                return
            raise ControlUnavailable(
                f"cannot make the control socket {path}: something else is there"
            ) from None
    raise ControlUnavailable(f"cannot make the control socket {path}: a broker runs with it")


async def _serve(server: Server, stream: trio.SocketStream) -> None:
    """Answer one operator until it goes."""
    unread = bytearray()
    async with stream:
        with suppress(trio.BrokenResourceError):
            async for piece in stream:
                unread += piece
                while (end := unread.find(b"\n")) >= 0:
                    line = bytes(unread[:end])
                    del unread[: end + 1]
                    await stream.send_all(await _answer(server, line))
                if len(unread) > LINE_BYTES_MAX:
                    await stream.send_all(_written({"error": "the request is too long"}))
                    return


async def _answer(server: Server, line: bytes) -> bytes:
    try:
        verb, arguments = _read(line)
        return _written({"result": await _performed(server, verb, arguments)})
    except OperatorError as error:
        return _written({"error": str(error)})


def _read(line: bytes) -> tuple[str, dict[str, object]]:
    import json  # not before somebody asks: starting is a feature

    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise OperatorError("the request is not JSON") from None
    if not isinstance(request, dict):
        raise OperatorError("the request is no object")
    fields = cast("dict[str, object]", request)
    verb, arguments = fields.get("verb"), fields.get("arguments", {})
    if not isinstance(verb, str) or not isinstance(arguments, dict):
        raise OperatorError("the request has no verb, or arguments that are no object")
    return verb, cast("dict[str, object]", arguments)


class _Asker:
    """Waits until what was asked for is safe.  `house.Answering`."""

    def __init__(self) -> None:
        self.done = trio.Event()

    def answer(self) -> None:
        """It is."""
        self.done.set()


async def _performed(server: Server, verb: str, arguments: dict[str, object]) -> Json:
    """Have the verb carried out in the reactor's next round; what it answers, or raises."""
    asker, journal = _Asker(), server.broker.journal
    results: list[Json] = []
    failures: list[Exception] = []

    def call() -> None:
        demand_count = journal.demand_count
        try:
            results.append(perform(server.broker, verb, arguments))
        except OperatorError as error:
            failures.append(error)
        except Exception:
            failures.append(OperatorError("a bug in the broker; its log says more"))
            raise
        finally:
            if journal.demand_count != demand_count and journal.told_number > journal.safe_number:
                server.awaiting[asker] = journal.told_number
            else:
                asker.answer()

    server.reactor.call_soon_threadsafe(call)
    await asker.done.wait()
    if failures:
        raise failures[0]
    logger.info("control socket: %s", verb)
    return results[0]


def _written(answer: dict[str, Json]) -> bytes:
    import json

    return json.dumps(answer).encode() + b"\n"
