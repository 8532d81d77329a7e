"""Where in the segments each entry stands, and whether it still counts.

Ids ascend, so the index is a row of shelves, each for a range of ids: the groups that entered
together, with the place of their record, and a byte for each id that says whether it is dead.

(X1) A shelf knows where its entries were written last: a record that was moved has a new place.
(X2) Where a group does not have all ids of its span, those that are missing are dead.

The thread that writes changes it, and others may look at any time: `lock` is held around looking
up a place and around changing one.
"""

import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

#: How many ids a shelf has, or a few more.
SHELF_IDS: Final = 1 << 17


class Place(NamedTuple):
    """Where the record of a group stands, and which ids are the group's."""

    segment_number: int
    position: int
    size_bytes: int
    first_id: int
    span: int


class _Shelf:
    """The groups of a range of ids."""

    __slots__ = (
        "base",
        "dead",
        "end",
        "firsts",
        "group_counts",
        "live_count",
        "places",
        "sizes",
        "spans",
    )

    def __init__(self, base: int) -> None:
        self.base = base  # no id is below
        self.end = base  # nor here or above
        self.firsts = array("Q")
        self.spans = array("I")
        self.places = array("Q")  # segment number << 32 | position
        self.sizes = array("I")
        self.dead = bytearray()  # by id - base: 1 where there is no such entry any more
        self.live_count = 0
        self.group_counts: dict[int, int] = {}  # {segment number: groups there}

    def groups(self, first: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(index, first id, end) of each group that has ids from *first* to *end*, cut to them."""
        index = max(bisect_right(self.firsts, first) - 1, 0)
        while index < len(self.firsts) and (group_first := self.firsts[index]) < end:
            group_end = group_first + self.spans[index]
            if group_end > first:
                yield index, max(first, group_first), min(end, group_end)
            index += 1

    def insert(self, first: int, span: int, place: int, size_bytes: int) -> int:
        """Add a group at its place in the order; its index."""
        index = len(self.firsts)
        if index and self.firsts[-1] > first:
            index = bisect_right(self.firsts, first)
        self.firsts.insert(index, first)
        self.spans.insert(index, span)
        self.places.insert(index, place)
        self.sizes.insert(index, size_bytes)
        end = first + span
        if end > self.end:
            self.dead.extend(bytes(end - self.end))
            self.end = end
        return index


class Index:
    """All entries of the log."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._shelves: list[_Shelf] = []
        self._bases: list[int] = []  # of the shelves
        self._shelves_in: dict[int, dict[_Shelf, None]] = {}  # {segment number: shelves}

    @property
    def live_count(self) -> int:
        """How many entries have not left; those of deleted queues count."""
        return sum(shelf.live_count for shelf in self._shelves)

    def add(
        self,
        first: int,
        span: int,
        place: tuple[int, int, int],
        indices: Sequence[int] | None = None,
    ) -> int | None:
        """Note a group: (segment number, position, bytes) of its record; where it was before.

        The answer is the number of the segment that had it, None where it is new.
        """
        segment_number, position, size_bytes = place
        packed = segment_number << 32 | position
        shelf = self._shelf_for(first)
        with self.lock:
            for index, group_first, _ in shelf.groups(first, first + 1):
                if group_first == first and shelf.firsts[index] == first:
                    before = shelf.places[index] >> 32
                    shelf.places[index] = packed
                    shelf.sizes[index] = size_bytes
                    self._count(shelf, before, -1)
                    self._count(shelf, segment_number, 1)
                    return before
            self._count(shelf, segment_number, 1)
            shelf.insert(first, span, packed, size_bytes)
            if indices is None or len(indices) == span:
                shelf.live_count += span
                return None
            start = first - shelf.base
            shelf.dead[start : start + span] = b"\1" * span
            for index in indices:
                shelf.dead[start + index] = 0
            shelf.live_count += len(indices)
            return None

    def bury(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """Mark entries as dead; yields (segment number, how many of them were alive there)."""
        for shelf, start, end in self._shelves_of(first, first + count):
            for index, group_start, group_end in list(shelf.groups(start, end)):
                low, high = group_start - shelf.base, group_end - shelf.base
                alive = shelf.dead.count(0, low, high)
                if alive:
                    shelf.dead[low:high] = b"\1" * (high - low)
                    shelf.live_count -= alive
                yield shelf.places[index] >> 32, alive

    def alive(self, first: int, span: int) -> bytes:
        """A byte for each id from *first*: 0 where the entry is alive."""
        shelf = self._shelf_at(first)
        if shelf is None:
            return b"\1" * span
        start = first - shelf.base
        return bytes(shelf.dead[start : start + span])

    def places(self, first: int, count: int) -> list[tuple[Place, int, int]]:
        """Where entries stand: (place of the group, first id, end) in the order of their ids."""
        found: list[tuple[Place, int, int]] = []
        with self.lock:
            for shelf, start, end in self._shelves_of(first, first + count):
                for index, group_start, group_end in shelf.groups(start, end):
                    packed = shelf.places[index]
                    place = Place(
                        packed >> 32,
                        packed & 0xFFFFFFFF,
                        shelf.sizes[index],
                        shelf.firsts[index],
                        shelf.spans[index],
                    )
                    found.append((place, group_start, group_end))
        return found

    def place_of_group(self, first: int) -> tuple[int, int] | None:
        """(segment number, position) of the record that has a group's entries."""
        for place, _, _ in self.places(first, 1):
            if place.first_id == first:
                return place.segment_number, place.position
        return None

    def forget_segment(self, number: int) -> None:
        """A segment is removed: what it alone had is dead."""
        for shelf in list(self._shelves_in.pop(number, ())):
            del shelf.group_counts[number]
            if not shelf.group_counts:
                place = self._bases.index(shelf.base)
                with self.lock:
                    del self._shelves[place], self._bases[place]
            elif shelf.live_count:
                for index, packed in enumerate(shelf.places):
                    if packed >> 32 == number:
                        low = shelf.firsts[index] - shelf.base
                        high = low + shelf.spans[index]
                        shelf.live_count -= shelf.dead.count(0, low, high)
                        shelf.dead[low:high] = b"\1" * (high - low)

    def _count(self, shelf: _Shelf, number: int, change: int) -> None:
        """Note that a segment has a group of a shelf more, or less."""
        count = shelf.group_counts.get(number, 0) + change
        if count:
            shelf.group_counts[number] = count
            self._shelves_in.setdefault(number, {})[shelf] = None
        else:
            del shelf.group_counts[number]
            del self._shelves_in[number][shelf]

    def _shelf_for(self, first: int) -> _Shelf:
        """The shelf that a new group belongs on."""
        shelf = self._shelf_at(first)
        if shelf is None or (first - shelf.base >= SHELF_IDS and first >= shelf.end):
            place = bisect_right(self._bases, first)
            shelf = _Shelf(first)
            with self.lock:
                self._shelves.insert(place, shelf)
                self._bases.insert(place, first)
        return shelf

    def _shelf_at(self, first: int) -> _Shelf | None:
        place = bisect_right(self._bases, first) - 1
        return self._shelves[place] if place >= 0 else None

    def _shelves_of(self, first: int, end: int) -> Iterator[tuple[_Shelf, int, int]]:
        """The shelves that have a part in a range of ids, each with its part."""
        place = max(bisect_right(self._bases, first) - 1, 0)
        while place < len(self._shelves) and (shelf := self._shelves[place]).base < end:
            if shelf.end > first:
                yield shelf, max(first, shelf.base), min(end, shelf.end)
            place += 1
