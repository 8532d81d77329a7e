"""The port between a session and the server that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from amqpbroker.engine.broker import Broker
from amqpbroker.server.login_desk import LoginDesk
from amqpbroker.server.reactor import Reactor
from amqpbroker.server.timekeeper import Timekeeper
from amqpbroker.wire.connection import Connection
from amqpbroker.wire.limits import WireLimits

if TYPE_CHECKING:
    from amqpbroker.server.session import Session


class Answering(Protocol):
    """Who answers when what was asked for is safe."""

    def answer(self) -> None:
        """It is."""
        ...


class House(Protocol):
    """What a session needs of the server that it belongs to."""

    @property
    def broker(self) -> Broker:
        """The engine."""
        ...

    @property
    def reactor(self) -> Reactor:
        """Tells when the socket is ready."""
        ...

    @property
    def timekeeper(self) -> Timekeeper:
        """Tells when time is over."""
        ...

    @property
    def wire_limits(self) -> WireLimits:
        """What a new connection may send."""
        ...

    def make_wire(self) -> Connection:
        """What understands a new client's bytes."""
        ...

    @property
    def congested_bytes(self) -> int:
        """A client with this much unread output is given no more deliveries."""
        ...

    @property
    def overfull_bytes(self) -> int:
        """A client with this much unread output is not read from: its answers would pile up."""
        ...

    @property
    def tls_port(self) -> int | None:
        """Where TLS is spoken, if it is."""
        ...

    @property
    def login_desk(self) -> LoginDesk:
        """Finds out who is who."""
        ...

    @property
    def alarm(self) -> str | None:
        """Why publishers must wait, in RabbitMQ's words; None when they need not."""
        ...

    def may_go_on(self, session: "Session", wire: Connection) -> bool:
        """Whether a client may be read from though memory is short (`finishing.py`)."""
        ...

    @property
    def awaiting(self) -> "dict[Answering, int]":
        """Who answers when a transaction is safe: {who: its number}."""
        ...

    @property
    def read_buffer(self) -> memoryview:
        """Where every session reads to; what is in it must be worked off or copied at once."""
        ...

    @property
    def held_back(self) -> "dict[Session, float]":
        """The sessions that publish to lagging queues: {session: when it may go on}."""
        ...

    @property
    def to_flush(self) -> "dict[Session, None]":
        """The sessions with output, in the order in which they came by it."""
        ...

    @property
    def to_work_off(self) -> "dict[Session, None]":
        """The sessions that go on in the next round, whether or not they are sent more."""
        ...

    def dispatch(self) -> None:
        """Give out what is ready.  Never raises."""
        ...

    def account(self, byte_count: int) -> None:
        """A session holds so many bytes more, or less, for its client."""
        ...

    def logged_in(self, session: "Session") -> None:
        """The session's connection is open."""
        ...

    def ended(self, session: "Session") -> None:
        """The session is over and its socket closed."""
        ...
