"""How a case administers the broker that it runs against: users, vhosts, policies, limits.

    @case("S-345", needs="admin length")
    def lowering_a_limit(peer: Peer) -> None:
        peer.own_vhost()
        ...
        peer.admin.set_policy("short", "^q", {"max-length": 2}, apply_to="queues")

Each act is a line of the dialogue, ``A set_policy name='short' pattern='^q' ...``; what the
broker will not do is answered ``S - refused "..."``.  The names of users and vhosts are the case's
own: they are removed when the case is over, and what belongs to a vhost goes with it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from conformance.consoles import Console, Refused
from conformance.dialogue import Dialogue

_USUAL = ("apply_to='all'", "priority=0", "password='secret'", "tags=''")
"""What is not written down."""


class Admin:
    """Administers through a console, writes down what it does, and undoes it in the end."""

    def __init__(self, console: Console, dialogue: Dialogue, name_ending: str) -> None:
        self._console = console
        self._dialogue = dialogue
        self._name_ending = name_ending
        self._undoings: list[tuple[str, dict[str, str]]] = []
        self.vhost_name = "/"  # where things are done unless another is given

    @contextmanager
    def refused(self) -> Generator[None]:
        """What is done inside the block must be refused; the broker's words are written down."""
        try:
            yield
        except Refused:
            return
        raise AssertionError("the broker did what it should refuse")

    # Vhosts

    def add_vhost(
        self,
        word: str,
        *,
        default_queue_type: str | None = None,
        description: str | None = None,
    ) -> str:
        """A new vhost's name."""
        name = word + self._name_ending
        self._undoings.append(("delete_vhost", {"name": name}))
        self._perform(
            "add_vhost",
            name=name,
            default_queue_type=default_queue_type,
            description=description,
        )
        return name

    def delete_vhost(self, name: str) -> None:
        self._perform("delete_vhost", name=name)

    def set_vhost_limit(self, limit: str, value: object, *, vhost: str | None = None) -> None:
        """Limit a vhost: max-connections, max-queues."""
        self._perform("set_vhost_limit", vhost=vhost or self.vhost_name, limit=limit, value=value)

    def clear_vhost_limit(self, limit: str, *, vhost: str | None = None) -> None:
        self._perform("clear_vhost_limit", vhost=vhost or self.vhost_name, limit=limit)

    def trace_on(self, *, vhost: str | None = None) -> None:
        """Have what happens in a vhost copied to amq.rabbitmq.trace."""
        self._perform("trace_on", vhost=vhost or self.vhost_name)

    def trace_off(self, *, vhost: str | None = None) -> None:
        self._perform("trace_off", vhost=vhost or self.vhost_name)

    # Users

    def add_user(self, word: str, *, password: str = "secret", tags: str = "") -> str:
        """A new user's name.  *tags* are separated by commas."""
        name = word + self._name_ending
        self._undoings.append(("delete_user", {"name": name}))
        self._perform("add_user", name=name, password=password, tags=tags)
        return name

    def change_user(self, name: str, *, password: str = "secret", tags: str = "") -> None:
        """Give a user another password, or other tags."""
        self._perform("add_user", name=name, password=password, tags=tags)

    def delete_user(self, name: str) -> None:
        self._perform("delete_user", name=name)

    def set_permissions(
        self,
        user: str,
        *,
        configure: str = ".*",
        write: str = ".*",
        read: str = ".*",
        vhost: str | None = None,
    ) -> None:
        """Let a user in to a vhost."""
        self._perform(
            "set_permissions",
            vhost=vhost or self.vhost_name,
            user=user,
            configure=configure,
            write=write,
            read=read,
        )

    def clear_permissions(self, user: str, *, vhost: str | None = None) -> None:
        self._perform("clear_permissions", vhost=vhost or self.vhost_name, user=user)

    def set_topic_permissions(
        self, user: str, exchange: str, *, write: str, read: str, vhost: str | None = None
    ) -> None:
        """Let a user publish to, and bind to, a topic exchange with some routing keys only."""
        self._perform(
            "set_topic_permissions",
            vhost=vhost or self.vhost_name,
            user=user,
            exchange=exchange,
            write=write,
            read=read,
        )

    def clear_topic_permissions(self, user: str, *, vhost: str | None = None) -> None:
        self._perform("clear_topic_permissions", vhost=vhost or self.vhost_name, user=user)

    def set_user_limit(self, user: str, limit: str, value: object) -> None:
        """Limit a user: max-connections, max-channels."""
        self._perform("set_user_limit", user=user, limit=limit, value=value)

    def clear_user_limit(self, user: str, limit: str) -> None:
        self._perform("clear_user_limit", user=user, limit=limit)

    # Policies

    def set_policy(
        self,
        name: str,
        pattern: str,
        definition: Mapping[str, object],
        *,
        apply_to: str = "all",
        priority: object = 0,
        vhost: str | None = None,
    ) -> None:
        """Make a policy, or replace the one of that name."""
        self._perform(
            "set_policy",
            vhost=vhost or self.vhost_name,
            name=name,
            pattern=pattern,
            definition=definition,
            apply_to=apply_to,
            priority=priority,
        )

    def clear_policy(self, name: str, *, vhost: str | None = None) -> None:
        self._perform("clear_policy", vhost=vhost or self.vhost_name, name=name)

    def set_operator_policy(
        self,
        name: str,
        pattern: str,
        definition: Mapping[str, object],
        *,
        apply_to: str = "all",
        priority: object = 0,
        vhost: str | None = None,
    ) -> None:
        """As `set_policy`, for an operator policy."""
        self._perform(
            "set_operator_policy",
            vhost=vhost or self.vhost_name,
            name=name,
            pattern=pattern,
            definition=definition,
            apply_to=apply_to,
            priority=priority,
        )

    def clear_operator_policy(self, name: str, *, vhost: str | None = None) -> None:
        self._perform("clear_operator_policy", vhost=vhost or self.vhost_name, name=name)

    # The end of a case

    def clean_up(self) -> None:
        """Remove the users and vhosts that were made; what is gone already is left alone."""
        for verb, arguments in reversed(self._undoings):
            try:
                self._console.perform(verb, arguments)
            except Refused:
                continue

    def _perform(self, verb: str, **arguments: object) -> None:
        words = [f"{name}={_word(value)}" for name, value in arguments.items() if value is not None]
        for usual in (f"vhost={self.vhost_name!r}", *_USUAL):
            if usual in words:
                words.remove(usual)
        self._dialogue.add(" ".join(["A", verb, *words]))
        try:
            self._console.perform(verb, arguments)
        except Refused as refusal:
            self._dialogue.add(f'S - refused "{refusal}"')
            raise


def _word(value: object) -> str:
    return repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
