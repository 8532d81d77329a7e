"""Several witnesses in the place of one, so that whoever tells them need not count them."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

PortT = TypeVar("PortT")


class Watch(Generic[PortT]):
    """Those who watch, as one; None while there is nobody."""

    __slots__ = ("_witnesses",)

    def __init__(self) -> None:
        self._witnesses: list[PortT] = []

    def add(self, witness: PortT) -> PortT | None:
        """Let another watch from now on; all together."""
        assert witness not in self._witnesses, witness
        self._witnesses.append(witness)
        return self._together()

    def remove(self, witness: PortT) -> PortT | None:
        """Let one who watches go; the others together."""
        self._witnesses.remove(witness)
        return self._together()

    def _together(self) -> PortT | None:
        if len(self._witnesses) > 1:
            return cast("PortT", _Several(self._witnesses))
        return self._witnesses[0] if self._witnesses else None


class _Several:
    """Tells each witness, in the order in which they came."""

    def __init__(self, witnesses: Sequence[object]) -> None:
        self._witnesses = tuple(witnesses)

    def __getattr__(self, verb: str) -> Callable[..., None]:
        """The verb of all; found once, and then an attribute of its own."""
        tells: list[Callable[..., None]] = [getattr(witness, verb) for witness in self._witnesses]

        def tell_all(*arguments: object, **options: object) -> None:
            for tell in tells:
                tell(*arguments, **options)

        setattr(self, verb, tell_all)
        return tell_all
