"""Has a case's dialogue with a broker."""

from __future__ import annotations

from amqpbroker.testing.raw_client import RawConnection
from conformance.consoles import Console
from conformance.dialogue import Dialogue
from conformance.peers import Peer
from conformance.registry import Case

TIME_LIMIT_S = 5.0
"""How long a case waits for an answer before it gives up."""

SLOW_AT_ONCE = 12
"""How many slow cases run side by side: they wait for time to pass, and use nothing."""


def hold(
    case: Case, url: str, *, time_limit_s: float = TIME_LIMIT_S, console: Console | None = None
) -> Dialogue:
    """Run *case* against the broker at *url* and return what was said.

    Cases that need ``admin`` administer the broker through *console*.

    What keeps the case from going on (an answer that it cannot use, silence) is the dialogue's
    last line.  A mistake in the case itself is raised.
    """
    peer = Peer(url, case.name, time_limit_s=time_limit_s, console=console)
    try:
        case.function(peer)
        peer.finish()
    except (AssertionError, OSError) as problem:
        peer.dialogue.fail(str(problem) or type(problem).__name__)
    try:
        peer.clean_up()
    except (AssertionError, OSError) as problem:
        peer.dialogue.fail(f"cleaning up: {problem}")
    return peer.dialogue


def server_identity(url: str) -> tuple[str, str]:
    """The product and the version that the broker at *url* gives in its server properties."""
    with RawConnection(url) as connection:
        properties = connection.start().server_properties
        return properties["product"].text, properties["version"].text
