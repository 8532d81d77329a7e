"""Configuration files, and the command that checks and shows them."""

from __future__ import annotations

import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from amqpbroker.cli.config_file import CONFIG_BYTES_MAX
from amqpbroker.cli.main import main
from amqpbroker.cli.settings_table import SETTINGS
from amqpbroker.cli.sources import choose


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is not there yet, named without its directory."""
    monkeypatch.chdir(tmp_path)
    return Path("broker.toml")


def test_a_file_gives_settings(file: Path) -> None:
    file.write_text(
        'port = 5673\nexpress = false\nmemory-limit = 67108864\nvhost = ["a", "b,c"]\n'
        'default-user = "12"\n"log-level" = "info"\n'
    )
    chosen = choose(Namespace(config=str(file)), {})

    assert {name: row.value for name, row in chosen.items() if row.place != "default"} == {
        "port": 5673, "express": False, "memory-limit": 64 << 20, "vhost": ("a", "b,c"),
        "default-user": "12", "log-level": "info",
    }  # fmt: skip
    assert chosen["log-level"].place == "broker.toml, line 6: log-level"


def test_environment_and_command_line_win_over_the_file(file: Path) -> None:
    file.write_text("port = 1")

    in_file = {"AMQPBROKER_CONFIG": str(file)}
    assert choose(Namespace(), in_file)["port"].value == 1
    assert choose(Namespace(), {**in_file, "RABBITMQ_NODE_PORT": "2"})["port"].value == 2
    assert choose(Namespace(port="3"), in_file)["port"].value == 3


MISTAKES = [
    (
        "memory_limit = 1",
        "line 1: there is no setting 'memory_limit': did you mean 'memory-limit'?",
    ),
    ("\nPort = 1", "line 2: there is no setting 'Port': did you mean 'port'?"),
    ("[limits]\nx = 1", "line 1: there is no setting 'limits'"),
    ("qqqq = 1", "line 1: there is no setting 'qqqq': docs/configuration.md lists them all"),
    ("# port\nport = 'x'", "line 2: port: 'x' is not a port"),
    ("port = true", "line 1: port: 'on' is not a port"),
    ("port = [1]", "line 1: port: give a string, in quotes"),
    ("default-password = 1234", "line 1: default-password: give a string, in quotes"),
    ("vhost = 'a'", "line 1: vhost: give a list of strings"),
    ("vhost = [1]", "line 1: vhost: give a list of strings"),
    ("express = 'maybe'", "line 1: express: 'maybe' is neither on nor off"),
    (
        "port = 1\nport = 2",
        "broker.toml is not TOML: Cannot overwrite a value",
    ),
    ("port =", "broker.toml is not TOML: Invalid value"),
    ("a = " + "[" * 5000, "is not TOML"),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_a_mistake_in_a_file_is_one_clear_line(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    file.write_text(text)

    assert main(["config", "check", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("amqpbroker config: broker.toml")
    assert expected in line
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--config", str(file)])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_check_says_all_that_is_wrong(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("port = -1\nexpress = 3\nhots = 'x'\nhost = '::1'")

    assert main(["config", "check", str(file)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1] for line in lines] == [
        " broker.toml, line 1", " broker.toml, line 2", " broker.toml, line 3",
    ]  # fmt: skip


def test_check_praises_a_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("port = 1")

    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == "broker.toml is good\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, "cannot read the configuration broker.toml: No such file or directory"),
        (b"\xff", "broker.toml is not text in UTF-8"),
        (b"#" * (CONFIG_BYTES_MAX + 1), "broker.toml is larger than 1MiB"),
    ],
)
def test_what_is_no_file_of_ours_is_one_clear_line(
    file: Path, capsys: pytest.CaptureFixture[str], raw: bytes | None, expected: str
) -> None:
    if raw is not None:
        file.write_bytes(raw)

    assert main(["config", "check", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_show_prints_a_file_that_says_the_same(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMQPBROKER_DEFAULT_PASSWORD", "much too secret")
    monkeypatch.setenv("AMQPBROKER_VHOST", "shop")
    file.write_text("port = 5673")

    assert main(["config", "show", "--config", str(file), "--host", "::1"]) == 0
    shown = capsys.readouterr().out
    assert "secret" not in shown
    shown_names = {name for name, setting in SETTINGS.items() if not setting.is_secret}
    assert tomllib.loads(shown).keys() == shown_names
    lines = shown.splitlines()
    assert 'port = "5673"  # broker.toml, line 1: port' in lines
    assert 'host = "::1"  # --host' in lines
    assert 'vhost = ["shop"]  # AMQPBROKER_VHOST' in lines
    assert "# default-password: not shown  # AMQPBROKER_DEFAULT_PASSWORD" in lines
    assert 'max-message-size = "16MiB"  # default' in lines
    file.write_text(shown)
    assert main(["config", "check", str(file)]) == 0


def test_show_refuses_what_serve_would_refuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--port", "x"]) == 1
    assert "argument --port: 'x' is not a port" in capsys.readouterr().err


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["config"])
    assert ended.value.code == 2
    assert "ACTION" in capsys.readouterr().err
