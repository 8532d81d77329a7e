"""What is known of a client, for those who are told of its connection."""

from typing import Final

import attrs


@attrs.frozen
class ClientFacts:
    """How a client came, and what was agreed with it."""

    name: str = ""  # what its connection is called: 127.0.0.1:50123 -> 127.0.0.1:5672
    mechanism: str = ""  # by which it has logged in
    channel_max: int = 0
    frame_max: int = 0  # bytes
    heartbeat_seconds: int = 0
    is_tls: bool = False
    raw_properties: bytes = b""  # a table, as on the wire: most are asked for never

    @property
    def peer(self) -> tuple[str, int]:
        """The client's host and port."""
        return _end(self.name.partition(" -> ")[0])

    @property
    def here(self) -> tuple[str, int]:
        """The host and port that it came to."""
        return _end(self.name.partition(" -> ")[2])


def _end(name: str) -> tuple[str, int]:
    host, _, port = name.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else (name, 0)


#: Of a connection that no client has opened.
NO_FACTS: Final = ClientFacts()
