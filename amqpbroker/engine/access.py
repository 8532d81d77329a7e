"""Who may log in, and where to."""

import hmac
from collections.abc import Mapping

import attrs


@attrs.frozen
class User:
    """Somebody who may log in.

    `loopback_only` users may do so from this machine alone, as RabbitMQ's guest (S-028).
    """

    name: str
    password: str = attrs.field(repr=False)
    loopback_only: bool = False
    tags: tuple[str, ...] = ()


class Users:
    """The table of users."""

    def __init__(self, users: Mapping[str, User] | None = None) -> None:
        self._users = dict(users or {})

    def add(self, user: User) -> None:
        """Add a user, or replace the one of that name."""
        self._users[user.name] = user

    def get(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def authenticate(self, name: str, password: str, *, from_loopback: bool) -> User | None:
        """The user who gave the right password, from a place where it counts; else None.

        An empty password is never right (S-027).  Takes as long for unknown users as for known
        ones with a wrong password.
        """
        user = self._users.get(name)
        expected = user.password if user is not None else "no such user"
        matches = hmac.compare_digest(
            password.encode("utf-8", "surrogateescape"),
            expected.encode("utf-8", "surrogateescape"),
        )
        if user is None or not matches or not password:
            return None
        if user.loopback_only and not from_loopback:
            return None
        return user
