"""Regular expressions of operators for names of peers.

RabbitMQ's are Perl's, ours are Python's: `re` reads nearly all of the ones in use alike.  As there,
a pattern is found anywhere in the name, unless it says ^ and $, and the empty one is found in the
empty name only (S-327).

A pattern has `PATTERN_CHARACTERS_MAX` characters at most, a name 255 bytes, and what was decided
is remembered where it is asked for often.
"""

import re
from collections.abc import Mapping
from typing import Final

from amqpbroker.engine.operator_error import OperatorError

PATTERN_CHARACTERS_MAX: Final = 1024
#: Patterns that are found in every name.
_ALL: Final = frozenset((".*", "^.*", ".*$"))


class Pattern:
    """A regular expression.  Raises `OperatorError` for a text that is none."""

    __slots__ = ("_compiled", "matches_all", "text")

    def __init__(self, text: str, variables: Mapping[str, str] | None = None) -> None:
        """In *text*, ``{name}`` stands for the variable of that name, taken literally."""
        if len(text) > PATTERN_CHARACTERS_MAX:
            raise OperatorError(f"a pattern has at most {PATTERN_CHARACTERS_MAX} characters")
        self.text = text
        for name, value in (variables or {}).items():
            text = text.replace(f"{{{name}}}", re.escape(value))
        self.matches_all = text in _ALL
        try:
            self._compiled = re.compile(text or r"^\Z")
        except (re.error, RecursionError, OverflowError) as error:
            raise OperatorError(f"'{self.text}' is not a regular expression: {error}") from None

    def __repr__(self) -> str:
        return f"<Pattern {self.text!r}>"

    def matches(self, name: str) -> bool:
        """Whether the pattern is found in *name*."""
        return self.matches_all or self._compiled.search(name) is not None
