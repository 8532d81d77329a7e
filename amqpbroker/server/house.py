"""The port between a session and the server that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from amqpbroker.engine.broker import Broker
from amqpbroker.server.reactor import Reactor
from amqpbroker.server.timekeeper import Timekeeper
from amqpbroker.wire.memo import PropertiesMemo

if TYPE_CHECKING:
    from amqpbroker.server.session import Session


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
    def properties_memo(self) -> PropertiesMemo:
        """What all connections remember of properties."""
        ...

    @property
    def has_express(self) -> bool:
        """Whether connections use the express lane."""
        ...

    @property
    def tls_port(self) -> int | None:
        """Where TLS is spoken, if it is."""
        ...

    @property
    def alarm(self) -> str | None:
        """Why publishers must wait, in RabbitMQ's words; None when they need not."""
        ...

    @property
    def awaiting(self) -> "dict[Session, int]":
        """The sessions that answer when a transaction is safe: {session: its number}."""
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
