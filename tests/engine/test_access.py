from __future__ import annotations

import hashlib

import pytest

from amqpbroker.engine.access import NAME_BYTES_MAX, TAGS_MAX, User, Users
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import PasswordHash, hashed, hashed_quickly

SECRET = b"k" * 32


def quick(password: str) -> PasswordHash:
    return hashed_quickly(password, b"salt")


def slow(password: str) -> PasswordHash:
    """As slow ones are, with the work left out."""
    return hashed(password, b"s" * 16, iterations=1)


GUEST = User("guest", quick("secret"))
ALICE = User("alice", slow("geheim\udcff"))
NOBODY = User("nobody")


@pytest.mark.parametrize(
    ("name", "password", "from_loopback", "expected"),
    [
        ("guest", "secret", True, GUEST),
        ("guest", "secret", False, None),  # from elsewhere, however right
        ("guest", "Secret", True, None),
        ("alice", "geheim\udcff", False, ALICE),
        ("alice", "geheim", False, None),
        ("alice", "", False, None),
        ("nobody", "", False, None),  # without a password there is no right one
        ("nobody", "nobody", False, None),
        ("bob", "no such user", False, None),
    ],
)
def test_only_the_right_password_from_the_right_place_lets_in(
    name: str, password: str, from_loopback: bool, expected: User | None
) -> None:
    users = Users((GUEST, ALICE, NOBODY), secret=SECRET)

    answers = [users.authenticate(name, password, from_loopback=from_loopback) for _ in "12"]

    assert answers == [expected, expected]


def test_a_password_that_would_be_the_empty_one_lets_nobody_in() -> None:
    empty = PasswordHash("rabbit-md5", (), b"salt", hashlib.md5(b"salt").digest())
    users = Users((User("app", empty),), secret=SECRET)

    assert empty.is_of("")
    assert users.authenticate("app", "", from_loopback=True) is None


def test_who_was_let_in_is_recognised_at_once() -> None:
    users = Users((ALICE,), secret=SECRET)
    assert not users.attempt("alice", "geheim\udcff").is_quick

    users.authenticate("alice", "geheim\udcff", from_loopback=False)

    assert users.attempt("alice", "geheim\udcff").is_quick
    assert not users.attempt("alice", "another").is_quick


@pytest.mark.parametrize("change", ["another password", "another tag", "deleted and added"])
def test_who_has_changed_is_not(change: str) -> None:
    users = Users((ALICE,), secret=SECRET)
    users.authenticate("alice", "geheim\udcff", from_loopback=False)

    if change == "another password":
        users.put(User("alice", slow("better")))
    elif change == "another tag":
        users.put(User("alice", ALICE.password_hash, tags=("management",)))
    else:
        users.delete("alice")
        users.put(ALICE)

    assert not users.attempt("alice", "geheim\udcff").is_quick


def test_a_user_who_changes_while_the_password_is_checked_is_refused() -> None:
    users = Users((ALICE,), secret=SECRET)
    attempt = users.attempt("alice", "geheim\udcff")
    is_right = attempt.is_right()

    users.put(User("alice", slow("better")))

    assert is_right
    assert users.conclude(attempt, is_right, from_loopback=True) is None
    assert not users.attempt("alice", "geheim\udcff").is_right()


@pytest.mark.parametrize("name", ["alice", "guest", "nobody", "bob"])
def test_a_wrong_password_costs_what_it_costs_the_costliest_user(name: str) -> None:
    """(U1): nobody learns from the time that it takes which users there are."""
    users = Users((GUEST, ALICE, NOBODY), secret=SECRET)

    assert not users.attempt(name, "wrong").is_quick


def test_where_all_hashes_are_quick_nothing_is_slow() -> None:
    users = Users((GUEST, ALICE), secret=SECRET)
    users.delete("alice")

    assert users.attempt("guest", "wrong").is_quick
    assert users.attempt("bob", "wrong").is_quick


def test_adding_a_user_again_replaces_it() -> None:
    users = Users()

    users.put(User("app", quick("old")))
    users.put(User("app", quick("new")))

    assert users.get("app") == User("app", quick("new"))
    assert users.get("nobody") is None
    assert [user.name for user in users] == ["app"]
    assert len(users) == 1


def test_who_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(OperatorError, match="there is no user 'bob'"):
        Users().delete("bob")


def test_guest_is_from_here_only_unless_it_says_otherwise() -> None:
    assert User("guest").loopback_only
    assert not User("app").loopback_only
    assert not User("guest", loopback_only=False).loopback_only


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        (User(""), "a user needs a name"),
        (User("é" * (NAME_BYTES_MAX // 2 + 1)), "at most 255 bytes"),
        (User("app", tags=("tag",) * (TAGS_MAX + 1)), "at most 32 tags"),
    ],
)
def test_a_user_that_cannot_be_is_refused(user: User, complaint: str) -> None:
    users = Users()

    with pytest.raises(OperatorError, match=complaint):
        users.put(user)

    assert len(users) == 0


def test_neither_users_nor_attempts_show_a_password() -> None:
    users = Users((GUEST, ALICE), secret=SECRET)
    shown = [repr(GUEST), repr(ALICE), repr(users.attempt("guest", "secret"))]

    assert not any("secret" in text or "geheim" in text for text in shown)
