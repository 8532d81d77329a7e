"""Where a session stands.

OPEN    -> LEAVING  [we close: connection.close is sent, or nothing before login is over]
OPEN    -> PARTING  [the client closes, and is sent close-ok]
LEAVING -> PARTING  [connection.close-ok]
PARTING -> ENDED    [everything is sent]
any     -> ENDED    [the connection is lost, or the time is over]
"""

from enum import Enum


class Phase(Enum):
    """Where a session stands."""

    OPEN = "open"
    LEAVING = "leaving"
    PARTING = "parting"
    ENDED = "ended"
