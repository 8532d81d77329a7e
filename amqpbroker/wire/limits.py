"""What a connection may send: what it is offered in connection.tune, and held to before."""

from typing import Final

import attrs

from amqpbroker.spec.constants import (
    DEFAULT_CHANNEL_MAX,
    DEFAULT_FRAME_MAX,
    DEFAULT_HEARTBEAT_SECONDS,
    FRAME_MIN_BYTES,
)


@attrs.frozen
class WireLimits:
    """The limits of one connection (S-031, S-036)."""

    frame_max: int = DEFAULT_FRAME_MAX  # offered; `FRAME_MIN_BYTES` to `DEFAULT_FRAME_MAX`
    channel_max: int = DEFAULT_CHANNEL_MAX  # offered
    heartbeat_seconds: int = DEFAULT_HEARTBEAT_SECONDS  # offered; 0: none
    initial_frame_max: int = FRAME_MIN_BYTES  # before connection.tune-ok
    header_bytes_max: int = DEFAULT_FRAME_MAX  # of a message's properties


DEFAULT_WIRE_LIMITS: Final = WireLimits()
