"""A session that may be made to misbehave, and the outlet between it and the engine.

Faults stand beside the path of a message, not in it: `FaultySession` takes the place of `Session`
where there is a test kit, and its outlet takes the place of the one that the engine would write
to.  Both do what they replace does, and ask first whether a fault strikes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.ports import Deliver, Outlet
from amqpbroker.server.handshake import Handshake
from amqpbroker.server.reactor import READ, WRITE
from amqpbroker.server.session import Session
from amqpbroker.server.timekeeper import Timer
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message
from amqpbroker.testing.fault_rules import queue_names_of
from amqpbroker.wire.events import AcksReceived, Event

if TYPE_CHECKING:
    from amqpbroker.testing.faults import Faults

#: How long deliveries wait for others to be reordered with, in seconds.
REORDER_SECONDS: Final = 0.02


class FaultySession(Session):
    """A client's connection that can fall silent, become slow, or be ended at will."""

    __slots__ = (
        "_bytes_per_second",
        "_faults",
        "_is_due",
        "_is_paused",
        "_is_silent",
        "_latency_seconds",
        "_pacing",
        "connection_name",
    )

    def __init__(self, faults: "Faults", *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._faults = faults
        self.connection_name = ""
        self._is_silent = False  # nothing is read, nothing is sent
        self._latency_seconds = 0.0
        self._bytes_per_second: float | None = None
        self._is_paused = False  # it has sent more than it may for now
        self._is_due = False  # what waits has waited long enough
        self._pacing: Timer | None = None

    # What is done to it

    def be_silent(self, silent: bool) -> None:
        """Read and send nothing, or go on."""
        self._is_silent = silent
        self._house.to_flush[self] = None

    def be_slow(self, bytes_per_second: float | None, latency_seconds: float) -> None:
        """Read no faster, and send no sooner; None and 0: as fast as it goes."""
        self._bytes_per_second = bytes_per_second
        self._latency_seconds = latency_seconds
        self._is_paused = False
        self._house.to_flush[self] = None

    def block(self, reason: str) -> None:
        """Tell the client connection.blocked, and read nothing more from it."""
        if self.is_open and not self._is_blocked:
            self._is_blocked = True
            if self._heartbeat is not None:
                self._heartbeat.is_suspended = True
            if self._wants_blocked:
                self._send(0, m.ConnectionBlocked(reason))
            self._house.to_flush[self] = None

    def force_close(self, reply_code: int, reply_text: str) -> None:
        """Close the connection as for an error of the client's."""
        self.close(ConnectionException(ReplyCode(reply_code), reply_text).caused_by_no_method())

    def force_close_channel(self, number: int, reply_code: int, reply_text: str) -> None:
        """Close a channel as for an error of the client's; nothing if it is not open."""
        if self._engine is None or number not in self._engine.channels:
            return
        error = ChannelException(ReplyCode(reply_code), reply_text)
        self._engine.tell_confirms()
        self._engine.close_channel(number)
        self._wire.closing_channel(number)
        self._send(number, m.ChannelClose(error.reply_code, error.reply_text, 0, 0))

    @property
    def is_open(self) -> bool:
        """Whether its client is logged in, and nobody has closed the connection."""
        return self._engine is not None

    @property
    def user_name(self) -> str:
        """Who is logged in; empty before."""
        return "" if self._engine is None else self._engine.user.name

    @property
    def channels(self) -> dict[int, Channel]:
        """Its open channels, by number."""
        return {} if self._engine is None else self._engine.channels

    @property
    def under_way(self) -> str | None:
        """Nothing, for a barrier, when nothing may be: who is silent does not keep others."""
        return None if self._is_silent else super().under_way

    # What a session does, and when this one does not

    def on_readable(self) -> None:
        if self._faults.refuses(self):
            self.drop()
        else:
            super().on_readable()

    def receive(self, data: bytes | memoryview) -> None:
        if self._bytes_per_second is not None:
            self._is_paused = True
            self._house.timekeeper.call_in(len(data) / self._bytes_per_second, self._read_again)
        super().receive(data)

    def _read_again(self) -> None:
        self._is_paused = False
        self._house.to_flush[self] = None

    def _flush(self) -> None:
        if self._is_silent or self._must_wait():
            self._update_interest()
        else:
            super()._flush()

    def _must_wait(self) -> bool:
        """Whether what is to be sent would not have arrived yet."""
        if not self._latency_seconds and self._bytes_per_second is None:
            return False
        if self._is_due or not self._outbox.byte_count:
            self._is_due = False
            return False
        if self._pacing is None:
            seconds = self._latency_seconds
            if self._bytes_per_second is not None:
                seconds += self._outbox.byte_count / self._bytes_per_second
            self._pacing = self._house.timekeeper.call_in(seconds, self._send_now)
        return True

    def _send_now(self) -> None:
        self._pacing = None
        self._is_due = True
        self._house.to_flush[self] = None

    def _wanted_interest(self) -> int:
        if self._is_silent:
            return 0
        wanted = super()._wanted_interest()
        if self._is_paused:
            wanted &= ~READ
        return wanted & ~WRITE if self._pacing is not None else wanted

    def _engine_outlet(self, outlet: Outlet, handshake: Handshake) -> Outlet:
        self.connection_name = handshake.connection_name
        if self._faults.refuses(self):
            raise ConnectionException(ReplyCode.CONNECTION_FORCED, "refused by a fault")
        return FaultyOutlet(self._faults, self, outlet)

    def _open(self, handshake: Handshake, method: m.ConnectionOpen) -> None:
        super()._open(handshake, method)
        if self._faults.blocked_reason is not None:
            self.block(self._faults.blocked_reason)

    def _perform(self, event: Event) -> None:
        if isinstance(event, AcksReceived) and self._faults.acks:
            self._lose_acks(event)
        else:
            super()._perform(event)

    def _lose_acks(self, event: AcksReceived) -> None:
        """Take acks one by one; the one that a fault strikes counts as a requeue."""
        channel = self._channel(event.channel_number)
        for delivery_tag, multiple in event.acks:
            ledger = channel.unacked
            tags = ledger.tags(delivery_tag, multiple=multiple)
            if not tags:  # it is refused
                super()._perform(AcksReceived(event.channel_number, [(delivery_tag, multiple)]))
            for tag in tags:
                _, queue, _, message = ledger[tag]
                rule = self._faults.acks.strike(message, (queue.name,), self.connection_name)
                if rule is not None:
                    channel.reject(tag, multiple=False, requeue=True)
                else:
                    one = AcksReceived(event.channel_number, [(tag, False)])
                    super()._perform(one)


class FaultyOutlet:
    """`engine.ports.Outlet` that may nack, drop, delay, hold back or mix what passes it."""

    def __init__(self, faults: "Faults", session: FaultySession, inner: Outlet) -> None:
        self._faults = faults
        self._session = session
        self._inner = inner

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        inner = self._inner.deliverer(channel_number, consumer_tag)
        faults = self._faults

        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            if not faults.deliveries:
                inner(first_tag, messages, redelivered)
                return
            for tag, message in enumerate(messages, first_tag):
                send = partial(inner, tag, [message], redelivered)
                self._deliver(mixer, channel_number, consumer_tag, message, send)

        mixer = Mixer(faults, self._session)
        return deliver

    def _deliver(
        self,
        mixer: "Mixer",
        channel_number: int,
        consumer_tag: str,
        message: Message,
        send: Callable[[], None],
    ) -> None:
        channel = self._session.channels.get(channel_number)
        consumer = None if channel is None else channel.consumers.get(consumer_tag)
        queue = None if consumer is None else consumer.queue
        name = self._session.connection_name
        rule = self._faults.deliveries.strike(message, queue_names_of(queue), name)
        verb = None if rule is None else rule.verb
        if rule is None:
            send()
        elif verb == "delay":
            self._faults.later(rule.delay_ms, send)
        elif verb == "reorder":
            mixer.add(send, rule.window)
        elif verb == "duplicate":
            send()
            if queue is not None:
                self._faults.again(queue, message)
        else:
            assert verb == "drop", rule

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        faults = self._faults
        channel = self._session.channels.get(channel_number)
        if channel is None or not faults.confirms:
            faults.were_confirmed(channel, publish_tag, multiple=multiple)
            self._inner.confirm(channel_number, publish_tag, multiple)
            return
        for tag, publication in faults.to_confirm(channel, publish_tag, multiple=multiple):
            message = None if publication is None else publication.message
            queue_names = () if publication is None else publication.queue_names
            rule = faults.confirms.strike(message, queue_names, self._session.connection_name)
            if rule is None:
                faults.are_safe(message)
                self._inner.confirm(channel_number, tag, False)
            elif rule.verb == "nack":
                self._inner.refuse(channel_number, tag, False)
            elif rule.verb == "delay":
                faults.later(
                    rule.delay_ms, partial(self._inner.confirm, channel_number, tag, False)
                )

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        self._inner.refuse(channel_number, publish_tag, multiple)

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        self._inner.return_message(channel_number, message, reply_code, reply_text)

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        self._inner.cancel_consumer(channel_number, consumer_tag)

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        self._inner.close_channel(channel_number, error)

    def close_connection(self, error: ConnectionException) -> None:
        self._inner.close_connection(error)


class Mixer:
    """Deliveries to one consumer that are held until there are some to be reordered."""

    def __init__(self, faults: "Faults", session: FaultySession) -> None:
        self._faults = faults
        self._session = session
        self._held: list[Callable[[], None]] = []
        self._deadline: trio.CancelScope | Timer | None = None

    def add(self, send: Callable[[], None], window: int) -> None:
        """Hold a delivery; when there are *window*, or no more come, they go in another order."""
        self._held.append(send)
        if len(self._held) >= window:
            self.release()
        elif self._deadline is None:
            self._deadline = self._faults.soon(REORDER_SECONDS, self.release)

    def release(self) -> None:
        """Let go of what is held, in another order than it came in."""
        if isinstance(self._deadline, Timer):
            self._deadline.cancel()
        self._deadline = None
        held, self._held = self._held, []
        mixed = list(held)
        self._faults.dice.shuffle(mixed)
        if len(mixed) > 1 and mixed == held:
            mixed = [*held[1:], held[0]]
        for send in mixed:
            send()
