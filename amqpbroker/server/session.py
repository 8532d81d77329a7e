"""One client: its socket, its handshake, and what it asks for.

Where it stands is its `Phase`.  The bytes' meaning is `wire.Connection`'s part, what they lead to
the engine's; the session carries between them and keeps the limits: how much unread output a
client may have, how long it may be silent, when it must wait because memory or disk is short.

(S1) The socket is read only while something is expected of the client, while it reads what it is
     sent (`House.overfull_bytes`), and while no alarm blocks it.
(S2) An error of the peer's ends its channel or its connection, an error of ours its connection;
     no other session notices.
(S3) What one read brought is worked off in passes of `PASS_SECONDS`, and no further than the
     client reads the answers: few bytes may ask for much (basic.get of a large message).
"""

import logging
from time import perf_counter

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection as EngineConnection
from amqpbroker.engine.ports import Outlet
from amqpbroker.server import session_limits as limits
from amqpbroker.server.handshake import Handshake, what_came
from amqpbroker.server.heartbeat import Heartbeat
from amqpbroker.server.house import House
from amqpbroker.server.login_desk import Login
from amqpbroker.server.methods import ContentReply, Reply, perform
from amqpbroker.server.outbox import Outbox
from amqpbroker.server.outlet import SessionOutlet
from amqpbroker.server.phase import Phase
from amqpbroker.server.reactor import READ, WRITE
from amqpbroker.server.timekeeper import Timer
from amqpbroker.server.transport import NeedsRoom, Transport, unread_bytes_of
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import (
    AMQPException,
    ChannelException,
    ConnectionException,
    internal_error,
)
from amqpbroker.spec.method import Method
from amqpbroker.wire.connection import HandshakeAborted, PeerLost
from amqpbroker.wire.events import (
    AcksReceived,
    Event,
    HeaderReceived,
    HeaderRefused,
    MethodReceived,
    OversizeReceived,
    PublishReceived,
)
from amqpbroker.wire.frames import FramingLost
from amqpbroker.wire.states import SILENT_STATES, State
from amqpbroker.wire.writer import HEARTBEAT, method_frame

logger = logging.getLogger("amqpbroker")


