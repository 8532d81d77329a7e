"""`amqpbroker policy`: arguments for queues and exchanges by their names."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from amqpbroker.cli.operator_client import (
    Operable,
    Trouble,
    add_target,
    print_table,
    rows_of,
    run_action,
)

_EPILOG: Final = """\
examples:
  amqpbroker policy set short '^log' '{"max-length": 1000}' --apply-to queues
  amqpbroker policy set bound '' '{"message-ttl": 60000}' --operator
  amqpbroker policy clear short

A policy of the same name is replaced. Of those that match, the one of the highest priority holds.
It tells a running broker over its control socket: with --control or --data-dir the one that is
meant, without either the only one that runs.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Set, clear and list policies and operator policies."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    setting = _action(actions, "set", "make a policy, or replace the one of that name")
    setting.add_argument("name", metavar="NAME", help="the policy's name")
    setting.add_argument("pattern", metavar="PATTERN", help="a regular expression for names")
    setting.add_argument("definition", metavar="JSON", help="an object: keys and their values")
    setting.add_argument("--priority", type=float, default=0.0, metavar="NUMBER", help="default: 0")
    setting.add_argument(
        "--apply-to", default="all", metavar="WHAT",
        help="all, queues, classic_queues, quorum_queues, streams or exchanges (default: all)",
    )  # fmt: skip
    clearing = _action(actions, "clear", "take a policy away")
    clearing.add_argument("name", metavar="NAME", help="the policy's name")
    _action(actions, "list", "list policies and operator policies of all virtual hosts")
    for action in (setting, clearing):
        action.add_argument("--vhost", default="/", metavar="NAME", help="default: /")
        action.add_argument("--operator", action="store_true", help="an operator policy is meant")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    description = text[0].upper() + text[1:] + "."
    action = cast("argparse.ArgumentParser", actions.add_parser(
        name, help=text, description=description
    ))  # fmt: skip
    add_target(action)
    return action


def run(values: argparse.Namespace) -> int:
    """Do it; the exit status."""
    return run_action(f"amqpbroker policy {values.action}", values, _ACTIONS[values.action])


def _set(client: Operable, values: Any) -> None:
    priority = values.priority
    client.perform(
        "set_policy",
        {
            "vhost": values.vhost,
            "name": values.name,
            "pattern": values.pattern,
            "definition": read_object(values.definition),
            "priority": int(priority) if priority.is_integer() else priority,
            "apply_to": values.apply_to,
            "is_operators": values.operator,
        },
    )


def read_object(text: str) -> Mapping[str, object]:
    """The object that was typed as JSON.  Raises `Trouble`."""
    try:
        value: object = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Trouble(f"'{text}' is not an object in JSON, such as '{{\"max-length\": 5}}'")
    return cast("Mapping[str, object]", value)


def _clear(client: Operable, values: Any) -> None:
    client.perform(
        "clear_policy",
        {"vhost": values.vhost, "name": values.name, "is_operators": values.operator},
    )


def _list(client: Operable, values: Any) -> None:
    print_table(
        ("vhost", "name", "whose", "pattern", "apply-to", "definition", "priority"),
        [
            (
                row["vhost"],
                row["name"],
                "operator" if row["is_operators"] else "user",
                row["pattern"],
                row["apply_to"],
                json.dumps(row["definition"]),
                str(row["priority"]),
            )
            for row in rows_of(client.perform("list_policies", {}))
        ],
    )


_ACTIONS: Final[Mapping[str, Callable[[Operable, Any], None]]] = {
    "set": _set,
    "clear": _clear,
    "list": _list,
}
