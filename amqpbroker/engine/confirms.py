"""Publisher confirms: which of a channel's publishes are settled, and what to tell the client.

(P1) Every publish tag is acked or refused once.
(P2) Tags are told in ascending order, and `multiple` covers a run of acked ones only (S-214).

Telling is put off to the end of a pass, so that one basic.ack with `multiple` covers what was
published in it.
"""

from collections.abc import Callable

Tell = Callable[[int, bool], None]  # (publish_tag, multiple)


class Confirms:
    """The publish tags of one channel in confirm mode, from 1."""

    __slots__ = ("_last_tag", "_refused", "_told_tag")

    _last_tag: int
    _told_tag: int  # up to here the client knows
    _refused: list[int]  # untold, ascending; all other untold tags are acked

    def __init__(self) -> None:
        self._last_tag = 0
        self._told_tag = 0
        self._refused = []

    @property
    def is_untold(self) -> bool:
        """Whether there is something to tell."""
        return self._told_tag != self._last_tag

    @property
    def next_tag(self) -> int:
        """The tag of the next publish."""
        return self._last_tag + 1

    def accept(self, count: int) -> None:
        """The next *count* publishes are safe wherever they were routed to."""
        self._last_tag += count

    def refuse(self) -> None:
        """A queue did not take the next publish: it will be nacked, whoever else took it."""
        self._last_tag += 1
        self._refused.append(self._last_tag)

    def tell(self, ack: Tell, nack: Tell) -> None:
        """Tell what is untold."""
        for refused_tag in self._refused:
            self._tell_acked(refused_tag - 1, ack)
            nack(refused_tag, False)
            self._told_tag = refused_tag
        self._refused.clear()
        self._tell_acked(self._last_tag, ack)

    def _tell_acked(self, up_to_tag: int, ack: Tell) -> None:
        count = up_to_tag - self._told_tag
        if count:
            ack(up_to_tag, count > 1)
            self._told_tag = up_to_tag
