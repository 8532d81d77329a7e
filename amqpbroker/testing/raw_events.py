"""What a raw client sends and receives, as values.

A message that arrives in three frames or more is one `ContentReceived`; everything else is one
value a frame.  The end of the connection is an event too, so that a test can wait for it.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from attrs import frozen

from amqpbroker.spec.method import Method
from amqpbroker.spec.properties import Properties


@frozen
class Frame:
    """A frame as it stands on the wire, without its end octet."""

    kind: int
    channel: int
    payload: bytes


@frozen
class MethodReceived:
    """A method without content."""

    channel: int
    method: Method


@frozen
class ContentReceived:
    """A method with its whole content: basic.deliver, basic.get-ok or basic.return."""

    channel: int
    method: Method
    properties: Properties
    body: bytes
    frame_sizes: tuple[int, ...]  # the payload bytes of each body frame


@frozen
class ConfirmsReceived:
    """What one or more basic.ack and basic.nack of a channel in confirm mode said together."""

    channel: int
    acked: tuple[int, ...]  # publish sequence numbers, ascending
    nacked: tuple[int, ...]


@frozen
class HeartbeatReceived:
    """A heartbeat frame."""

    channel: int


@frozen
class ProtocolHeaderReceived:
    """Eight bytes instead of a frame: the server names a protocol that it speaks."""

    raw: bytes


@frozen
class Closed:
    """The server closed the TCP connection, politely or not."""


Event: TypeAlias = (
    MethodReceived
    | ContentReceived
    | ConfirmsReceived
    | HeartbeatReceived
    | ProtocolHeaderReceived
    | Closed
)


@frozen
class MethodSent:
    """A method, in a frame of its own."""

    channel: int
    method: Method


@frozen
class ContentSent:
    """A content header and its body frames."""

    channel: int
    properties: Properties
    body: bytes


@frozen
class FrameSent:
    """A single frame, well formed in itself, whatever stands in it."""

    channel: int
    frame: Frame


@frozen
class BytesSent:
    """Bytes that need not be a frame."""

    raw: bytes


Sent: TypeAlias = MethodSent | ContentSent | FrameSent | BytesSent


class Observer(Protocol):
    """Who wants to know what was said, in the order in which the test said and read it.

    An event is told when the test takes it, not when it arrives: what several channels do at the
    same time then has one order, the test's.
    """

    def sent(self, sent: Sent) -> None: ...

    def received(self, event: Event) -> None: ...


class Unexpected(AssertionError):
    """Something else came than the test expects; `event` is what came."""

    def __init__(self, expected: str, event: Event) -> None:
        super().__init__(f"expected {expected}, got {event}")
        self.expected = expected
        self.event = event


class NothingCame(AssertionError):
    """The time limit passed without an event."""


def is_for(event: Event, channel: int | None) -> bool:
    """Tell whether somebody who waits on *channel* must see *event*; None waits on all.

    What ends the connection is seen by everybody.
    """
    if channel is None or isinstance(event, Closed | ProtocolHeaderReceived):
        return True
    if isinstance(event, MethodReceived) and event.method.name == "connection.close":
        return True
    return event.channel == channel
