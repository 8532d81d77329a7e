"""Definitions that a broker has from the start: `amqpbroker serve --definitions FILE.json`."""

import logging
import secrets
from pathlib import Path
from typing import Final, cast

import attrs

from amqpbroker.engine import administration
from amqpbroker.engine.broker import Broker
from amqpbroker.management.definitions import (
    DEFINITIONS_BYTES_MAX,
    Document,
    WrongDefinitions,
    import_definitions,
    read_definitions,
)
from amqpbroker.server.run import CannotStart
from amqpbroker.server.settings import Settings

logger = logging.getLogger("amqpbroker")

_MIB: Final = 1024 * 1024


class DefinitionsAtStart:
    """A definitions file, read and ready to be taken into a broker."""

    def __init__(self, settings: Settings, *, is_default_user_meant: bool) -> None:
        """Read the file of *settings*.  Raises `CannotStart`, with everything that is wrong.

        Where the file names users, the default user is there only if it is one of them, or if
        whoever starts the broker has named it (`is_default_user_meant`): as in RabbitMQ, a file
        is not meant to leave guest's door open.
        """
        self._path = settings.definitions_file
        try:
            self._document = _load(self._path)
        except WrongDefinitions as error:
            raise self._refusal(error) from None
        self._vhost_name = settings.default_vhost
        self._dropped_user = None
        self.settings = settings  # with the user that a ready line may name
        user_names = _user_names(self._document)
        if user_names and not is_default_user_meant and settings.default_user not in user_names:
            self._dropped_user = settings.default_user
            self.settings = attrs.evolve(settings, default_user=user_names[0], default_password="")

    def prepare(self, broker: Broker) -> None:
        """Take everything in, or nothing.  Raises `CannotStart`, with everything that is wrong."""
        try:
            notes = import_definitions(
                broker, self._document, secrets.token_bytes, vhost_name=self._vhost_name
            )
        except WrongDefinitions as error:
            raise self._refusal(error) from None
        for note in notes:
            logger.warning("%s: %s", self._path, note)
        if self._dropped_user is not None and broker.users.get(self._dropped_user) is not None:
            administration.delete_user(broker, self._dropped_user)

    def _refusal(self, error: WrongDefinitions) -> CannotStart:
        return CannotStart(*(f"{self._path}: {line}" for line in error.shown()))


def _load(path: str) -> Document:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(DEFINITIONS_BYTES_MAX + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise WrongDefinitions([f"cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise WrongDefinitions(["this is no definitions file: it must be JSON in UTF-8"]) from None
    if len(raw) > DEFINITIONS_BYTES_MAX:
        raise WrongDefinitions([f"is larger than {DEFINITIONS_BYTES_MAX // _MIB} MiB"])
    return read_definitions(text)


def _user_names(document: Document) -> list[str]:
    users = document.get("users")
    if not isinstance(users, list):
        return []
    names = [
        cast("dict[str, object]", one).get("name")
        for one in cast("list[object]", users)
        if isinstance(one, dict)
    ]
    return [name for name in names if isinstance(name, str) and name]
