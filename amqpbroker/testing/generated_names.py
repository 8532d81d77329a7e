"""What differs between two runs of the same conversation: generated names, and times.

Names that a broker makes are numbered in the order in which they are first met (``<queue-1>``),
the time of a death (x-death) is written ``<now>``; so lines of two runs can be compared.
"""

import re
from typing import Final

from attrs import Factory, define

_GENERATED: Final = re.compile(
    r"amq\.gen-(?P<queue>[A-Za-z0-9_-]{22})"
    r"|amq\.ctag-(?P<ctag>[A-Za-z0-9_-]{22})"
    r"|amq\.rabbitmq\.reply-to\.(?P<reply>[A-Za-z0-9_=+/.*-]+)"
)
_TIME_OF_DEATH: Final = re.compile(r"\btime=T:1\d{9}\b")


@define
class GeneratedNames:
    """The names met so far, numbered in the order in which they came."""

    _numbers: dict[str, str] = Factory(dict[str, str])  # {name: what stands for it}

    def normalised(self, line: str) -> str:
        """The line with every generated name and time replaced."""
        return _GENERATED.sub(self._stand_in, _TIME_OF_DEATH.sub("time=T:<now>", line))

    def _stand_in(self, found: re.Match[str]) -> str:
        name = found.group()
        if name not in self._numbers:
            kind = found.lastgroup
            count = sum(known.startswith(f"<{kind}-") for known in self._numbers.values())
            self._numbers[name] = f"<{kind}-{count + 1}>"
        return self._numbers[name]

    def by_number(self) -> dict[str, str]:
        """{what stands for it: the name}."""
        return {number: name for name, number in self._numbers.items()}
