"""Configuration files: TOML, with the settings' names as keys.

    port = 5671
    memory-limit = "1GiB"
    vhost = ["shop", "tests"]

Numbers and booleans may stand for what is a number, or on and off; everything else is a string.
A key that is no setting is refused, with the setting that may have been meant.
"""

import re
import tomllib
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, cast

from amqpbroker.cli.settings_table import SETTINGS, Setting, Shape
from amqpbroker.cli.sources import Given, WrongSetting

#: Nobody writes more by hand, and a device has no end.
CONFIG_BYTES_MAX: Final = 1 << 20


def read_config(path: str) -> Mapping[str, Given]:
    """What a file gives, by name of the setting; raises `WrongSetting` for its first mistake."""
    text = _text_of(path)
    given: dict[str, Given] = {}
    for name, value in _parse(path, text).items():
        place = _place(path, text, name)
        setting = SETTINGS.get(name)
        if setting is None:
            raise WrongSetting(f"{place}: {_unknown(name)}")
        given[name] = Given(_texts_of(setting, value, place), f"{place}: {name}")
    return given


def mistakes_in(path: str) -> Iterator[str]:
    """Yield a sentence for each thing that is wrong with a file; raises for no file at all."""
    text = _text_of(path)
    for name, value in _parse(path, text).items():
        place = _place(path, text, name)
        setting = SETTINGS.get(name)
        if setting is None:
            yield f"{place}: {_unknown(name)}"
            continue
        try:
            for typed in _texts_of(setting, value, place):
                setting.parse(typed)
        except WrongSetting as error:
            yield str(error)
        except ArgumentTypeError as error:
            yield f"{place}: {name}: {error}"


def _text_of(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise WrongSetting(f"cannot read the configuration {path}: {error.strerror}") from None
    if len(raw) > CONFIG_BYTES_MAX:
        raise WrongSetting(f"{path} is larger than 1MiB: that is no configuration")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise WrongSetting(f"{path} is not text in UTF-8") from None


def _parse(path: str, text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongSetting(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise WrongSetting(f"{path} is not TOML: nested too deeply") from None


def _place(path: str, text: str, name: str) -> str:
    """Where a key stands; tomllib does not tell, so the first line that looks like it."""
    quoted = re.escape(name)
    key = re.compile(rf"\s*(?:\[\s*)?(?:{quoted}|\"{quoted}\"|'{quoted}')\s*[=.\]]")
    for number, line in enumerate(text.splitlines(), start=1):
        if key.match(line):
            return f"{path}, line {number}"
    return path


def _unknown(name: str) -> str:
    likely = get_close_matches(name.replace("_", "-").lower(), SETTINGS, n=1)
    hint = f"did you mean '{likely[0]}'?" if likely else "docs/configuration.md lists them all"
    return f"there is no setting '{name}': {hint}"


def _texts_of(setting: Setting, value: object, place: str) -> Sequence[str]:
    """The values as they would be typed on a command line."""
    if setting.shape is Shape.LIST:
        if not isinstance(value, list) or not all(
            isinstance(item, str) for item in cast("list[object]", value)
        ):
            raise WrongSetting(f'{place}: {setting.name}: give a list of strings, ["..."]')
        return cast("list[str]", value)
    if isinstance(value, bool):
        value = "on" if value else "off"
    elif isinstance(value, int | float) and setting.parse is not str:
        value = str(value)
    if not isinstance(value, str):
        raise WrongSetting(f'{place}: {setting.name}: give a string, in quotes: "..."')
    return (value,)
