"""Programs for other languages."""

from __future__ import annotations

from interop.run import Entry


def entries() -> list[Entry]:
    return []
