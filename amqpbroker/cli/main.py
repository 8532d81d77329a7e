"""`amqpbroker`: the commands and their options.

Every option has an environment variable, `AMQPBROKER_` and its name; the names that RabbitMQ's
image knows work as well.  The command line wins over the environment.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from amqpbroker import __version__
from amqpbroker.cli import options

#: {environment variable: option}, RabbitMQ's names first: ours win where both are set
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "RABBITMQ_NODE_PORT": "port",
    "RABBITMQ_DEFAULT_USER": "default_user",
    "RABBITMQ_DEFAULT_PASS": "default_password",
    "RABBITMQ_DEFAULT_VHOST": "default_vhost",
    "AMQPBROKER_HOST": "host",
    "AMQPBROKER_PORT": "port",
    "AMQPBROKER_MEMORY_LIMIT": "memory_limit",
    "AMQPBROKER_MAX_MESSAGE_SIZE": "max_message_size",
    "AMQPBROKER_DEFAULT_USER": "default_user",
    "AMQPBROKER_DEFAULT_PASSWORD": "default_password",
    "AMQPBROKER_DEFAULT_VHOST": "default_vhost",
    "AMQPBROKER_LOG_LEVEL": "log_level",
    "AMQPBROKER_EXPRESS": "express",
}
_EPILOG: Final = """\
examples:
  amqpbroker serve                          on amqp://guest:guest@127.0.0.1:5672/
  amqpbroker serve --port 0                 on any free port; the first line says which
  amqpbroker serve --memory-limit 512MiB    publishers wait when messages take more
  RABBITMQ_DEFAULT_USER=app RABBITMQ_DEFAULT_PASS=secret amqpbroker serve

Every option but --memory can be set as AMQPBROKER_<NAME>, with the dashes as underscores
(AMQPBROKER_VHOST takes several names, with commas between them); the variables of RabbitMQ's
image work as well: RABBITMQ_DEFAULT_USER, RABBITMQ_DEFAULT_PASS, RABBITMQ_DEFAULT_VHOST and
RABBITMQ_NODE_PORT. What is given as an option wins.

When the broker is ready, the first line on standard output ends with its URL, without the
password unless it is guest's; the second is what tools made for RabbitMQ wait for.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        _fail(self.prog, message)


def _fail(command: str, message: str) -> NoReturn:
    print(f"{command}: {message} (see '{command} --help')", file=sys.stderr)
    raise SystemExit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the console script; its exit status."""
    parser = _make_parser()
    values, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = f"{parser.prog} {values.command}" if values.command else parser.prog
        _fail(command, f"unrecognized arguments: {' '.join(unknown)}")
    if values.command is None:
        parser.print_help()
        return 2
    if values.vhost is None:
        values.vhost = os.environ.get("AMQPBROKER_VHOST", "").split(",")
    from amqpbroker.cli.serve import serve  # after the options: a mistake in them costs nothing

    return serve(values)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="amqpbroker",
        description="An AMQP 0-9-1 broker that RabbitMQ clients use unchanged.",
        epilog="Start one with 'amqpbroker serve'; 'amqpbroker serve --help' has its options.",
    )
    parser.add_argument("--version", action="version", version=f"amqpbroker {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the broker until it is told to stop",
        description="Run the broker until SIGTERM or Ctrl-C.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port", type=options.port, default=5672, metavar="PORT",
        help="port to listen on; 0 takes a free one (default: %(default)s)",
    )  # fmt: skip
    add(
        "--memory", action="store_true",
        help="keep everything in memory, nothing on disk (so far the only store)",
    )  # fmt: skip
    add(
        "--memory-limit", type=options.memory_limit, default="60%", metavar="SIZE",
        help="when messages make the broker larger than this, publishers wait: bytes, with KiB, "
        "MiB or GiB, or a share of the machine's memory (default: 60%%)",
    )  # fmt: skip
    add(
        "--max-message-size", type=options.message_size, default="16MiB", metavar="SIZE",
        help="the largest message body, at most 512MiB (default: %(default)s)",
    )  # fmt: skip
    add(
        "--default-user", default="guest", metavar="NAME",
        help="the user who may log in; guest may from this machine only (default: %(default)s)",
    )  # fmt: skip
    add(
        "--default-password", default="guest", metavar="PASSWORD",
        help="that user's password; better set in the environment (default: guest)",
    )  # fmt: skip
    add(
        "--default-vhost", default="/", metavar="NAME",
        help="the virtual host that exists from the start (default: %(default)s)",
    )  # fmt: skip
    add(
        "--vhost", action="append", metavar="NAME",
        help="another virtual host; may be given several times",
    )  # fmt: skip
    add(
        "--log-level", type=options.log_level, default="warning", metavar="LEVEL",
        help="what goes to standard error: debug, info, warning or error (default: %(default)s)",
    )  # fmt: skip
    add(
        "--express", type=options.on_or_off, default="on", metavar="on|off",
        help="read what repeats by a shortcut; off is slower and must give the same answers, "
        "for finding out where they differ (default: %(default)s)",
    )  # fmt: skip
    _take_environment(serve)
    return parser


def _take_environment(parser: argparse.ArgumentParser) -> None:
    """Let the environment replace the defaults; argparse checks them as it checks options."""
    for variable, option in _ENVIRONMENT.items():
        value = os.environ.get(variable)
        if value is not None:
            parser.set_defaults(**{option: value})
