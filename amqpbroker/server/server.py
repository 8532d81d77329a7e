"""The server: the engine, the sockets, and the end of every round.

round     sessions read and perform -> the broker dispatches -> sessions flush
start     sockets are listening already when this module is imported (`cli/serve.py`)
stop      no new clients; every connection is closed with 320; at most `DRAIN_SECONDS`
"""

import contextlib
import logging
import secrets
import socket
import ssl
from collections.abc import Callable, Collection, Sequence
from time import perf_counter
from typing import Final

import attrs
import trio

from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.emulation import EMULATIONS
from amqpbroker.engine.restoring import restore
from amqpbroker.server.alarms import Alarms
from amqpbroker.server.clock import EngineClock
from amqpbroker.server.entrance import Entrance, peer_name_of
from amqpbroker.server.finishing import Finishing
from amqpbroker.server.furnish import furnish
from amqpbroker.server.house import Answering
from amqpbroker.server.janitor import Janitor
from amqpbroker.server.login_desk import LoginDesk
from amqpbroker.server.mailbox import ServerStopped
from amqpbroker.server.outbox import CONGESTED_PART
from amqpbroker.server.reactor import Reactor
from amqpbroker.server.session import Session
from amqpbroker.server.session_limits import READ_BYTES
from amqpbroker.server.settings import Settings
from amqpbroker.server.store import Store
from amqpbroker.server.timekeeper import Timekeeper
from amqpbroker.server.transport import Transport
from amqpbroker.spec.errors import connection_forced
from amqpbroker.wire.connection import Connection
from amqpbroker.wire.limits import WireLimits
from amqpbroker.wire.memo import PropertiesMemo

logger = logging.getLogger("amqpbroker")

#: How long clients have to answer connection.close when the server stops, in seconds.
DRAIN_SECONDS: Final = 3.0
#: What the process takes before the first message, in bytes (docs/performance.md).
BASE_BYTES: Final = 32 * 1024 * 1024
#: What is read of a client at once while memory is short: each may send as much before it is
#: known that it publishes.
ALARM_READ_BYTES: Final = 32 * 1024
#: The alarm ends when messages take this share of their room, so that it does not flutter.
_ALARM_END_SHARE: Final = 0.95
#: How often to see whether a publisher that was held back may go on.
HELD_BACK_LOOK_SECONDS: Final = 0.001
#: A dead letter takes some 40 us: more at once (a nack of 100,000) would keep everybody waiting.
DEATHS_A_ROUND: Final = 500
_MIB: Final = 1024 * 1024


