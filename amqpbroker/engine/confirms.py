"""Publisher confirms: which of a channel's publishes are settled, and what to tell the client.

(P1) Every publish tag is acked or refused once.
(P2) Tags are told in ascending order, and `multiple` covers a run of acked ones only (S-214).
(P3) A publish that the journal keeps is told when the transaction that it is part of is safe, and
     with it all that were accepted after the one before (S-211).

Telling is put off to the end of a pass, so that one basic.ack with `multiple` covers what was
published in it.
"""

from collections import deque
from collections.abc import Callable

Tell = Callable[[int, bool], None]  # (publish_tag, multiple)


class Confirms:
    """The publish tags of one channel in confirm mode, from 1."""

    __slots__ = ("_last_tag", "_refused", "_told_tag", "_unsafe")

    _last_tag: int
    _told_tag: int  # up to here the client knows
    _refused: deque[int]  # untold, ascending; all other untold tags are acked
    _unsafe: deque[tuple[int, int]]  # (last tag, number of the transaction it waits for)

    def __init__(self) -> None:
        self._last_tag = 0
        self._told_tag = 0
        self._refused = deque()
        self._unsafe = deque()

    @property
    def is_untold(self) -> bool:
        """Whether there is something to tell, now or when more is safe."""
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

    def wait_for(self, number: int) -> None:
        """The publish accepted last, and so those before it, wait for a transaction."""
        unsafe = self._unsafe
        if unsafe and unsafe[-1][1] == number:
            unsafe.pop()
        unsafe.append((self._last_tag, number))

    def tell(self, ack: Tell, nack: Tell, safe_number: int = 0) -> None:
        """Tell what is untold, as far as the transactions up to *safe_number* are safe."""
        unsafe, refused = self._unsafe, self._refused
        up_to_tag = self._last_tag
        if unsafe:
            up_to_tag = self._told_tag
            while unsafe and unsafe[0][1] <= safe_number:
                up_to_tag, _ = unsafe.popleft()
            if not unsafe:
                up_to_tag = self._last_tag
        while refused and refused[0] <= up_to_tag:
            refused_tag = refused.popleft()
            self._tell_acked(refused_tag - 1, ack)
            nack(refused_tag, False)
            self._told_tag = refused_tag
        self._tell_acked(up_to_tag, ack)

    def _tell_acked(self, up_to_tag: int, ack: Tell) -> None:
        count = up_to_tag - self._told_tag
        if count:
            ack(up_to_tag, count > 1)
            self._told_tag = up_to_tag
