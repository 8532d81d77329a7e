"""Which RabbitMQ this broker answers like, where its versions differ: one table.

Whatever is not here is as in 4.0, also where 3.10 did otherwise and 3.13 already did as 4.0 does:
x-last-death-*, CC kept beside a new routing key, headers in the order of their names.  What later
versions removed is not removed here.

(E1) Each row is one behaviour; nothing else in the broker asks for a version.
"""

from collections.abc import Mapping
from typing import Final

import attrs

from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX, PROTOCOL_HEADER
from amqpbroker.spec.table import Table


@attrs.frozen
class Emulation:
    """What one version does in its own way."""

    #: What the server properties say.
    version: str
    #: Whether the mechanism ANONYMOUS is offered (S-018, S-030).
    offers_anonymous: bool
    #: Whether AMQP 1.0 is named to a client that speaks something else (S-015).
    names_amqp_1: bool
    #: The largest body, in bytes, unless a setting says otherwise (S-352).
    message_bytes_max: int
    #: How often a message may come back to a quorum queue; None: as often as it takes (S-311).
    delivery_limit: int | None
    #: Whether quorum queues have two priorities (S-309).
    quorum_has_priorities: bool
    #: Whether the active consumer of a quorum queue makes way for a higher priority (S-272).
    single_active_yields: bool
    #: Whether a queue declared without a type is spoken of as a classic one (S-151).
    fills_in_queue_type: bool

    def header_answer(self, answer: bytes) -> bytes:
        """What is said to a client that does not speak AMQP 0-9-1, where 4.0 says *answer*."""
        return answer if self.names_amqp_1 else PROTOCOL_HEADER

    def compared(self, arguments: Table) -> Table:
        """A queue's arguments, which have its type filled in, as they are compared."""
        field = arguments.get("x-queue-type")
        if self.fills_in_queue_type or field is None or field.value != b"classic":
            return arguments
        return {name: other for name, other in arguments.items() if name != "x-queue-type"}


EMULATION_4_0: Final = Emulation(
    version="4.0.5",
    offers_anonymous=True,
    names_amqp_1=True,
    message_bytes_max=DEFAULT_MESSAGE_BYTES_MAX,
    delivery_limit=20,
    quorum_has_priorities=True,
    single_active_yields=True,
    fills_in_queue_type=True,
)
EMULATION_3_13: Final = Emulation(
    version="3.13.7",
    offers_anonymous=False,
    names_amqp_1=False,
    message_bytes_max=128 * 1024 * 1024,
    delivery_limit=None,
    quorum_has_priorities=False,
    single_active_yields=False,
    fills_in_queue_type=False,
)
#: {what --emulate is given: what it means}
EMULATIONS: Final[Mapping[str, Emulation]] = {"4.0": EMULATION_4_0, "3.13": EMULATION_3_13}
