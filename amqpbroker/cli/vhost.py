"""`amqpbroker vhost`: the virtual hosts of a broker."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

from amqpbroker.cli.operator_client import (
    Operable,
    add_target,
    print_table,
    rows_of,
    run_action,
)

_EPILOG: Final = """\
examples:
  amqpbroker vhost add test
  amqpbroker user permit guest --vhost test      nobody may enter a new vhost before
  amqpbroker vhost delete test                   with all that is in it

It tells a running broker over its control socket: with --control or --data-dir the one that is
meant, without either the only one that runs. Where none runs, it changes the data directory.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Add, delete and list virtual hosts."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in (
        ("add", "add a virtual host, if it is not there"),
        ("delete", "delete a virtual host with all that is in it; its connections are closed"),
        ("list", "list virtual hosts"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name != "list":
            action.add_argument("name", metavar="NAME", help="the virtual host's name")
        add_target(action)


def run(values: argparse.Namespace) -> int:
    """Do it; the exit status."""
    return run_action(f"amqpbroker vhost {values.action}", values, _ACTIONS[values.action])


def _add(client: Operable, values: Any) -> None:
    client.perform("add_vhost", {"name": values.name})


def _delete(client: Operable, values: Any) -> None:
    client.perform("delete_vhost", {"name": values.name})


def _list(client: Operable, values: Any) -> None:
    vhosts = rows_of(client.perform("list_vhosts", {}))
    print_table(
        ("vhost", "queues", "exchanges", "connections"),
        [tuple(map(str, vhost.values())) for vhost in vhosts],
    )


_ACTIONS: Final[Mapping[str, Callable[[Operable, Any], None]]] = {
    "add": _add,
    "delete": _delete,
    "list": _list,
}
