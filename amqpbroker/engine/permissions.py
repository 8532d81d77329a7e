"""Who may do what: permissions of users in vhosts, and the one place that decides.

A row says what a user may do in a vhost: three regular expressions for the names of what the user
may configure, write to and read from.  Without a row the user may not come in (S-336).  A topic
row says with which routing keys the user may publish to one topic exchange, and bind to it;
without one all are allowed (S-337).

    declare, delete                  configure         S-329, S-331
    bind, unbind                     write on the destination, read on the source     S-332
    publish                          write on the exchange                            S-333
    consume, get, purge              read on the queue                                S-333
    alternate and dead-letter exchanges in a new object's arguments
                                     read on the object, write on the exchange        S-329, S-331

`Rights.check` and `Rights.check_topic` decide, nothing else does.

(P1) A pattern is found anywhere in the name unless it says ^ and $; the empty one matches the
     empty name only (S-327).
(P2) A change counts from the next request on, also for connections that are open.  RabbitMQ may
     go on for a while with what a channel has asked before (S-335).
(P3) Decisions are remembered, `DECISIONS_MAX` for each row.  Who may do everything is not asked.

Names come from peers, patterns from operators: `patterns.py` says how long a match may take.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Final

import attrs

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.patterns import Pattern
from amqpbroker.spec.errors import access_refused

#: How many decisions a row remembers; with one more it forgets all.
DECISIONS_MAX: Final = 1024
#: How many exchanges a user may have topic permissions for, in one vhost.
TOPIC_ROWS_MAX: Final = 1024
_DEFAULT_EXCHANGE: Final = "amq.default"  # its name in permissions and in texts (S-327)


class Operation(Enum):
    """What somebody wants to do with a queue or an exchange.  The values are RabbitMQ's words."""

    CONFIGURE = "configure"
    WRITE = "write"
    READ = "read"


@attrs.frozen
class Permissions:
    """What a user may do in a vhost: regular expressions for names."""

    configure: str
    write: str
    read: str


@attrs.frozen
class TopicPermissions:
    """With which routing keys a user may use a topic exchange: regular expressions.

    ``{username}`` and ``{vhost}`` in them stand for these names.
    """

    write: str
    read: str


EVERYTHING: Final = Permissions(".*", ".*", ".*")
NOTHING: Final = Permissions("", "", "")


class Rights:
    """What one user may do in one vhost."""

    __slots__ = ("_decisions", "_patterns", "_topics", "is_full", "user_name", "vhost_name")

    def __init__(
        self,
        user_name: str,
        vhost_name: str,
        permissions: Permissions,
        topics: Mapping[str, TopicPermissions],
    ) -> None:
        self.user_name = user_name
        self.vhost_name = vhost_name
        self._patterns = {
            Operation.CONFIGURE: Pattern(permissions.configure),
            Operation.WRITE: Pattern(permissions.write),
            Operation.READ: Pattern(permissions.read),
        }
        self._topics = {  # {exchange name: {operation: pattern}}
            exchange_name: {
                Operation.WRITE: self._expanded(topic.write),
                Operation.READ: self._expanded(topic.read),
            }
            for exchange_name, topic in topics.items()
        }
        self._decisions: dict[tuple[Operation, str] | tuple[Operation, str, str], bool] = {}
        # Speed: whoever may do everything pays for one look at this a batch.
        self.is_full = not topics and all(one.matches_all for one in self._patterns.values())

    def __repr__(self) -> str:
        return f"<Rights of {self.user_name!r} in {self.vhost_name!r}>"

    def check(self, operation: Operation, kind: str, name: str) -> None:
        """Refuse what the user may not do with a "queue" or an "exchange": 403 (S-328)."""
        if self.is_full:
            return
        if kind == "exchange":
            name = name or _DEFAULT_EXCHANGE
        is_allowed = self._decisions.get((operation, name))
        if is_allowed is None:
            is_allowed = self._patterns[operation].matches(name)
            self._remember((operation, name), is_allowed)
        if not is_allowed:
            raise access_refused(
                f"{operation.value} access to {kind} '{name}' in vhost '{self.vhost_name}' "
                f"refused for user '{self.user_name}'"
            )

    def check_topic(self, operation: Operation, exchange_name: str, routing_key: str) -> None:
        """Refuse a routing key that the user may not use at a topic exchange: 403 (S-337)."""
        topic = self._topics.get(exchange_name)
        if topic is None:
            return
        question = (operation, exchange_name, routing_key)
        is_allowed = self._decisions.get(question)
        if is_allowed is None:
            is_allowed = topic[operation].matches(routing_key)
            self._remember(question, is_allowed)
        if not is_allowed:
            raise access_refused(
                f"{operation.value} access to topic '{routing_key}' in exchange "
                f"'{exchange_name}' in vhost '{self.vhost_name}' refused for user "
                f"'{self.user_name}'"
            )

    def _expanded(self, pattern: str) -> Pattern:
        return Pattern(pattern, {"username": self.user_name, "vhost": self.vhost_name})

    def _remember(
        self, question: tuple[Operation, str] | tuple[Operation, str, str], is_allowed: bool
    ) -> None:
        if len(self._decisions) >= DECISIONS_MAX:
            self._decisions.clear()
        self._decisions[question] = is_allowed


