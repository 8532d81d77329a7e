"""A broker that does not run, in its data directory: its verbs, without sockets.

The store is opened as `amqpbroker serve` opens it, so nobody else has it meanwhile, and closed in
peace: messages come back as they would have.
"""

import os
from collections.abc import Mapping
from typing import Any

from amqpbroker.cli.store_trouble import explain
from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.restoring import restore
from amqpbroker.server.furnish import furnish
from amqpbroker.server.run import StoreError
from amqpbroker.server.server import make_name
from amqpbroker.server.settings import Settings
from amqpbroker.server.store import Store
from amqpbroker.server.verbs import perform
from amqpbroker.storage.disk import StoreLocked
from amqpbroker.storage.scan import StoreDamaged


class NoStore(Exception):
    """A sentence that says why the directory cannot be opened."""


class StoppedBroker:
    """What a data directory holds.  Raises `NoStore` when it cannot be opened."""

    def __init__(self, directory: str) -> None:
        if not os.path.isdir(directory) or not os.listdir(directory):  # noqa: PTH112, PTH208
            raise NoStore(f"there is no broker's data in {directory}")
        try:
            self._store = Store(directory, syncs=True, disk_free_limit_bytes=0)
        except (OSError, StoreLocked, StoreDamaged) as error:
            trouble = StoreError(directory)
            trouble.__cause__ = error
            raise NoStore(explain(trouble)) from None
        self._broker = Broker(make_name, users=Users(), vhost_names=(), journal=self._store.journal)
        restore(self._broker)
        furnish(self._broker, Settings())

    def perform(self, verb: str, arguments: Mapping[str, object]) -> Any:
        """Carry out a verb; its answer.  Raises `OperatorError`."""
        return perform(self._broker, verb, arguments)

    def close(self) -> None:
        """Write what was changed, and let go of the directory.  Raises `NoStore`."""
        for vhost in self._broker.vhosts.values():
            vhost.leave()
        self._store.journal.close()
        failure = self._store.journal.failure
        self._store.stop()
        if failure is not None:
            raise NoStore(f"cannot write what was changed: {failure.strerror or failure}")
