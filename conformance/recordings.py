"""What real RabbitMQs said: one text file a case and version, and how to compare with it.

recordings/rabbitmq-4.0.5/<case>.dialogue
    # the case's title
    # covers S-087 S-092
    (an empty line)
    the lines of the dialogue
"""

from __future__ import annotations

import difflib
from pathlib import Path

from attrs import frozen

from conformance.dialogue import Dialogue
from conformance.registry import Case

DIRECTORY = Path(__file__).parent / "recordings"
VERSIONS = ("3.10.8", "4.0.5")
DEFAULT_VERSION = "4.0.5"


@frozen
class Difference:
    """The lines that only one side said, in order."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.theirs or self.ours)


def recorded_version(wanted: str) -> str:
    """The version that *wanted* (4.0, 4.0.5, 3.10 ...) means.  Raises `ValueError`."""
    for version in VERSIONS:
        if version == wanted or version.startswith(f"{wanted}."):
            return version
    raise ValueError(f"no recordings of RabbitMQ {wanted}; there are {', '.join(VERSIONS)}")


def path_of(case: Case, version: str) -> Path:
    return DIRECTORY / f"rabbitmq-{version}" / f"{case.name}.dialogue"


def write(case: Case, version: str, dialogue: Dialogue) -> bool:
    """Write what RabbitMQ *version* said; False when that is what stands there already."""
    path = path_of(case, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = [f"# {case.title}", f"# covers {' '.join(case.items)}", ""]
    text = "\n".join([*head, *dialogue.lines]) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def read(case: Case, version: str) -> list[str] | None:
    """The recorded lines; None when the case was never recorded."""
    path = path_of(case, version)
    if not path.exists():
        return None
    head, _, rest = path.read_text(encoding="utf-8").partition("\n\n")
    assert head.startswith("# "), f"{path.name} has no head"
    return rest.splitlines()


def difference_between(theirs: list[str], ours: list[str]) -> Difference:
    """What was said by one side only."""
    only: dict[str, list[str]] = {"-": [], "+": []}
    for line in difflib.ndiff(theirs, ours):
        if line[0] in only:
            only[line[0]].append(line[2:])
    return Difference(tuple(only["-"]), tuple(only["+"]))


def diff_text(theirs: list[str], ours: list[str]) -> str:
    """Both dialogues in one, for people: ``-`` RabbitMQ only, ``+`` the broker at hand only."""
    lines = [line for line in difflib.ndiff(theirs, ours) if not line.startswith("?")]
    return "\n".join(f"    {line}" for line in lines)