#: Of whoever asks for nobody: the broker itself, an operator.
UNLIMITED: Final = Rights("", "", EVERYTHING, {})


class PermissionTable:
    """All rows.  `changed` is told the user and the vhost whose rows have changed."""

    def __init__(self, changed: Callable[[str, str], None] = lambda user, vhost: None) -> None:
        self._changed = changed
        self._rows: dict[tuple[str, str], Permissions] = {}  # {(user name, vhost name): row}
        self._topics: dict[tuple[str, str], dict[str, TopicPermissions]] = {}  # by exchange
        self._rights: dict[tuple[str, str], Rights] = {}  # made of both when first asked for

    def __iter__(self) -> Iterator[tuple[str, str, Permissions]]:
        for (user_name, vhost_name), row in self._rows.items():
            yield user_name, vhost_name, row

    def topics(self) -> Iterator[tuple[str, str, str, TopicPermissions]]:
        """Every topic row: user, vhost, exchange, patterns."""
        for (user_name, vhost_name), rows in self._topics.items():
            for exchange_name, row in rows.items():
                yield user_name, vhost_name, exchange_name, row

    def rights(self, user_name: str, vhost_name: str) -> Rights | None:
        """What a user may do in a vhost; None for nothing, not even come in."""
        key = (user_name, vhost_name)
        rights = self._rights.get(key)
        if rights is None and (row := self._rows.get(key)) is not None:
            rights = Rights(user_name, vhost_name, row, self._topics.get(key, {}))
            self._rights[key] = rights
        return rights

    def set(self, user_name: str, vhost_name: str, row: Permissions = EVERYTHING) -> None:
        """Let a user in to a vhost.  Raises `OperatorError` for a pattern that is none."""
        for pattern in (row.configure, row.write, row.read):
            Pattern(pattern)
        self._rows[user_name, vhost_name] = row
        self._note(user_name, vhost_name)

    def clear(self, user_name: str, vhost_name: str) -> None:
        """Let a user in no more; topic rows stay, as in RabbitMQ."""
        if self._rows.pop((user_name, vhost_name), None) is not None:
            self._note(user_name, vhost_name)

    def set_topic(
        self, user_name: str, vhost_name: str, exchange_name: str, row: TopicPermissions
    ) -> None:
        """Limit a user's routing keys at a topic exchange.  Raises `OperatorError`."""
        for pattern in (row.write, row.read):
            Pattern(pattern, {"username": user_name, "vhost": vhost_name})
        rows = self._topics.setdefault((user_name, vhost_name), {})
        if exchange_name not in rows and len(rows) >= TOPIC_ROWS_MAX:
            raise OperatorError(f"a user has at most {TOPIC_ROWS_MAX} topic permissions in a vhost")
        rows[exchange_name] = row
        self._note(user_name, vhost_name)

    def clear_topic(self, user_name: str, vhost_name: str, exchange_name: str) -> None:
        """Limit them no more."""
        rows = self._topics.get((user_name, vhost_name), {})
        if rows.pop(exchange_name, None) is not None:
            if not rows:
                del self._topics[user_name, vhost_name]
            self._note(user_name, vhost_name)

    def forget(self, *, user_name: str | None = None, vhost_name: str | None = None) -> None:
        """A user or a vhost is deleted, and its rows go with it."""
        for key in [*self._rows, *self._topics]:
            if key[0] == user_name or key[1] == vhost_name:
                self._rows.pop(key, None)
                self._topics.pop(key, None)
                self._rights.pop(key, None)

    def _note(self, user_name: str, vhost_name: str) -> None:
        self._rights.pop((user_name, vhost_name), None)
        self._changed(user_name, vhost_name)
