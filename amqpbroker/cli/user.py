"""`amqpbroker user`: who may log in to a broker, and what they may do there."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from amqpbroker.cli.main import fail
from amqpbroker.cli.operator_client import (
    Operable,
    add_target,
    hashed_password,
    print_table,
    rows_of,
    run_action,
)

_EPILOG: Final = """\
examples:
  amqpbroker user add app                          asks for the password
  amqpbroker user add app < password.txt           or reads it from standard input
  amqpbroker user permit app                       everything in the vhost /
  amqpbroker user permit app --vhost test --configure '' --write '^jobs$' --read '^jobs$'
  amqpbroker user topic-permit app news --write '^public\\.' --read '.*'
  amqpbroker user list

A new user may log in, and do nothing: 'permit' opens a vhost. Patterns are regular expressions for
the names of queues and exchanges; they are found anywhere in the name unless they say ^ and $, and
an empty one allows nothing. Declaring and deleting needs 'configure', publishing and binding to
'write', consuming and binding from 'read'. docs/access-control.md has the table.

It tells a running broker over its control socket: with --control or --data-dir the one that is
meant, without either the only one that runs. Changes count at once. Where none runs, it changes the
data directory.
"""
_PATTERN: Final = "(default: '.*', everything)"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Say who may log in, and what they may do."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str, *, has_name: bool = True) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if has_name:
            added.add_argument("name", metavar="NAME", help="the user's name")
        add_target(added)
        return added

    add = action("add", "add a user; the password is asked for, or read from standard input")
    add.add_argument(
        "--tag", action="append", default=[], metavar="TAG",
        help="such as administrator, management, monitoring, impersonator; may be given often",
    )  # fmt: skip
    add.add_argument("--no-password", action="store_true", help="who logs in by certificate only")
    action("passwd", "change a user's password")
    action("delete", "delete a user; its connections are closed")
    action("list", "list users and what they may do", has_name=False)
    tag = action("tag", "set a user's tags, instead of those it has")
    tag.add_argument("tags", nargs="*", metavar="TAG", help="none: it has no tag any more")
    permit = action("permit", "let a user in to a vhost, to do there what three patterns allow")
    for word, text in (
        ("configure", "what it may declare and delete"),
        ("write", "what it may publish and bind to"),
        ("read", "what it may consume and bind from"),
    ):
        permit.add_argument(f"--{word}", default=".*", metavar="PATTERN", help=f"{text} {_PATTERN}")
    topic = action("topic-permit", "limit the routing keys that a user may use at a topic exchange")
    topic.add_argument("exchange", metavar="EXCHANGE", help="the exchange's name")
    topic.add_argument("--write", default=".*", metavar="PATTERN", help="to publish with")
    topic.add_argument("--read", default=".*", metavar="PATTERN", help="to bind with")
    no_topic = action("topic-forbid", "limit them no more")
    no_topic.add_argument("exchange", nargs="?", metavar="EXCHANGE", help="which (default: all)")
    forbid = action("forbid", "let a user in to a vhost no more")
    for one in (permit, forbid, topic, no_topic):
        one.add_argument("--vhost", default="/", metavar="NAME", help="(default: /)")


def run(values: argparse.Namespace) -> int:
    """Do it; the exit status."""
    return run_action(f"amqpbroker user {values.action}", values, _ACTIONS[values.action])


def _add(client: Operable, values: Any) -> None:
    known = {user["name"] for user in rows_of(client.perform("list_users", {}))}
    if values.name in known:  # before a password is asked for
        hint = "'passwd' and 'tag' change it"
        fail("amqpbroker user add", f"there is a user '{values.name}' already: {hint}")
    password_hash = None if values.no_password else hashed_password("amqpbroker user add")
    arguments = {"name": values.name, "tags": values.tag, "password_hash": password_hash}
    client.perform("add_user", arguments)


def _change_password(client: Operable, values: Any) -> None:
    password_hash = hashed_password("amqpbroker user passwd")
    client.perform("change_password", {"name": values.name, "password_hash": password_hash})


def _delete(client: Operable, values: Any) -> None:
    client.perform("delete_user", {"name": values.name})


def _set_tags(client: Operable, values: Any) -> None:
    client.perform("set_user_tags", {"name": values.name, "tags": values.tags})


def _permit(client: Operable, values: Any) -> None:
    patterns = {word: getattr(values, word) for word in ("configure", "write", "read")}
    client.perform("set_permissions", {"user": values.name, "vhost": values.vhost, **patterns})


def _forbid(client: Operable, values: Any) -> None:
    client.perform("clear_permissions", {"user": values.name, "vhost": values.vhost})


def _permit_topics(client: Operable, values: Any) -> None:
    patterns = {"exchange": values.exchange, "write": values.write, "read": values.read}
    where = {"user": values.name, "vhost": values.vhost}
    client.perform("set_topic_permissions", {**where, **patterns})


def _forbid_no_topics(client: Operable, values: Any) -> None:
    where = {"user": values.name, "vhost": values.vhost, "exchange": values.exchange}
    client.perform("clear_topic_permissions", where)


def _list(client: Operable, values: Any) -> None:
    users = rows_of(client.perform("list_users", {}))
    rows = client.perform("list_permissions", {})
    print_table(
        ("user", "tags", "may log in"),
        [(user["name"], " ".join(user["tags"]), _how(user)) for user in users],
    )
    if permissions := rows_of(rows["permissions"]):
        print()
        print_table(
            ("user", "vhost", "configure", "write", "read"),
            [tuple(row.values()) for row in permissions],
        )
    if topics := rows_of(rows["topic_permissions"]):
        print()
        print_table(
            ("user", "vhost", "topic exchange", "write", "read"),
            [tuple(row.values()) for row in topics],
        )


def _how(user: Mapping[str, Any]) -> str:
    how = "with a password" if user["has_password"] else "by certificate only"
    return f"{how}, from this machine" if user["loopback_only"] else how


_ACTIONS: Final[Mapping[str, Callable[[Operable, Any], None]]] = {
    "add": _add,
    "passwd": _change_password,
    "delete": _delete,
    "list": _list,
    "tag": _set_tags,
    "permit": _permit,
    "forbid": _forbid,
    "topic-permit": _permit_topics,
    "topic-forbid": _forbid_no_topics,
}
