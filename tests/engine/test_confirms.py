from __future__ import annotations

import pytest

from amqpbroker.engine.confirms import Confirms

Told = list[tuple[str, int, bool]]


def told(confirms: Confirms) -> Told:
    said: Told = []
    confirms.tell(
        lambda tag, multiple: said.append(("ack", tag, multiple)),
        lambda tag, multiple: said.append(("nack", tag, multiple)),
    )
    return said


@pytest.mark.parametrize(
    ("fates", "expected"),
    [
        ("", []),
        ("a", [("ack", 1, False)]),
        ("aaa", [("ack", 3, True)]),
        ("r", [("nack", 1, False)]),
        ("arr", [("ack", 1, False), ("nack", 2, False), ("nack", 3, False)]),
        ("aaraa", [("ack", 2, True), ("nack", 3, False), ("ack", 5, True)]),
    ],
)
def test_a_run_of_acked_publishes_is_told_together(fates: str, expected: Told) -> None:
    """(P2): (a)cked or (r)efused, in the order of publishing."""
    confirms = Confirms()
    for fate in fates:
        if fate == "a":
            confirms.accept(1)
        else:
            confirms.refuse()

    assert confirms.is_untold == bool(fates)
    assert told(confirms) == expected
    assert not confirms.is_untold


def test_what_was_told_is_not_told_again() -> None:
    """(P1)."""
    confirms = Confirms()
    confirms.accept(2)
    confirms.refuse()
    told(confirms)
    confirms.accept(1)

    assert told(confirms) == [("ack", 4, False)]
    assert told(confirms) == []
