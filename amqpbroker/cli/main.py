"""`amqpbroker`: the sub-commands.  Each is a module of its own, imported when it is called.

A command's module has `add_options(parser)`, which describes what the command takes, and
`run(values)`, which does it and returns the exit status.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NamedTuple, NoReturn, Protocol, cast

from amqpbroker import __version__


class Command(NamedTuple):
    """Where a sub-command stands, and what it is for."""

    module_name: str
    help: str


class CommandModule(Protocol):
    """What the module of a sub-command offers."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command and its options."""
        ...

    def run(self, values: argparse.Namespace) -> int:
        """Do it; the exit status."""
        ...


#: {name: where it stands, and one line about it}
COMMANDS: Final[Mapping[str, Command]] = {
    "store": Command("amqpbroker.cli.store", "check what a broker keeps on disk; repair it"),
    "doctor": Command("amqpbroker.cli.doctor", "say what a power cut now would keep and lose"),
    "serve": Command("amqpbroker.cli.serve", "run the broker until it is told to stop"),
    "start": Command("amqpbroker.cli.start", "start a broker in the background"),
    "stop": Command("amqpbroker.cli.stop", "stop a broker that 'start' has started"),
    "status": Command("amqpbroker.cli.status", "tell whether a started broker runs, and where"),
    "record": Command("amqpbroker.cli.record", "write down what clients and a broker say"),
    "replay": Command("amqpbroker.cli.replay", "say it again, and show what is answered else"),
    "fuzz": Command("amqpbroker.cli.fuzz", "attack a broker with hostile clients"),
    "certs": Command("amqpbroker.cli.certs", "make certificates for trying out TLS"),
    "user": Command("amqpbroker.cli.user", "say who may log in to a broker, and do what there"),
    "vhost": Command("amqpbroker.cli.vhost", "add, delete and list a broker's virtual hosts"),
    "policy": Command("amqpbroker.cli.policy", "arguments for queues and exchanges by their names"),
    "limits": Command("amqpbroker.cli.limits", "how much a virtual host or a user may have"),
    "config": Command("amqpbroker.cli.config", "check a configuration file; show what is in force"),
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        fail(self.prog, message)


def fail(command: str, message: str) -> NoReturn:
    """End with one line about what was typed wrong."""
    print(f"{command}: {message} (see '{command} --help')", file=sys.stderr)
    raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console script; its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    name = next((argument for argument in given if not argument.startswith("-")), None)
    parser, module = _make_parser(name)
    values, unknown = parser.parse_known_args(given)
    if unknown:
        command = f"{parser.prog} {values.command}" if values.command else parser.prog
        fail(command, f"unrecognized arguments: {' '.join(unknown)}")
    if module is None:
        parser.print_help()
        return 2
    return module.run(values)


def _make_parser(chosen: str | None) -> tuple[argparse.ArgumentParser, CommandModule | None]:
    """The parser, with the options of the one command that was called, and its module."""
    parser = _Parser(
        prog="amqpbroker",
        description="An AMQP 0-9-1 broker that RabbitMQ clients use unchanged.",
        epilog="Start one with 'amqpbroker serve'; 'amqpbroker serve --help' has its options.",
    )
    parser.add_argument("--version", action="version", version=f"amqpbroker {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    module: CommandModule | None = None
    for name, command in COMMANDS.items():
        sub_parser = commands.add_parser(
            name, help=command.help, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            module = cast("CommandModule", import_module(command.module_name))
            module.add_options(sub_parser)
    return parser, module
