"""What a case is given: a broker to talk to, and a dialogue that writes everything down.

A case asks for a channel (`channel`), a connection (`connect`) or a TCP connection on which
nothing has been said yet (`dial`).  Handshakes and opened channels are not written down, except
with `dial`.  With `own_vhost` it moves to a vhost of its own, and `admin` is how it administers the
broker.  Names come from `queue` and `exchange`: they are the case's own, and what they name
is deleted when the case is over, so that a broker can be used again.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import AbstractContextManager
from urllib.parse import quote

from amqpbroker.spec.methods import (
    ConnectionClose,
    ConnectionCloseOk,
    ExchangeDeclare,
    ExchangeDeclareOk,
    ExchangeDelete,
    QueueDelete,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import CAPABILITIES, RawConnection, ServerAddress
from amqpbroker.testing.raw_events import Closed, Event, MethodReceived, NothingCame, Unexpected
from conformance.admin import Admin
from conformance.consoles import Console
from conformance.dialogue import Dialogue, Voice

SILENCE_LIMIT_S = 15.0
"""RabbitMQ lets 3 s pass after a handshake that failed, and gives 10 s for it to succeed."""


class Peer:
    """A broker, as one case sees it."""

    def __init__(
        self, url: str, case_name: str, *, time_limit_s: float, console: Console | None = None
    ) -> None:
        self.url = url  # where `connect` and `dial` go
        self.case_name = case_name
        self.time_limit_s = time_limit_s
        self._name_ending = (
            f"-{hashlib.sha1(case_name.encode(), usedforsecurity=False).hexdigest()[:6]}"
        )
        self.dialogue = Dialogue(self._name_ending)
        self.connections: list[RawConnection] = []
        self._janitor = Janitor(url, time_limit_s)
        self._default: RawConnection | None = None
        self._admin = Admin(console, self.dialogue, self._name_ending) if console else None

    # Administering

    @property
    def admin(self) -> Admin:
        """How the broker is administered; only for cases that need ``admin``."""
        assert self._admin is not None, "there is no way to administer this broker"
        return self._admin

    def own_vhost(self, word: str = "v", *, default_queue_type: str | None = None) -> str:
        """The name of a new vhost, in which everything takes place from now on."""
        user = ServerAddress.of(self.url).user
        with self.quiet():
            vhost = self.admin.add_vhost(word, default_queue_type=default_queue_type)
            self.admin.vhost_name = vhost
            self.admin.set_permissions(user)
        self.url = self.url_of(vhost=vhost)
        return vhost

    def url_of(
        self, user: str | None = None, *, password: str = "secret", vhost: str | None = None
    ) -> str:
        """The broker's URL for another user, or another vhost."""
        here = ServerAddress.of(self.url)
        login = f"{here.user}:{here.password}" if user is None else f"{user}:{password}"
        path = quote(here.virtual_host if vhost is None else vhost, safe="")
        return f"amqp://{login}@{here.host}:{here.port}/{path}"

    # Names

    def name(self, word: str) -> str:
        """A name that no other case uses; the dialogue shows *word* only."""
        return word + self._name_ending

    def queue(self, word: str = "q") -> str:
        """The name of a queue, which is deleted when the case is over."""
        name = self.name(word)
        self._janitor.remove_later(QueueDelete(queue=name))
        return name

    def exchange(self, word: str = "x") -> str:
        """The name of an exchange, which is deleted when the case is over."""
        name = self.name(word)
        self._janitor.remove_later(ExchangeDelete(exchange=name))
        return name

    # Connections

    def dial(self, url: str | None = None) -> RawConnection:
        """A TCP connection; everything from the first byte on is written down."""
        voice = Voice(self.dialogue, len(self.connections) + 1)
        connection = RawConnection(url or self.url, time_limit_s=self.time_limit_s, observer=voice)
        self.connections.append(connection)
        return connection

    def connect(
        self,
        url: str | None = None,
        *,
        capabilities: tuple[str, ...] = CAPABILITIES,
        channel_max: int | None = None,
        frame_max: int | None = None,
        heartbeat: int = 0,
    ) -> RawConnection:
        """An open connection; the handshake is not written down."""
        voice = Voice(self.dialogue, len(self.connections) + 1)
        with self.dialogue.quiet():
            connection = RawConnection.open(
                url or self.url,
                time_limit_s=self.time_limit_s,
                observer=voice,
                capabilities=capabilities,
                channel_max=channel_max,
                frame_max=frame_max,
                heartbeat=heartbeat,
            )
        self.connections.append(connection)
        return connection

    def channel(self, connection: RawConnection | None = None) -> RawChannel:
        """An open channel, of the case's default connection unless one is given."""
        if connection is None:
            connection = self._default = self._default or self.connect()
        with self.dialogue.quiet():
            return connection.channel()

    # The dialogue

    def quiet(self) -> AbstractContextManager[None]:
        """Write nothing down inside the block: a preparation that proves nothing."""
        return self.dialogue.quiet()

    def any_order(self) -> AbstractContextManager[None]:
        """Write down sorted what the server says inside the block: its order is open."""
        return self.dialogue.any_order()

    def note(self, text: str) -> None:
        """Leave a remark for the reader of the dialogue."""
        self.dialogue.note(text)

    def expect_silent_close(
        self, connection: RawConnection, *, time_limit_s: float = SILENCE_LIMIT_S
    ) -> None:
        """See the server end the TCP connection without a word; write down after how long."""
        started = time.monotonic()
        connection.expect_closed(time_limit_s=time_limit_s)
        self.note(f"after {round(time.monotonic() - started)} s")

    # The end of a case

    def finish(self) -> None:
        """Write down what nobody has taken, then close all connections.

        Each open channel is asked something harmless first: what comes before the answer, and was
        not taken by the case, is part of what the broker said.
        """
        left: list[tuple[RawConnection, Event]] = []
        for connection in self.connections:
            left += [(connection, event) for event in self._left_over(connection)]
        if left:
            self.note("not taken by the case:")
            for connection, event in left:
                connection.tell_received(event)

    def clean_up(self) -> None:
        """Close what is open and remove what was named.  Nothing of this is written down."""
        with self.dialogue.quiet():
            for connection in self.connections:
                _close(connection)
        self._janitor.clean_up()
        if self._admin is not None:
            self._admin.clean_up()

    def _left_over(self, connection: RawConnection) -> list[Event]:
        with self.dialogue.quiet():
            left: list[Event] = []
            for channel in connection.channels.values():
                if not channel.is_open or connection.is_closed or connection.is_closing:
                    continue
                channel.send(ExchangeDeclare(0, "amq.direct", passive=True))
                while True:
                    event = connection.take(channel.number)
                    if isinstance(event, MethodReceived):
                        if isinstance(event.method, ExchangeDeclareOk):
                            break
                    left.append(event)
                    if isinstance(event, Closed) or _ends_channel(event):
                        break
            return left + connection.unread()


