"""Who may log in.  What they may do then is `permissions.py`'s part.

A login is tried in two steps, so that the slow one can be done elsewhere:

    attempt = users.attempt(name, password)     what there is to compute
    is_right = attempt.is_right()               tenths of a second, unless `attempt.is_quick`
    user = users.conclude(attempt, is_right, from_loopback=...)

(U1) A refused login takes as long for an unknown user as for a known one: as long as the costliest
     hash in the table takes.
(U2) Who logged in once is recognised at once the next time: of the password that was right there
     is a keyed hash, one for each user, which is forgotten with whatever changes the user.  So a
     thousand connections of one program do not cost a thousand times 0.15 s.  The key is given,
     as chance, and never leaves the process.
(U3) Passwords themselves are not kept.
"""

import hmac
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import PASSWORD_BYTES_MAX, PasswordHash, raw_password

#: RabbitMQ's user for everybody, who may come from this machine only (S-028).
GUEST_NAME: Final = "guest"
#: Who acts when nobody has asked for it: what expires, what a lost connection leaves.
INTERNAL_USER: Final = "rmq-internal"
#: The tag of users who may publish in others' names (S-202).
IMPERSONATOR: Final = "impersonator"
#: Names of users and vhosts, in bytes: as long as AMQP allows (a short string).
NAME_BYTES_MAX: Final = 255
TAGS_MAX: Final = 32
#: What unknown names are compared with when every hash in the table is quick.
_QUICK_DECOY: Final = PasswordHash("rabbit-sha256", (), b"salt", bytes(32))


@attrs.frozen
class User:
    """Somebody who may log in.

    Without a `password_hash` with no password, but in other ways.  `loopback_only` users may log
    in from this machine alone; without a word to the contrary guest is one.
    """

    name: str
    password_hash: PasswordHash | None = attrs.field(default=None, repr=False)
    tags: tuple[str, ...] = ()
    loopback_only: bool = attrs.field(
        default=attrs.Factory(lambda self: self.name == GUEST_NAME, takes_self=True)
    )

    @property
    def may_impersonate(self) -> bool:
        """Whether the user may publish with the user-id of others."""
        return IMPERSONATOR in self.tags


@attrs.frozen
class LoginAttempt:
    """Somebody says to be a user.  Knows nothing that changes: any thread may compute it."""

    user_name: str
    user: User | None  # of that name, when it was begun
    is_proven: bool  # the password is right: it was before, or a quick hash says so
    password: str = attrs.field(repr=False)
    _to_compute: PasswordHash = attrs.field(repr=False)  # the user's, or what costs as much

    @property
    def is_quick(self) -> bool:
        """Whether `is_right` takes no time worth mentioning."""
        return self.is_proven or self._to_compute.is_quick

    def is_right(self) -> bool:
        """Whether the password is the user's.  An empty one never is (S-027)."""
        if self.is_proven:
            return True
        is_same = self._to_compute.is_of(self.password)
        is_own = self.user is not None and self._to_compute is self.user.password_hash
        return is_same and is_own and bool(self.password)


class Users:
    """The table of users.  *secret* is the key of (U2), 32 bytes of chance."""

    def __init__(self, users: Iterable[User] = (), *, secret: bytes = b"") -> None:
        self._users: dict[str, User] = {}
        self._secret = secret
        self._proofs: dict[str, bytes] = {}  # {user name: of the password that was right}
        self._decoy: PasswordHash = _QUICK_DECOY
        for user in users:
            self.put(user)

    def __iter__(self) -> Iterator[User]:
        return iter(self._users.values())

    def __len__(self) -> int:
        return len(self._users)

    def put(self, user: User) -> None:
        """Add a user, or replace the one of that name.  Raises `OperatorError`."""
        check_name("user", user.name)
        if len(user.tags) > TAGS_MAX:
            raise OperatorError(f"a user has at most {TAGS_MAX} tags")
        old = self._users.get(user.name)
        self._users[user.name] = user
        self._forget(old)
        if user.password_hash is not None and not user.password_hash.is_quick:
            self._decoy = user.password_hash

    def get(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def delete(self, name: str) -> None:
        """Delete a user.  Raises `OperatorError` for one that is not there."""
        user = self._users.pop(name, None)
        if user is None:
            raise OperatorError(f"there is no user '{name}'")
        self._forget(user)

    def vouched_for(self, name: str, *, from_loopback: bool) -> User | None:
        """The user whom something else than a password vouches for; else None."""
        user = self._users.get(name)
        if user is None or (user.loopback_only and not from_loopback):
            return None
        return user

    def attempt(self, name: str, password: str) -> LoginAttempt:
        """Begin a login."""
        user = self._users.get(name)
        own = None if user is None else user.password_hash
        known = self._proofs.get(name)
        if not password or len(password) > PASSWORD_BYTES_MAX:
            is_proven = False
        elif own is not None and own.is_quick:
            is_proven = own.is_of(password)
        else:
            is_proven = known is not None and hmac.compare_digest(
                known, _proof(self._secret, password)
            )
        to_compute = self._decoy if own is None or own.is_quick else own
        return LoginAttempt(name, user, is_proven, password, to_compute)

    def again(self, attempt: LoginAttempt) -> LoginAttempt:
        """The same attempt, begun now."""
        return self.attempt(attempt.user_name, attempt.password)

    def remember(self, attempt: LoginAttempt) -> None:
        """The password of *attempt* was right: it will be recognised, unless the user changed."""
        user = attempt.user
        if user is not None and self._users.get(user.name) is user:
            self._proofs[user.name] = _proof(self._secret, attempt.password)

    def conclude(
        self, attempt: LoginAttempt, is_right: bool, *, from_loopback: bool
    ) -> User | None:
        """The user, if the password was right and it came from where it counts; else None.

        Also None when the user has changed since the attempt began.
        """
        user = attempt.user
        if not is_right or user is None or self._users.get(attempt.user_name) is not user:
            return None
        self.remember(attempt)
        if user.loopback_only and not from_loopback:
            return None
        return user

    def authenticate(self, name: str, password: str, *, from_loopback: bool) -> User | None:
        """Both steps of a login at once, however long it takes."""
        attempt = self.attempt(name, password)
        return self.conclude(attempt, attempt.is_right(), from_loopback=from_loopback)

    def _forget(self, user: User | None) -> None:
        """A user is not in the table any more."""
        if user is None:
            return
        self._proofs.pop(user.name, None)
        if user.password_hash is self._decoy:
            hashes = [one.password_hash for one in self if one.password_hash is not None]
            self._decoy = next((one for one in hashes if not one.is_quick), _QUICK_DECOY)


def check_name(kind: str, name: str) -> None:
    """Refuse what is no name for a user or a vhost."""
    if not name:
        raise OperatorError(f"a {kind} needs a name")
    if len(name.encode("utf-8", "surrogateescape")) > NAME_BYTES_MAX:
        raise OperatorError(f"the name of a {kind} has at most {NAME_BYTES_MAX} bytes")


def _proof(secret: bytes, password: str) -> bytes:
    return hmac.digest(secret, raw_password(password), "sha256")
