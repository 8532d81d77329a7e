"""The one kind of failure that a run expects: a broker that does not do what was asked."""

from __future__ import annotations


class BenchError(Exception):
    """Something outside went wrong; the text says what, in one line, for the user."""
