"""`amqpbroker start`: a broker in the background, for scripts."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Final

from amqpbroker.cli import background
from amqpbroker.cli.background import Started, Trouble
from amqpbroker.cli.main import fail
from amqpbroker.cli.serve import add_companions
from amqpbroker.cli.sources import Chosen, WrongSetting, add_settings, choose

_EPILOG: Final = """\
examples:
  amqpbroker start --wait                       on amqp://guest:guest@127.0.0.1:5672/
  amqpbroker start --wait --port 0 --output json
  amqpbroker start --wait --github-env          later steps of the job have AMQP_URL
  amqpbroker start --name other --port 5673

It takes the options of 'serve'. What the broker prints goes to a file, which 'status' names.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = "Start a broker in the background; 'amqpbroker stop' ends it."
    parser.epilog = _EPILOG
    add = parser.add_argument
    add(
        "--name", default=background.DEFAULT_NAME, metavar="NAME",
        help="what to call it, where several run (default: %(default)s)",
    )  # fmt: skip
    add("--detach", action="store_true", help="in the background, as always: for who likes to say")
    add("--wait", action="store_true", help="return when it is ready, or fail when it is not")
    add(
        "--timeout", type=_seconds, default=30.0, metavar="SECONDS",
        help="how long to wait (default: 30)",
    )  # fmt: skip
    add(
        "--output", choices=("text", "json"), default="text",
        help="how to say where it is (default: text)",
    )  # fmt: skip
    add(
        "--github-env", action="store_true",
        help="in GitHub Actions: set AMQP_URL, AMQP_HOST, AMQP_PORT and AMQPBROKER_PID for later "
        "steps; implies --wait",
    )  # fmt: skip
    add_companions(parser)
    add_settings(parser)


def run(values: argparse.Namespace) -> int:
    """Start it; the exit status."""
    try:
        chosen = choose(values)
    except WrongSetting as error:
        fail("amqpbroker start", str(error))
    try:
        _start(values, chosen)
    except Trouble as error:
        print(f"amqpbroker start: {error}", file=sys.stderr)
        return 1
    return 0


def _start(values: argparse.Namespace, chosen: Mapping[str, Chosen]) -> None:
    name = background.checked_name(values.name)
    environment_file = os.environ.get("GITHUB_ENV")
    if values.github_env and not environment_file:
        raise Trouble("--github-env is for GitHub Actions: GITHUB_ENV is not set")
    before = background.find(name)
    if before is not None and before.is_running:
        raise Trouble(
            f"a broker named '{name}' runs already, on {before.url} (--name gives another name)"
        )
    started = background.launch(
        name,
        [
            sys.executable,
            "-m",
            "amqpbroker",
            "serve",
            *_beside(values),
            *_config(values),
            *_given(chosen),
        ],
    )
    if values.wait or values.github_env:
        try:
            started.wait_until_ready(values.timeout)
        except Trouble:
            if not started.is_running:
                background.forget(started)
            raise
    if environment_file and values.github_env:
        _tell_github(environment_file, started)
    if values.output == "json":
        print(json.dumps(started.facts()))
    else:
        print(started.url or f"broker '{name}' is starting, as process {started.pid}")


def _config(values: argparse.Namespace) -> list[str]:
    """The configuration file that was given as an option."""
    path = getattr(values, "config", None)
    return [] if path is None else [f"--config={path}"]


def _beside(values: argparse.Namespace) -> list[str]:
    """What runs beside the broker, as options of `serve`."""
    if values.test_api is None:
        return []
    return [f"--test-api={values.test_api}", f"--journeys={values.journeys}"]


def _given(chosen: Mapping[str, Chosen]) -> list[str]:
    """The settings that were given as options, as options; the rest is inherited."""
    return [
        part
        for name, row in chosen.items()
        if row.place.startswith("argument ")
        for text in row.texts
        for part in _option(name, text)
    ]


def _option(name: str, text: str) -> list[str]:
    from amqpbroker.cli.settings_table import SETTINGS, Shape

    option = SETTINGS[name].option
    return [option] if SETTINGS[name].shape is Shape.FLAG else [f"{option}={text}"]


def _tell_github(path: str, started: Started) -> None:
    from urllib.parse import urlsplit

    url = started.url
    assert url is not None, started
    parts = urlsplit(url)
    variables = {
        "AMQP_URL": url,
        "AMQP_HOST": parts.hostname,
        "AMQP_PORT": parts.port,
        "AMQPBROKER_PID": started.pid,
    }
    try:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123  # as GitHub names it
            file.writelines(f"{name}={value}\n" for name, value in variables.items())
    except OSError as error:
        raise Trouble(f"cannot write to {path}: {error.strerror}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: give a number of seconds")
    return seconds
