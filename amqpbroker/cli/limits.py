"""`amqpbroker limits`: how much a virtual host or a user may have."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from amqpbroker.cli.operator_client import Operable, add_target, print_table, run_action
from amqpbroker.cli.policy import read_object

_EPILOG: Final = """\
examples:
  amqpbroker limits vhost / '{"max-connections": 100, "max-queues": 50}'
  amqpbroker limits user app '{"max-channels": 20}'
  amqpbroker limits vhost / '{}'                       no limits any more

0 allows none, a negative number any. What is there when a limit is lowered stays.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Set and list limits of virtual hosts and users."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("vhost", "limit a virtual host: max-connections, max-queues"),
        ("user", "limit a user: max-connections, max-channels"),
        ("list", "list all limits"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name != "list":
            action.add_argument("name", metavar="NAME", help="whose limits")
            action.add_argument("limits", metavar="JSON", help="all of them, as an object")
        add_target(action)


def run(values: argparse.Namespace) -> int:
    """Do it; the exit status."""
    return run_action(f"amqpbroker limits {values.action}", values, _ACTIONS[values.action])


def _limit_vhost(client: Operable, values: Any) -> None:
    limits = read_object(values.limits)
    client.perform("set_vhost_limits", {"name": values.name, "limits": limits})


def _limit_user(client: Operable, values: Any) -> None:
    limits = read_object(values.limits)
    client.perform("set_user_limits", {"name": values.name, "limits": limits})


def _list(client: Operable, values: Any) -> None:
    answer = client.perform("list_limits", {})
    print_table(
        ("of", "name", "limit", "value"),
        [
            (kind, name, limit, str(value))
            for kind, section in (("vhost", "vhosts"), ("user", "users"))
            for name, limits in answer[section].items()
            for limit, value in limits.items()
        ],
    )


_ACTIONS: Final[Mapping[str, Callable[[Operable, Any], None]]] = {
    "vhost": _limit_vhost,
    "user": _limit_user,
    "list": _list,
}
