"""Counting what several bindings share: a destination, a pattern, the name of a header."""

from collections.abc import Hashable


class Tally(dict[Hashable, int]):
    """{thing: how many bindings share it}, in the order in which the things came.

    A thing is there as long as one binding wants it.
    """

    __slots__ = ()

    def add(self, thing: Hashable) -> None:
        self[thing] = self.get(thing, 0) + 1

    def remove(self, thing: Hashable) -> None:
        """Undo one `add`, which must have been."""
        count = self[thing] - 1
        if count:
            self[thing] = count
        else:
            del self[thing]