class Server:
    """One running broker.  `session.House` for its sessions."""

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        tls_listeners: Sequence[socket.socket] = (),
        *,
        tends_garbage: bool = True,
        store: Store | None = None,
    ) -> None:
        """`tends_garbage`: the process is the server's, and so is its garbage collector.

        `store` keeps what outlives the process; without it nothing does.
        Raises `tls.WrongCertificate` for certificates that cannot be used.
        """
        self._listeners = listeners
        self._tls_listeners = tls_listeners
        certificates = settings.certificates
        self.tls_context: ssl.SSLContext | None = certificates.load() if certificates else None
        self.tls_login_from = settings.tls_login_from
        self.tls_port = settings.tls_port if certificates else None
        self.handshake_seconds = settings.handshake_seconds
        self.wire_limits = _wire_limits(settings)
        self.overfull_bytes = settings.output_bytes_max
        self._room_bytes = settings.memory_limit_bytes - BASE_BYTES  # for messages
        self.broker = Broker(
            make_name,
            users=Users(secret=secrets.token_bytes(32)),
            dice=secrets.randbelow,
            vhost_names=(),
            message_bytes_max=settings.message_bytes_max,
            journal=None if store is None else store.journal,
            limits=settings.node,
            emulation=EMULATIONS[settings.emulated],
        )
        self._store = store
        restore(self.broker)
        furnish(self.broker, settings)
        self.timekeeper = Timekeeper(self._finish_calls)
        self.login_desk = LoginDesk(self.broker.users, self.timekeeper)
        self.clock = EngineClock(self.broker, self.timekeeper)
        self.reactor = Reactor(self.finish_round, self.clock.tick)
        self.entrance = Entrance(self, settings.half_open_max)
        self._has_express = settings.has_express
        self._properties_memo = PropertiesMemo(remember=settings.has_express)
        self._alarms = Alarms(self.broker, self._unblock)
        self.awaiting: dict[Answering, int] = {}  # {who: the transaction it waits for}
        self._unsent_bytes = 0  # in all outboxes, as of their last flush
        self.to_flush: dict[Session, None] = {}
        self.to_work_off: dict[Session, None] = {}
        self.held_back: dict[Session, float] = {}
        self._whole_read_buffer = self.read_buffer = memoryview(bytearray(READ_BYTES))
        self._finishing = Finishing(self.timekeeper)
        self._sessions: dict[Session, None] = {}
        self.make_session: Callable[..., Session] = Session  # for who wants them otherwise
        self._has_emptied = trio.Event()
        self._janitor = Janitor(self.broker) if tends_garbage else None
        self.after_round: Callable[[], None] | None = None  # told when all is given out and sent

    async def run(self, stop: trio.Event, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Serve until *stop* is set, then close every connection.

        Clients have *drain_seconds* to answer that.
        """
        for listener in self._listeners:
            self.entrance.open(listener)
        for listener in self._tls_listeners:
            self.entrance.open(listener, has_tls=True)
        if self._store is not None:
            self._store.start(self._alarms, self.timekeeper, self._tell_safe_soon)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.reactor.run)
            nursery.start_soon(self.timekeeper.run)
            nursery.start_soon(self.login_desk.run)
            if self._janitor is not None:
                nursery.start_soon(self._janitor.run)
            await stop.wait()
            await self._drain(drain_seconds)
            nursery.cancel_scope.cancel()
        if self._store is not None:
            for vhost in self.broker.vhosts.values():
                vhost.leave()
            self._store.stop()

    async def _drain(self, seconds: float) -> None:
        self.entrance.close()
        for session in list(self._sessions):
            session.close(
                connection_forced("broker forced connection closure with reason 'shutdown'"),
                seconds=seconds,
            )
        self.finish_round()
        with trio.move_on_after(seconds):
            if self._sessions:
                await self._has_emptied.wait()
        self.drop_sessions()

    def drop_sessions(self) -> None:
        """Close every client's socket, without a word."""
        self.entrance.drop_greetings()
        for session in list(self._sessions):
            session.drop()

    def reload(self, settings: Settings) -> None:
        """Take over what may change while clients are there; it counts for those to come.

        Raises `tls.WrongCertificate`, and changes nothing then.
        """
        if self.tls_context is not None and settings.certificates is not None:
            self.tls_context = settings.certificates.load()
        self.tls_login_from = settings.tls_login_from
        self.handshake_seconds = settings.handshake_seconds
        self.entrance.limit(settings.half_open_max)
        # Sessions that are there know how large a message's properties may be.
        header_bytes_max = self.broker.limits.header_bytes_max
        self.broker.limits = attrs.evolve(settings.node, header_bytes_max=header_bytes_max)
        self.wire_limits = attrs.evolve(settings.wire, header_bytes_max=header_bytes_max)
        self.overfull_bytes = settings.output_bytes_max

    @property
    def congested_bytes(self) -> int:
        """A client with this much unread output is given no more deliveries."""
        return self.overfull_bytes // CONGESTED_PART

    def finish_round(self) -> float | None:
        """Give out what the round made ready, and flush; how long the next round may wait."""
        if self.to_work_off:
            sessions, self.to_work_off = self.to_work_off, {}
            for session in sessions:
                session.work_off()
        self.dispatch()
        if self._store is not None:
            self._store.journal.end_round()
        if self.held_back:
            now = perf_counter()
            for session, deadline in list(self.held_back.items()):
                if session.read_on(now, deadline):
                    del self.held_back[session]
        self._watch_memory()
        while self.to_flush:
            sessions, self.to_flush = self.to_flush, {}
            for session in sessions:
                session.flush()
            self._watch_memory()  # who was dropped has left its messages; who waits must be told
        if self.broker.remains:
            self.broker.remains.free_some()
        self.clock.wait()
        if self._store is not None:
            self._store.journal.end_round()  # who was dropped has left more
        if self.after_round is not None:
            self.after_round()
        if self.broker.has_more or self.to_work_off:
            return 0
        return HELD_BACK_LOOK_SECONDS if self.held_back else None

    def dispatch(self) -> None:
        """Let the broker give out what is ready."""
        try:
            self.broker.dispatch(DEATHS_A_ROUND)
        except Exception:  # a bug of ours hurts the queue that it hit, nobody else
            logger.exception("a bug in the broker, while dispatching")

    def _finish_calls(self) -> bool:
        return self.finish_round() == 0

    @property
    def is_caught_up(self) -> bool:
        """Whether all that clients have sent is worked off, and all that is ready given out."""
        return not (
            self.to_work_off
            or self.to_flush
            or self.broker.to_dispatch
            or self.broker.deaths
            or self.reactor.has_ready()
        )

    @property
    def under_way(self) -> list[str]:
        """What is on its way to a client or from it, in words."""
        found = [(session.peer_name, session.under_way) for session in self._sessions]
        return [f"connection {name}: {what}" for name, what in found if what is not None]

    @property
    def sessions(self) -> Collection[Session]:
        """All clients, logged in or not."""
        return self._sessions.keys()

    def account(self, byte_count: int) -> None:
        """Note that a session holds so many bytes more, or less, for its client."""
        self._unsent_bytes += byte_count

    @property
    def alarm(self) -> str | None:
        """Why publishers must wait, in RabbitMQ's words; None when they need not."""
        return self._alarms.text

    def _watch_memory(self) -> None:
        held_bytes = self.broker.held_bytes + self._unsent_bytes
        if "memory" not in self._alarms:
            if held_bytes > self._room_bytes:
                self._alarms.set("memory")
                self.read_buffer = self._whole_read_buffer[:ALARM_READ_BYTES]
                logger.warning(
                    "memory alarm: messages take %.1f MiB of the %.1f MiB that the limit leaves "
                    "for them; publishers wait",
                    held_bytes / _MIB,
                    self._room_bytes / _MIB,
                )
        elif held_bytes <= self._room_bytes * _ALARM_END_SHARE:
            logger.warning("memory alarm is over")
            self.read_buffer = self._whole_read_buffer
            self._alarms.clear("memory")
        if self.alarm is not None:
            self._finishing.pass_on(has_room=self._has_room_for_one())

    def _unblock(self) -> None:
        """The last alarm is over."""
        self._finishing.stop()
        for session in self._sessions:
            session.unblock()

    def _tell_safe_soon(self) -> None:
        """Called in the writer's thread: more is safe, or nothing is any more."""
        with contextlib.suppress(ServerStopped):
            self.reactor.call_soon_threadsafe(self._tell_safe)

    def _tell_safe(self) -> None:
        """More is safe: tell the confirms that waited for it, and give answers."""
        assert self._store is not None
        journal = self._store.journal
        if journal.failure is not None:
            self._store.look()
        self.broker.tell_safe()
        for session, number in list(self.awaiting.items()):
            if number <= journal.safe_number:
                del self.awaiting[session]
                session.answer()

    def may_go_on(self, session: Session, wire: Connection) -> bool:
        """Whether a client may be read from though memory is short."""
        return self._finishing.may_go_on(session, wire, has_room=self._has_room_for_one())

    def _has_room_for_one(self) -> bool:
        """Whether no more than one of the largest messages is over the limit."""
        held_bytes = self.broker.held_bytes + self._unsent_bytes
        return held_bytes <= self._room_bytes + self.broker.message_bytes_max

    def welcome(
        self,
        transport: Transport,
        address: object,
        *,
        arrived: float | None = None,
        certificate_user: str | None = None,
    ) -> None:
        """Take in a client; *arrived* is when it came, on trio's clock, if not now."""
        is_ip = isinstance(address, tuple)
        peer_address = str(address[0]) if is_ip else ""  # pyright: ignore[reportUnknownArgumentType]
        peer_name = peer_name_of(address)
        now = trio.current_time()
        arrived = now if arrived is None else arrived
        session = self.make_session(
            self,
            transport,
            peer_address,
            peer_name,
            handshake_seconds=max(0.0, arrived + self.handshake_seconds - now),
            certificate_user=certificate_user,
        )
        self._sessions[session] = None
        self.reactor.add(transport, session)
        self.entrance.entered(session, arrived)
        logger.info("%s: connected", peer_name)

    def make_wire(self) -> Connection:
        """What understands a new client's bytes."""
        return Connection(
            self._properties_memo,
            message_bytes_max=self.broker.message_bytes_max,
            has_express=self._has_express,
            limits=self.wire_limits,
        )

    def logged_in(self, session: Session) -> None:
        """A client has opened its connection."""
        self.entrance.left(session)

    def ended(self, session: Session) -> None:
        """A client is gone."""
        self.entrance.left(session)
        self._sessions.pop(session, None)
        self.awaiting.pop(session, None)
        self.held_back.pop(session, None)
        self._finishing.forget(session)
        if not self._sessions:
            self._has_emptied.set()
            self._has_emptied = trio.Event()


def _wire_limits(settings: Settings) -> WireLimits:
    return attrs.evolve(settings.wire, header_bytes_max=settings.node.header_bytes_max)


def make_name() -> str:
    """22 characters that nobody can guess (S-094)."""
    return secrets.token_urlsafe(16)
