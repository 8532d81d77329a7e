"""The states of a connection, and which methods may come in which.

    HEADER -> STARTING   [the protocol header]     STARTING -> TUNING  [connection.start-ok]
    TUNING -> OPENING    [connection.tune-ok]      OPENING -> OPEN     [connection.open]
    OPEN -> CLOSING      [we send connection.close, `Connection.closing`]
    any -> CLOSED        [connection.close, connection.close-ok; an error before OPENING]

Until OPENING an error gets no answer: the peer has not shown yet that it would understand one
(S-024).  From then on it gets a connection.close.
"""

from collections.abc import Mapping
from enum import Enum

from amqpbroker.spec import methods as m
from amqpbroker.spec.method import Method


class State(Enum):
    """Where a connection stands.  The values are RabbitMQ's words in error texts."""

    HEADER = "pre_init"
    STARTING = "starting"
    TUNING = "tuning"
    OPENING = "opening"
    OPEN = "running"
    CLOSING = "closing"
    CLOSED = "closed"


#: States in which an error closes the socket without a word.
SILENT_STATES = frozenset((State.HEADER, State.STARTING, State.TUNING))

#: {(state, method on channel 0): next state}; every other method on channel 0 is an error.
TRANSITIONS: Mapping[tuple[State, type[Method]], State] = {
    (State.STARTING, m.ConnectionStartOk): State.TUNING,
    (State.TUNING, m.ConnectionTuneOk): State.OPENING,
    (State.OPENING, m.ConnectionOpen): State.OPEN,
    (State.OPEN, m.ConnectionUpdateSecret): State.OPEN,
    (State.OPEN, m.ConnectionClose): State.CLOSED,
    (State.CLOSING, m.ConnectionClose): State.CLOSING,
    (State.CLOSING, m.ConnectionCloseOk): State.CLOSED,
}
