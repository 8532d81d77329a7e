from __future__ import annotations

import pytest

from amqpbroker.engine.access import User, Users

GUEST = User("guest", "secret", loopback_only=True)
ALICE = User("alice", "geheim\udcff")
NOBODY = User("nobody", "")


@pytest.mark.parametrize(
    ("name", "password", "from_loopback", "expected"),
    [
        ("guest", "secret", True, GUEST),
        ("guest", "secret", False, None),  # from elsewhere, however right
        ("guest", "Secret", True, None),
        ("alice", "geheim\udcff", False, ALICE),
        ("alice", "", False, None),
        ("nobody", "", False, None),  # an empty password is never right
        ("bob", "no such user", False, None),  # what unknown users are compared with
    ],
)
def test_only_the_right_password_from_the_right_place_lets_in(
    name: str, password: str, from_loopback: bool, expected: User | None
) -> None:
    users = Users({user.name: user for user in (GUEST, ALICE, NOBODY)})

    assert users.authenticate(name, password, from_loopback=from_loopback) == expected


def test_adding_a_user_again_replaces_it() -> None:
    users = Users()

    users.add(User("guest", "old"))
    users.add(User("guest", "new"))

    assert users.get("guest") == User("guest", "new")
    assert users.get("nobody") is None


def test_a_user_does_not_show_its_password() -> None:
    assert "secret" not in repr(GUEST)
