"""The test kit of a server that runs already: `amqpbroker serve --test-api`."""

import threading

from amqpbroker.server.server import Server
from amqpbroker.testing.local_broker import BrokerOptions, LocalBroker
from amqpbroker.testing.server_thread import ServerThread


class _ThisThread(ServerThread):
    """A server that runs in the thread in which this is made."""

    def __init__(self, server: Server) -> None:
        self.adopt(server, threading.current_thread())

    def start(self) -> None:
        """It has started."""

    def stop(self) -> None:
        """Whoever has started it stops it."""


class ServedBroker(LocalBroker):
    """All that a `LocalBroker` offers, of a server that somebody else has started and will stop."""

    def __init__(self, server: Server, host: str, port: int, journeys: int) -> None:
        """Made in the server's thread, before its first client comes."""
        self.host = host
        self.port = port
        self._furnish(_ThisThread(server), BrokerOptions(journeys=journeys))

    def close(self) -> None:
        """Nothing: it is not ours."""
