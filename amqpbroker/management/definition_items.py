"""One object of a definitions file: reading its keys, and saying what is wrong with them.

Nothing is raised: everything that is wrong is noted, each in one line that names the object and
the key, so that all of it can be told at once.
"""

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final, cast

from amqpbroker.management.json_tables import table_of
from amqpbroker.spec.table import EMPTY_TABLE, Table

_SHOWN_CHARACTERS_MAX: Final = 60


class Findings:
    """What is wrong with a file, and what of it is passed over."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = []


class Item:
    """An object, with the place where it stands."""

    def __init__(self, place: str, values: Mapping[str, object], findings: Findings) -> None:
        self.place = place
        self._values = values
        self._findings = findings
        self._error_count = len(findings.errors)

    @property
    def is_good(self) -> bool:
        """Whether nothing wrong has been found in it."""
        return len(self._findings.errors) == self._error_count

    def wrong(self, text: str) -> None:
        """Note that something is wrong."""
        self._findings.errors.append(f"{self.place}: {text}")

    def note(self, text: str) -> None:
        """Note that something is passed over."""
        self._findings.notes.append(f"{self.place}: {text}")

    def expect_keys(self, known: Iterable[str]) -> None:
        """Take a key that nobody knows for a mistyped one, if it looks so; else pass over it."""
        known = tuple(known)
        for key in self._values:
            if key in known:
                continue
            meant = get_close_matches(key, known, 1, 0.75)
            if meant:
                self.wrong(f"unknown key '{key}': write '{meant[0]}'")
            else:
                self.note(f"the key '{key}' means nothing here, and is passed over")

    def has(self, key: str) -> bool:
        """Whether there is something under a key."""
        return self._values.get(key) is not None

    def raw(self, key: str, default: object = None) -> object:
        """Whatever stands under a key."""
        return self._values.get(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            self.wrong(f"'{key}' is missing: it must be a text")
        elif not isinstance(value, str):
            self.wrong(f"'{key}' must be a text, not {_shown(value)}")
        else:
            return value
        return ""

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            self.wrong(f"'{key}' must be true or false, not {_shown(value)}")
            return default
        return value

    def mapping(self, key: str) -> Mapping[str, object]:
        """An object; RabbitMQ writes an empty one as a list now and then."""
        value = self._values.get(key)
        if value is None or value == []:
            return {}
        if not isinstance(value, dict):
            self.wrong(f"'{key}' must be an object in braces, not {_shown(value)}")
            return {}
        return cast("Mapping[str, object]", value)

    def table(self, key: str) -> Table:
        """An object of arguments."""
        try:
            return table_of(self.mapping(key))
        except ValueError as error:
            self.wrong(f"'{key}': {error}")
            return EMPTY_TABLE

    def words(self, key: str) -> tuple[str, ...]:
        """Texts in a list, or in one text with commas between them."""
        value = self._values.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return tuple(filter(None, (word.strip() for word in value.split(","))))
        if isinstance(value, list):
            items = cast("list[object]", value)
            if all(isinstance(one, str) for one in items):
                return tuple(map(str, items))
        self.wrong(f"'{key}' must be a list of texts, not {_shown(self._values[key])}")
        return ()


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "..."