class Session:
    """A client's connection, from accept to close."""

    __slots__ = (
        "_accounted_bytes",
        "_awaited_answer",
        "_engine",
        "_handshake",
        "_has_more",
        "_heartbeat",
        "_house",
        "_interest",
        "_is_blocked",
        "_is_held_back",
        "_login",
        "_needs_room",
        "_outbox",
        "_outlet",
        "_phase",
        "_timer",
        "_transport",
        "_wants_blocked",
        "_wire",
        "peer_name",
    )

    def __init__(
        self,
        house: House,
        transport: Transport,
        peer_address: str,
        peer_name: str,
        *,
        handshake_seconds: float,
        certificate_user: str | None = None,
    ) -> None:
        """*handshake_seconds* are left to the client until its connection must be open (S-017)."""
        self._house = house
        self._transport = transport
        self.peer_name = peer_name
        self._wire = house.make_wire()
        self._outbox = Outbox(transport)
        self._accounted_bytes = 0  # unsent and half arrived, as the house knows
        self._outlet: SessionOutlet | None = None
        self._login: Login | None = None  # it is being found out whether the password is right
        self._handshake: Handshake | None = Handshake(
            house.broker, peer_address, certificate_user, house.wire_limits
        )
        self._engine: EngineConnection | None = None
        self._heartbeat: Heartbeat | None = None
        self._phase = Phase.OPEN
        self._has_more = False  # not all that was received is worked off
        self._awaited_answer: tuple[int, Reply] | None = None  # (channel number, when it is safe)
        self._is_blocked = False
        self._is_held_back = False  # it publishes faster than its queues deliver
        self._needs_room = False  # the transport must write before it can read
        self._wants_blocked = False  # the client understands connection.blocked
        self._interest = READ
        self._timer: Timer | None = house.timekeeper.call_in(
            handshake_seconds, lambda: self._end("handshake timeout")
        )

    def __repr__(self) -> str:
        return f"<Session {self.peer_name} {self._phase.value} {self._wire.state.value}>"

    @property
    def under_way(self) -> str | None:
        """What has been sent and has not arrived, at either end, in words; None: nothing."""
        if self._outbox.byte_count:
            return f"the client does not read: {self._outbox.byte_count} bytes wait for it"
        if self._has_more:
            return "what it sent is being worked off"
        if half_bytes := self._wire.unread_bytes + self._wire.arriving_bytes:
            return f"the client has sent {half_bytes} bytes of something, and not the rest of it"
        if self._is_blocked or self._is_held_back:
            if unread_bytes := unread_bytes_of(self._transport):
                reason = self._house.alarm if self._is_blocked else "a queue that lags"
                return f"{unread_bytes} bytes of it are not read for now, because of {reason}"
        return None

    # The socket

    def on_readable(self) -> None:
        """Read once, and work off what was read."""
        if not self._interest & READ:
            self._end("connection lost")  # nothing but an error is told then
            return
        try:
            byte_count = self._transport.recv_into(self._house.read_buffer)
        except (BlockingIOError, InterruptedError) as error:
            if isinstance(error, NeedsRoom):
                self._needs_room = True
                self._update_interest()
            return
        except OSError as error:
            self._end(error.strerror)
            return
        if not byte_count:
            self._end("closed by the client without connection.close")
            return
        if self._heartbeat is not None:
            self._heartbeat.has_received = True
        self.receive(self._house.read_buffer[:byte_count])
        if self._engine is not None and (self._engine.debts or self._engine.is_ahead):
            self._hold_back(byte_count)

    def on_writable(self) -> None:
        """The socket has room again."""
        self._needs_room = False
        self._house.to_flush[self] = None

    def receive(self, data: bytes | memoryview) -> None:
        """Work off some bytes of the client."""
        self._wire.receive(data)
        self.work_off()

    def work_off(self) -> None:
        """Work off what has been received, or as much of it as is good for the others (S3)."""
        wire, outbox = self._wire, self._outbox
        self._house.to_flush[self] = None
        pass_ends, overfull_bytes = perf_counter() + limits.PASS_SECONDS, self._house.overfull_bytes
        while True:
            try:
                if self._login is not None and not self._conclude_login():
                    return
                while outbox.byte_count < overfull_bytes and perf_counter() < pass_ends:
                    event = wire.next_event()
                    if event is None:
                        self._has_more = False
                        if self._house.alarm is not None and not self._house.may_go_on(self, wire):
                            self._block()
                        return
                    self._perform(event)
                    if self._awaited_answer is not None or self._login is not None:
                        break
                self._has_more = True
                return
            except (HandshakeAborted, PeerLost) as error:
                self._close_silently(error)
            except ConnectionException as error:
                if self._phase is Phase.OPEN:
                    self.close(error)  # what stands behind it may still be the client's own close
                else:
                    wire.closed()  # a second mistake: there is nothing left to understand
            except Exception:  # noqa: BLE001  # (S2)
                self._crashed()

    def flush(self) -> None:
        """Tell confirms, send what the socket takes, and see who may go on because of it."""
        if self._phase is Phase.ENDED:
            return
        try:
            self._flush()
        except OSError as error:
            self._end(error.strerror)
        except Exception:  # noqa: BLE001  # (S2)
            self._crashed()

    def _flush(self) -> None:
        engine, outbox = self._engine, self._outbox
        if engine is not None and engine.to_tell:
            engine.tell_confirms()
        if outbox.byte_count:
            unsent_bytes = outbox.byte_count
            outbox.flush()
            if self._heartbeat is not None:
                self._heartbeat.has_sent = True
                if not self._interest & READ and outbox.byte_count < unsent_bytes:
                    self._heartbeat.has_received = True  # it takes what it is sent, so it lives
            is_congested = outbox.byte_count >= self._house.congested_bytes
            if engine is not None and engine.is_congested and not is_congested:
                engine.drained()
        if self._phase is Phase.PARTING and not outbox.byte_count:
            self._end(None)
            return
        held_bytes = outbox.byte_count + self._wire.arriving_bytes
        if held_bytes != self._accounted_bytes:
            self._house.account(held_bytes - self._accounted_bytes)
            self._accounted_bytes = held_bytes
        has_room = outbox.byte_count < self._house.overfull_bytes
        if self._has_more and has_room and self._awaited_answer is None and self._login is None:
            self._house.to_work_off[self] = None
        self._update_interest()

    def _output_added(self) -> None:
        self._house.to_flush[self] = None
        if self._outbox.byte_count > self._house.congested_bytes and self._engine is not None:
            self._engine.is_congested = True

    def _update_interest(self) -> None:
        """Wait for what the socket is wanted for."""
        interest = self._wanted_interest()
        if interest != self._interest:
            self._interest = interest
            self._house.reactor.change(self._transport, interest)

    def _wanted_interest(self) -> int:
        """Read from whom something is expected, and ask for room where output waits (S1)."""
        is_expected = self._wire.state is not State.CLOSED and not (
            self._is_blocked or self._is_held_back or self._has_more
        )
        has_room = self._outbox.byte_count < self._house.overfull_bytes
        interest = READ if is_expected and has_room else 0
        if self._needs_room:
            interest = WRITE
        elif self._outbox.is_waiting:
            interest |= WRITE
        return interest

    # What the client says

    def _perform(self, event: Event) -> None:
        if isinstance(event, PublishReceived):
            channel = self._channel(event.channel_number)
            try:
                channel.publish(
                    event.publish, event.messages, event.content_bytes, is_plain=event.is_plain
                )
            except AMQPException as error:
                self._refuse(channel, error, m.BasicPublish)
            if self._house.alarm is not None:
                self._block()
        elif isinstance(event, AcksReceived):
            channel = self._channel(event.channel_number)
            try:
                for delivery_tag, multiple in event.acks:
                    channel.ack(delivery_tag, multiple=multiple)
            except AMQPException as error:
                self._refuse(channel, error, m.BasicAck)
        elif isinstance(event, MethodReceived):
            if event.channel_number:
                self._perform_on_channel(event.channel_number, event.method)
            else:
                self._perform_on_connection(event.method)
        elif isinstance(event, OversizeReceived):
            channel = self._channel(event.channel_number)
            try:
                channel.refuse_oversize(event.publish, event.body_bytes, event.header_bytes)
            except AMQPException as error:
                self._refuse(channel, error, m.BasicPublish)
        else:
            self._greet(event)

    def _greet(self, event: HeaderReceived | HeaderRefused) -> None:
        assert self._handshake is not None
        if isinstance(event, HeaderReceived):
            self._send(0, self._handshake.start())
        else:
            logger.warning("%s: %s", self.peer_name, what_came(event.header, self._house.tls_port))
            self._outbox.add(self._house.broker.emulation.header_answer(event.answer))
            self._part()

    def _perform_on_connection(self, method: Method) -> None:
        if isinstance(method, m.ConnectionClose):
            self._leave_engine()
            self._send(0, m.ConnectionCloseOk())
            if self._phase is Phase.OPEN:
                self._part()
        elif isinstance(method, m.ConnectionCloseOk):
            self._part()
        elif isinstance(method, m.ConnectionUpdateSecret):
            self._send(0, m.ConnectionUpdateSecretOk())
        else:
            self._shake_hands(method)

    def _shake_hands(self, method: Method) -> None:
        handshake = self._handshake
        assert handshake is not None
        if isinstance(method, m.ConnectionStartOk):
            self._login = handshake.begin_login(method)
            self._house.login_desk.check(self._login, handshake.peer_address, self.work_off)
            self._conclude_login()
        elif isinstance(method, m.ConnectionOpen):
            self._open(handshake, method)

    def _conclude_login(self) -> bool:
        """Go on if it is known whether the password is right; whether it is."""
        login, handshake = self._login, self._handshake
        assert login is not None and handshake is not None  # noqa: PT018
        if login.is_right is None:
            return False
        self._login = None
        self._send(0, handshake.conclude_login(login))
        return True

    def _open(self, handshake: Handshake, method: m.ConnectionOpen) -> None:
        user = handshake.user
        assert user is not None
        wire = self._wire
        self._outlet = SessionOutlet(
            self._outbox, wire.frame_max, self._output_added, self._forced, wire.closing_channel
        )
        try:
            self._engine = self._house.broker.connect(
                user,
                method.virtual_host,
                self._engine_outlet(self._outlet, handshake),
                wants_cancel_notify="consumer_cancel_notify" in handshake.capabilities,
                facts=handshake.facts(self._wire, self._transport, self.peer_name),
            )
        except ConnectionException as error:
            error.caused_by(method.class_id, method.method_id)
            raise
        self._engine.client_name = handshake.connection_name
        self._wants_blocked = "connection.blocked" in handshake.capabilities
        self._handshake = None
        self._house.logged_in(self)
        self._cancel_timer()
        if self._wire.heartbeat_seconds:
            self._heartbeat = Heartbeat(
                self._house.timekeeper,
                self._wire.heartbeat_seconds,
                self._send_heartbeat,
                lambda: self._end("missed heartbeats from the client"),
            )
        self._send(0, m.ConnectionOpenOk())

    def _engine_outlet(self, outlet: Outlet, handshake: Handshake) -> Outlet:
        """What the engine is given to tell the client by: the session's own outlet."""
        return outlet

    def _perform_on_channel(self, number: int, method: Method) -> None:
        engine = self._engine
        assert engine is not None
        self._house.dispatch()
        engine.tell_confirms()
        if isinstance(method, m.ChannelOpen):
            engine.open_channel(number)
            return self._send(number, m.ChannelOpenOk())
        if isinstance(method, m.ChannelClose):
            engine.close_channel(number)  # unless an error has closed it already
            return self._send(number, m.ChannelCloseOk())
        channel = self._channel(number)
        journal = self._house.broker.journal
        demand_count = journal.demand_count
        try:
            reply = perform(channel, method)
        except AMQPException as error:
            return self._refuse(channel, error, type(method))
        if reply is None or getattr(method, "no_wait", False):
            return None
        if journal.demand_count != demand_count and journal.told_number > journal.safe_number:
            self._awaited_answer = (number, reply)
            self._house.awaiting[self] = journal.told_number
            return None
        return self._reply(number, reply)

    def answer(self) -> None:
        """What was asked for is safe: say so, and go on."""
        awaited, self._awaited_answer = self._awaited_answer, None
        if awaited is not None and self._engine is not None:
            self._reply(*awaited)
        self._house.to_work_off[self] = None

    def _reply(self, number: int, reply: Reply) -> None:
        assert reply is not None
        if isinstance(reply, ContentReply):
            assert self._outlet is not None
            self._outlet.send_message(number, reply.method, reply.message)
        else:
            self._send(number, reply)

    def _refuse(self, channel: Channel, error: AMQPException, method: type[Method]) -> None:
        """Close the channel for a soft error; raise a hard one, which closes the connection."""
        error.caused_by(method.class_id, method.method_id)
        if not isinstance(error, ChannelException):
            raise error
        logger.warning("%s: channel %d: %s", self.peer_name, channel.number, error.reply_text)
        assert self._engine is not None
        self._engine.tell_confirms()
        self._engine.close_channel(channel.number)
        self._wire.closing_channel(channel.number)
        self._send(
            channel.number,
            m.ChannelClose(error.reply_code, error.reply_text, error.class_id, error.method_id),
        )

    def _channel(self, number: int) -> Channel:
        assert self._engine is not None
        return self._engine.channels[number]

    def _send(self, channel_number: int, method: Method) -> None:
        self._outbox.add(method_frame(channel_number, method))
        self._house.to_flush[self] = None

    def _send_heartbeat(self) -> None:
        self._outbox.add(HEARTBEAT)
        self.flush()

    # Waiting

    def _hold_back(self, byte_count: int) -> None:
        """Read no more until the queues that lag have delivered, but not for long.

        However slow the consumers are, publishers keep `LAGGING_BYTES_PER_SECOND`.
        """
        self._is_held_back = True
        self._house.held_back[self] = perf_counter() + byte_count / limits.LAGGING_BYTES_PER_SECOND

    def read_on(self, now: float, deadline: float) -> bool:
        """Read again, if the queues have delivered or the time is over; whether it is so."""
        engine = self._engine
        if engine is not None:
            engine.is_ahead &= engine.broker.journal.is_behind
            if engine.is_ahead or (engine.is_indebted and now < deadline):
                return False
            engine.debts.clear()
        self._is_held_back = False
        self._house.to_flush[self] = None
        return True

    def _block(self) -> None:
        """Memory is short: tell the publisher, and read nothing more from it (S-068, S-070)."""
        if self._is_blocked or self._phase is not Phase.OPEN:
            return
        self._is_blocked = True
        if self._heartbeat is not None:
            self._heartbeat.is_suspended = True
        if self._wants_blocked:
            self._send(0, m.ConnectionBlocked(self._house.alarm or ""))

    def unblock(self) -> None:
        """The alarm is over."""
        if not self._is_blocked or self._phase is not Phase.OPEN:
            return
        self._is_blocked = False
        if self._heartbeat is not None:
            self._heartbeat.is_suspended = False
        if self._wants_blocked:
            self._send(0, m.ConnectionUnblocked())
        self._house.to_flush[self] = None

    # Ending

    def close(self, error: AMQPException, *, seconds: float = limits.CLOSE_SECONDS) -> None:
        """Close the connection for *error*: the client is told, and has some time to answer."""
        if self._phase is not Phase.OPEN:
            return
        if self._wire.state in SILENT_STATES and error.reply_code is not ReplyCode.ACCESS_REFUSED:
            self._close_silently(error)
            return
        is_ours = error.reply_code is ReplyCode.CONNECTION_FORCED
        level = logging.INFO if is_ours else logging.WARNING
        logger.log(level, "%s: closing the connection: %s", self.peer_name, error.log_text)
        if self._wire.state in SILENT_STATES or isinstance(error, FramingLost):
            seconds = limits.SILENT_CLOSE_SECONDS
        self._leave_engine()
        self._send(
            0,
            m.ConnectionClose(error.reply_code, error.reply_text, error.class_id, error.method_id),
        )
        self._phase = Phase.LEAVING
        if isinstance(error, FramingLost):
            self._wire.closed()
        else:
            self._wire.closing()
            seconds = min(seconds, self._wire.heartbeat_seconds or seconds)
        self._end_in(seconds, "the client did not answer connection.close")

    def _forced(self, error: ConnectionException) -> None:
        """The engine has ended the connection."""
        self._engine = None
        self.close(error)

    def _close_silently(self, reason: Exception) -> None:
        """Close without a word, after a while in which nothing is read (S-024, S-054)."""
        logger.warning("%s: closing the connection without a word: %s", self.peer_name, reason)
        self._leave_engine()
        self._wire.closed()
        if isinstance(reason, PeerLost):
            self._part()
            return
        self._phase = Phase.LEAVING
        self._end_in(limits.SILENT_CLOSE_SECONDS, None)

    def _crashed(self) -> None:
        """A bug of ours: this connection pays for it, no other (S2)."""
        logger.error(
            "%s: a bug in the broker; closing this connection",
            self.peer_name,
            exc_info=True,  # noqa: LOG014
        )
        if self._phase is Phase.OPEN:
            self.close(internal_error().caused_by_no_method())
        else:
            self.drop()

    def _leave_engine(self) -> None:
        if self._login is not None:
            self._login.is_wanted = False
            self._login = None
        engine, self._engine = self._engine, None
        if engine is not None:
            try:
                engine.tell_confirms()
                engine.close()
            except Exception:
                logger.exception("%s: a bug in the broker, while cleaning up", self.peer_name)
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        self._is_blocked = False

    def _part(self) -> None:
        """Close the socket as soon as everything is sent."""
        self._wire.closed()
        self._phase = Phase.PARTING
        self._end_in(limits.SILENT_CLOSE_SECONDS, "the client did not read to the end")

    def _end_in(self, seconds: float, reason: str | None) -> None:
        self._cancel_timer()
        self._timer = self._house.timekeeper.call_in(seconds, lambda: self._end(reason))
        self._house.to_flush[self] = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def drop(self) -> None:
        """Close the socket at once."""
        self._end("dropped")

    def _end(self, reason: str | None) -> None:
        """The socket is closed, whatever is left."""
        if self._phase is Phase.ENDED:
            return
        if reason is not None:
            logger.info("%s: %s", self.peer_name, reason)
        self._leave_engine()
        self._cancel_timer()
        self._wire.closed()
        self._phase = Phase.ENDED
        self._house.account(-self._accounted_bytes)
        self._outlet = None  # it knows this session: no cycle must stay (`server/janitor.py`)
        self._house.reactor.remove(self._transport)
        self._transport.close()
        self._house.ended(self)
