"""Where a setting's value comes from: the first of these that names it.

    the command line    --memory-limit 1GiB
    the environment     AMQPBROKER_MEMORY_LIMIT=1GiB, then RabbitMQ's variables
    the file            memory-limit = "1GiB"       (TOML: `--config FILE`, AMQPBROKER_CONFIG)
    the table           its default

Whatever the source, the same function reads what was typed, and an error names the place.
"""

import os
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amqpbroker.cli.settings_table import SECTIONS, SETTINGS, Setting, Shape

if TYPE_CHECKING:
    from amqpbroker.server.settings import Settings

CONFIG_VARIABLE: Final = "AMQPBROKER_CONFIG"
#: The place of a value that nobody has given.
DEFAULT: Final = "default"


class WrongSetting(ValueError):
    """A sentence about a setting that cannot be taken, and where it stands."""


class Given(NamedTuple):
    """What was typed for a setting, a text for each value, and where."""

    texts: Sequence[str]
    place: str


class Chosen(NamedTuple):
    """A setting's value, what was typed for it, and where."""

    value: object
    texts: Sequence[str]
    place: str


def add_settings(parser: ArgumentParser) -> None:
    """Let *parser* take every setting as an option; what is not given is not there."""
    parser.add_argument(
        "--config", default=SUPPRESS, metavar="FILE",
        help="read settings from a TOML file; 'amqpbroker config check FILE' checks one",
    )  # fmt: skip
    for title, settings in SECTIONS.items():
        group = parser.add_argument_group(title)
        for setting in settings:
            default = setting.default.replace("%", "%%")
            text = setting.help.replace("%", "%%")
            if default and setting.shape is Shape.VALUE:
                text = f"{text} (default: {default})"
            options: dict[str, Any] = {"metavar": setting.metavar}
            if setting.shape is Shape.FLAG:
                options = {"action": "store_const", "const": "on"}
            elif setting.shape is Shape.LIST:
                options["action"] = "append"
            group.add_argument(
                setting.option, dest=setting.key, default=SUPPRESS, help=text, **options
            )


def needing_a_restart(before: Mapping[str, Chosen], now: Mapping[str, Chosen]) -> Sequence[str]:
    """The names of settings that have changed, and that a running broker cannot change."""
    return [
        name
        for name, row in now.items()
        if row.value != before[name].value and not SETTINGS[name].can_reload
    ]


def choose(values: Namespace, environment: Mapping[str, str] = os.environ) -> dict[str, Chosen]:
    """Every setting, by name.  Raises `WrongSetting` for the first that cannot be taken."""
    path = getattr(values, "config", None) or environment.get(CONFIG_VARIABLE)
    in_file: Mapping[str, Given] = {}
    if path:
        from amqpbroker.cli.config_file import read_config  # tomllib is not for every start

        in_file = read_config(path)
    chosen = {
        name: _read(
            setting,
            _on_command_line(setting, values)
            or _in_environment(setting, environment)
            or in_file.get(name)
            or Given(_split(setting, setting.default), DEFAULT),
        )
        for name, setting in SETTINGS.items()
    }
    _check_together({name: row.value for name, row in chosen.items()})
    return chosen


def _check_together(values: Mapping[str, object]) -> None:
    """Refuse settings that contradict each other."""
    if values["tls-key"] and not values["tls-cert"]:
        raise WrongSetting("tls-key is given without tls-cert, the certificate that it belongs to")
    has_tls = values["tls-cert"] and values["tls-port"] is not None
    if values["port"] is None and not has_tls:
        raise WrongSetting(
            "port is off, and so is TLS (tls-cert turns it on): nothing to listen on"
        )
    if values["tls-verify"] in {"optional", "required"} and not values["tls-ca"]:
        raise WrongSetting(
            "tls-verify needs tls-ca, the certificate of whoever vouches for clients"
        )


def settings_of(chosen: Mapping[str, Chosen]) -> "Settings":
    """The settings of a server."""
    import attrs  # none of these before the port is open

    from amqpbroker.engine.emulation import EMULATIONS
    from amqpbroker.server.settings import Settings

    settings = Settings()
    owned: dict[str, dict[str, Any]] = {}
    for name, row in chosen.items():
        owner, _, field = SETTINGS[name].field.rpartition(".")
        owned.setdefault(owner, {})[field] = row.value
    changes = owned.pop("", {})
    if chosen["max-message-size"].place == DEFAULT:
        changes["message_bytes_max"] = EMULATIONS[changes["emulated"]].message_bytes_max
    for owner, fields in owned.items():
        changes[owner] = attrs.evolve(getattr(settings, owner), **fields)
    return attrs.evolve(settings, **changes)


def _on_command_line(setting: Setting, values: Namespace) -> Given | None:
    given = getattr(values, setting.key, None)
    if given is None:
        return None
    return Given(given if isinstance(given, list) else [given], f"argument {setting.option}")


def _in_environment(setting: Setting, environment: Mapping[str, str]) -> Given | None:
    for variable in (setting.variable, *setting.environment):
        text = environment.get(variable)
        if text is not None:
            return Given(_split(setting, text), variable)
    return None


def _split(setting: Setting, text: str) -> Sequence[str]:
    if setting.shape is not Shape.LIST:
        return (text,)
    return tuple(filter(None, text.split(",")))


def _read(setting: Setting, given: Given) -> Chosen:
    try:
        values = tuple(map(setting.parse, given.texts))
    except ArgumentTypeError as error:
        raise WrongSetting(f"{given.place}: {error}") from None
    value = values if setting.shape is Shape.LIST else values[0]
    return Chosen(value, given.texts, given.place)
