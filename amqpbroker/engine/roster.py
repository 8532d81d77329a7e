"""Users and permissions in the journal: what is kept of them, by which key.

    user                (name)                     password hash, tags, whether from here only
    permission          (user, vhost)              three patterns
    topic_permission    (user, vhost, exchange)    two patterns

Virtual hosts are `register.py`'s part.
"""

from typing import TYPE_CHECKING, Final

from amqpbroker.engine.access import User
from amqpbroker.engine.passwords import PasswordHash
from amqpbroker.engine.permissions import Permissions, TopicPermissions

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.ports import Journal, Record

USER: Final = "user"
PERMISSION: Final = "permission"
TOPIC_PERMISSION: Final = "topic_permission"


def keep_user(journal: "Journal", user: User) -> None:
    """A user is there, or has changed."""
    record = {
        "password_hash": None if user.password_hash is None else user.password_hash.text,
        "tags": list(user.tags),
        "loopback_only": user.loopback_only,
    }
    journal.put(USER, (user.name,), record)


def keep_permissions(
    journal: "Journal", user_name: str, vhost_name: str, row: Permissions | None
) -> None:
    """A user may do so much in a vhost; None: may not come in."""
    if row is None:
        journal.remove(PERMISSION, (user_name, vhost_name))
        return
    record = {"configure": row.configure, "write": row.write, "read": row.read}
    journal.put(PERMISSION, (user_name, vhost_name), record)


def keep_topic_permissions(
    journal: "Journal",
    user_name: str,
    vhost_name: str,
    exchange_name: str,
    row: TopicPermissions | None,
) -> None:
    """A user may use such routing keys only; None: any."""
    key = (user_name, vhost_name, exchange_name)
    if row is None:
        journal.remove(TOPIC_PERMISSION, key)
    else:
        journal.put(TOPIC_PERMISSION, key, {"write": row.write, "read": row.read})


def forget(
    journal: "Journal", *, user_name: str | None = None, vhost_name: str | None = None
) -> None:
    """A user or a vhost is gone, and its rows with it."""
    if user_name is not None:
        journal.remove(USER, (user_name,))
    for kind in (PERMISSION, TOPIC_PERMISSION):
        for key, _ in list(journal.records(kind)):
            if key[0] == user_name or key[1] == vhost_name:
                journal.remove(kind, key)


def restore_access(broker: "Broker") -> None:
    """Take in the users and permissions that were kept.

    Nobody is connected yet, and the vhosts are there.
    """
    journal = broker.journal
    for (name,), record in journal.records(USER):
        broker.users.put(_user(name, record))
    for (user_name, vhost_name), record in journal.records(PERMISSION):
        row = Permissions(*(str(record[word]) for word in ("configure", "write", "read")))
        broker.permissions.set(user_name, vhost_name, row)
    for (user_name, vhost_name, exchange_name), record in journal.records(TOPIC_PERMISSION):
        topic = TopicPermissions(str(record["write"]), str(record["read"]))
        broker.permissions.set_topic(user_name, vhost_name, exchange_name, topic)


def _user(name: str, record: "Record") -> User:
    text, tags = record["password_hash"], record["tags"]
    assert isinstance(tags, list | tuple), record
    return User(
        name,
        None if text is None else PasswordHash.from_text(str(text)),
        tuple(map(str, tags)),
        loopback_only=bool(record["loopback_only"]),
    )
