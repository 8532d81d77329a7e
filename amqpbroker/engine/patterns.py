r"""Regular expressions of operators for names of peers.

RabbitMQ's are Perl's (PCRE), ours are Python's: `re` reads nearly all of the ones in use alike.
POSIX's classes (``[[:alpha:]]``) are translated, and what Python does not know (``\K``, ``(?R)``)
is refused, never misunderstood.  A pattern is found anywhere in the name, unless it says ^ and $.

A pattern has `PATTERN_CHARACTERS_MAX` characters at most, a name 255 bytes, and what was decided
is remembered where it is asked for often.  Some patterns take very long for some names:
those with a repetition inside a repetition.  Operators write patterns, and docs/access-control.md
warns them.
"""

import re
from collections.abc import Mapping
from typing import Final

from amqpbroker.engine.operator_error import OperatorError

PATTERN_CHARACTERS_MAX: Final = 1024
#: Patterns that are found in every name.
_ALL: Final = frozenset((".*", "^.*", ".*$"))
#: A set in brackets, with what stands in it; or an escape, lest its bracket be taken for one.
_SET: Final = re.compile(
    r"\\.|\[(?P<negated>\^?)(?P<set>\]?(?:\[:\w+:\]|\\.|[^\]\\])*)\]", re.DOTALL
)
_POSIX_CLASS: Final = re.compile(r"\[:(\w+):\]")
#: What Python may yet give a meaning inside of sets, and warns of.
_SPECIAL_IN_PYTHON: Final = re.compile(r"\\.|\[|&|~|\||(?<=-)-", re.DOTALL)
#: {POSIX class: its characters, for use inside of brackets}
_POSIX_CLASSES: Final[Mapping[str, str]] = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "word": "\\w",
    "xdigit": "0-9a-fA-F",
}
#: {what Python says: what PCRE says, and whether at the end of the pattern}
_PCRE_WORDS: Final[Mapping[str, tuple[str, bool]]] = {
    "missing ), unterminated subpattern": ("missing )", True),
    "unbalanced parenthesis": ("unmatched parentheses", False),
    "unterminated character set": ("missing terminating ] for character class", True),
    "multiple repeat": ("nothing to repeat", False),
    "bad escape (end of pattern)": (r"\\ at end of pattern", True),
}


class Pattern:
    """A pattern of permissions.  Raises `OperatorError` for a text that is none.

    The empty one is found in the empty name only (S-327).
    """

    __slots__ = ("_compiled", "matches_all", "text")

    def __init__(self, text: str, variables: Mapping[str, str] | None = None) -> None:
        """In *text*, ``{name}`` stands for the variable of that name, taken literally."""
        _check_length(text)
        self.text = text
        for name, value in (variables or {}).items():
            text = text.replace(f"{{{name}}}", re.escape(value))
        self.matches_all = text in _ALL
        try:
            self._compiled = _compiled(text or r"^\Z")
        except (re.error, RecursionError, OverflowError) as error:
            raise OperatorError(f"'{self.text}' is not a regular expression: {error}") from None

    def __repr__(self) -> str:
        return f"<Pattern {self.text!r}>"

    def matches(self, name: str) -> bool:
        """Whether the pattern is found in *name*."""
        return self.matches_all or self._compiled.search(name) is not None


def compile_pattern(text: str) -> re.Pattern[str]:
    """A pattern of policies; the empty one is found in every name.

    Raises `OperatorError` in RabbitMQ's words.
    """
    _check_length(text)
    try:
        return _compiled(text)
    except (re.error, OverflowError, RecursionError) as error:
        message, position = str(getattr(error, "msg", error)), getattr(error, "pos", None) or 0
        words, is_at_end = _PCRE_WORDS.get(message, (message, False))
        end = len(text.encode("utf-8", "surrogateescape"))
        raise OperatorError(
            "pattern should be regular expression but is invalid: "
            f'{{"{words}",{end if is_at_end else position}}}'
        ) from None


def _check_length(text: str) -> None:
    if len(text) > PATTERN_CHARACTERS_MAX:
        raise OperatorError(f"a pattern has at most {PATTERN_CHARACTERS_MAX} characters")


def _compiled(text: str) -> re.Pattern[str]:
    return re.compile(_SET.sub(_translated, text))


def _translated(found: re.Match[str]) -> str:
    """A set of characters, or an escape outside of sets, which stays as it is."""
    if found["set"] is None:
        return found[0]
    members = _POSIX_CLASS.sub(_members_of, found["set"])
    return f"[{found['negated']}{_SPECIAL_IN_PYTHON.sub(_escaped, members)}]"


def _members_of(found: re.Match[str]) -> str:
    members = _POSIX_CLASSES.get(found[1])
    if members is None:
        raise re.error("unknown POSIX class name", found.string, found.start())
    return members


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("\\") else "\\" + found[0]