class Janitor:
    """Deletes what cases named, over a connection of its own."""

    def __init__(self, url: str, time_limit_s: float) -> None:
        self._url = url
        self._time_limit_s = time_limit_s
        self._removals: list[QueueDelete | ExchangeDelete] = []

    def remove_later(self, removal: QueueDelete | ExchangeDelete) -> None:
        if removal not in self._removals:
            self._removals.append(removal)

    def clean_up(self) -> None:
        """Delete everything; what is not there or may not be deleted is left alone."""
        if not self._removals:
            return
        with RawConnection.open(self._url, time_limit_s=self._time_limit_s) as connection:
            for removal in self._removals:
                channel = connection.channel()
                try:
                    channel.call(removal)
                    channel.close()
                except Unexpected:
                    continue
            connection.close()


def _ends_channel(event: Event) -> bool:
    return isinstance(event, MethodReceived) and event.method.name.endswith(".close")


def _close(connection: RawConnection) -> None:
    try:
        if connection.is_open and not (connection.is_closed or connection.is_closing):
            connection.send_method(0, ConnectionClose(200, "the case is over"))
            while True:
                event = connection.take(time_limit_s=1)
                if isinstance(event, Closed):
                    break
                if isinstance(event, MethodReceived):
                    if isinstance(event.method, ConnectionClose | ConnectionCloseOk):
                        break
    except NothingCame:
        pass
    connection.drop()
