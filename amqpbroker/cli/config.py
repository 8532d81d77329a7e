"""`amqpbroker config`: check a configuration file, show the settings that are in force."""

import argparse
import json
import sys
from collections.abc import Iterator

from amqpbroker.cli.config_file import mistakes_in
from amqpbroker.cli.settings_table import SECTIONS, Setting, Shape
from amqpbroker.cli.sources import Chosen, WrongSetting, add_settings, choose


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Check a configuration file, or show the settings that are in force."
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="say what is wrong with a configuration file")
    check.add_argument("file", metavar="FILE", help="a TOML file, as for 'serve --config'")
    show = actions.add_parser(
        "show",
        help="show every setting as 'serve' would see it, and where it comes from",
        description="Show every setting as 'amqpbroker serve' with the same options would see "
        "it, as a configuration file; behind each is where it comes from.",
    )
    add_settings(show)


def run(values: argparse.Namespace) -> int:
    """Check or show; the exit status is 1 when something is wrong."""
    try:
        return _check(values.file) if values.action == "check" else _show(values)
    except WrongSetting as error:
        print(f"amqpbroker config: {error}", file=sys.stderr)
        return 1


def _check(path: str) -> int:
    mistakes = list(mistakes_in(path))
    for mistake in mistakes:
        print(f"amqpbroker config: {mistake}", file=sys.stderr)
    if not mistakes:
        print(f"{path} is good")
    return 1 if mistakes else 0


def _show(values: argparse.Namespace) -> int:
    chosen = choose(values)
    for title, settings in SECTIONS.items():
        print(f"# {title}")
        for line in _lines_of(settings, chosen):
            print(line)
    return 0


def _lines_of(settings: tuple[Setting, ...], chosen: dict[str, Chosen]) -> Iterator[str]:
    for setting in settings:
        row = chosen[setting.name]
        place = row.place.removeprefix("argument ")
        if setting.is_secret:  # no value: what is shown must be good as a file, too
            yield f"# {setting.name}: not shown  # {place}"
        else:
            yield f"{setting.name} = {_as_toml(setting, row)}  # {place}"


def _as_toml(setting: Setting, row: Chosen) -> str:
    if setting.shape is Shape.LIST:
        return json.dumps(list(row.texts), ensure_ascii=False)
    (text,) = row.texts
    return json.dumps(text, ensure_ascii=False)
