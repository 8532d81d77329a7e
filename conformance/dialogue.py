"""A dialogue: what a case and a broker said to each other, as lines that can be compared.

What may differ between two runs against the same broker is normalised: generated names are
numbered in the order in which they are first met (``<queue-1>``), and lines whose order is open
are sorted inside an ``any order`` block.  The ending that makes a case's own names unique is left
out: it says nothing.  The time of a death (x-death) shows as ``<now>``, and what messages about the
broker say of its node and of TCP connections as ``<node>`` and ``<connection>``.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from amqpbroker.testing.generated_names import GeneratedNames
from amqpbroker.testing.raw_events import Event, Sent
from amqpbroker.testing.wording import event_lines, sent_lines

_PATIENCE = re.compile(r"within [0-9.]+ s\b")

_PLACEHOLDERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bnode='[^']+'"), "node='<node>'"),
    (re.compile(r"\bfor user 'rabbit[\w.-]*@[\w.-]+'"), "for user '<node>'"),
    (re.compile(r"'127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+'"), "'<connection>'"),
)
"""What each run says anew, and what stands for it."""


class Dialogue:
    """The lines so far.  Several connections may write into it, each through its `Voice`."""

    def __init__(self, name_ending: str) -> None:
        self._name_ending = name_ending
        self.lines: list[str] = []
        self.problem = ""  # why the case could not go on, if it could not
        self._names = GeneratedNames()
        self._unordered: list[str] | None = None  # the server's lines of an open any-order block
        self._is_quiet = False

    def add(self, line: str) -> None:
        """Write a line down, normalised."""
        if self._is_quiet:
            return
        line = self._normalised(line)
        if self._unordered is not None and line.startswith("S"):
            self._unordered.append(line)
        else:
            self.lines.append(line)

    def note(self, text: str) -> None:
        """Write down a remark for the reader; it takes part in the comparison."""
        self.add(f"# {text}")

    def fail(self, reason: str) -> None:
        """Write down why the case cannot go on; how long it would have waited does not count."""
        self.problem = self._normalised(" ".join(reason.split()))
        self.problem = _PATIENCE.sub("in time", self.problem)
        self._is_quiet = False
        self.add(f"! {self.problem}")

    @contextmanager
    def quiet(self) -> Generator[None]:
        """Write nothing down: a preparation that is not part of the proof."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    @contextmanager
    def any_order(self) -> Generator[None]:
        """What the server says inside the block is written down sorted.

        Content lines stay behind their method.  Generated names are numbered as they come, so a
        block with several new ones should not be needed.
        """
        self._unordered = []
        try:
            yield
        finally:
            groups: list[list[str]] = []
            for line in self._unordered:
                if groups and _is_content(line):
                    groups[-1].append(line)
                else:
                    groups.append([line])
            self._unordered = None
            self.lines.append("any order:")
            self.lines += [f"  {line}" for group in sorted(groups) for line in group]

    def _normalised(self, text: str) -> str:
        for pattern, placeholder in _PLACEHOLDERS:
            text = pattern.sub(placeholder, text)
        return self._names.normalised(text).replace(self._name_ending, "")


class Voice:
    """One connection's part of a dialogue; an observer of a `RawConnection`."""

    def __init__(self, dialogue: Dialogue, number: int) -> None:
        self._dialogue = dialogue
        self._suffix = "" if number == 1 else f"/{number}"

    def sent(self, sent: Sent) -> None:
        for line in sent_lines(sent):
            self._dialogue.add(f"C{self._suffix} {line}")

    def received(self, event: Event) -> None:
        for line in event_lines(event):
            self._dialogue.add(f"S{self._suffix} {line}")


def _is_content(line: str) -> bool:
    return re.match(r"S\S* \d+   content ", line) is not None
