"""Options and their values: what is taken, and the one line that says what is wrong."""

from __future__ import annotations

import socket
from argparse import ArgumentTypeError

import pytest

from amqpbroker import __version__
from amqpbroker.cli import options
from amqpbroker.cli.main import main

MIB = 1024 * 1024


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("5672", 5672), ("65535", 65535)])
def test_ports(text: str, expected: int) -> None:
    assert options.port(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "65536", "amqp", "5672 ", "²", "0x10", "1e3"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a port"):
        options.port(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("4096", 4096), ("1K", 1024), ("1kB", 1024), ("512KiB", 512 * 1024),
        ("16MiB", 16 * MIB), ("1.5G", 1536 * MIB), (" 2 gib ", 2048 * MIB), ("1T", 1 << 40),
        ("7B", 7),
    ],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert options.size(text) == expected


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1.", ".5M", "1e6", "10%", "1 PiB", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not a size"):
        options.size(text)


@pytest.mark.parametrize("text", ["0", "513MiB", "1T"])
def test_a_message_has_a_size_that_amqp_can_say(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="out of range"):
        options.message_size(text)


def test_a_memory_limit_is_a_size_or_a_share() -> None:
    machine_bytes = options.machine_memory_bytes()

    assert options.memory_limit("64MiB") == 64 * MIB
    assert options.memory_limit("100%") == machine_bytes
    assert options.memory_limit(" 50 % ") == machine_bytes // 2


@pytest.mark.parametrize("text", ["0%", "101%", "-5%", "a lot", "%", "0", "39MiB", "0.001%"])
def test_a_memory_limit_must_leave_room(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        options.memory_limit(text)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line in which *arguments* are refused."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("serve", "--port", "x"), "argument --port: 'x' is not a port"),
        (("serve", "--port"), "argument --port: expected one argument"),
        (("serve", "--prot", "1"), "unrecognized arguments: --prot 1"),
        (("serve", "--memory-limit", "1%%"), "argument --memory-limit: '1%%' is not a size"),
        (("serve", "--memory-limit", "1MiB"), "argument --memory-limit: '1MiB' is too little"),
        (("serve", "--max-message-size", "1TiB"), "argument --max-message-size: '1TiB' is out of"),
        (("serve", "--log-level", "loud"), "argument --log-level: 'loud' is not a level"),
        (("server",), "argument COMMAND: invalid choice: 'server'"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    line = refused(capsys, *arguments)

    assert expected in line
    assert line.startswith("amqpbroker")
    assert "--help" in line


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("AMQPBROKER_PORT", "x", "'x' is not a port"),
        ("RABBITMQ_NODE_PORT", "70000", "'70000' is not a port"),
        ("AMQPBROKER_LOG_LEVEL", "loud", "'loud' is not a level"),
        ("AMQPBROKER_MEMORY_LIMIT", "much", "'much' is not a size"),
        ("AMQPBROKER_MAX_MESSAGE_SIZE", "0", "'0' is out of range"),
    ],
)
def test_the_environment_is_checked_like_options(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv(variable, value)

    assert expected in refused(capsys, "serve")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"amqpbroker {__version__}\n"


def test_help_names_every_option_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])

    printed = capsys.readouterr().out
    assert ended.value.code == 0
    for words in (
        "--host", "--port", "--memory", "--memory-limit", "--max-message-size", "--default-user",
        "--default-password", "--default-vhost", "--vhost", "--log-level",
        "127.0.0.1", "5672", "60%", "16MiB", "AMQPBROKER_",
    ):  # fmt: skip
        assert words in printed


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "serve" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("name.invalid", "cannot listen on 'name.invalid': no such address"),
        ("x" * 64 + ".example", "no such address"),
        ("203.0.113.1", "cannot listen on 203.0.113.1:0: this machine does not have that address"),
    ],
)
def test_an_address_that_cannot_be_had_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], host: str, expected: str
) -> None:
    status = main(["serve", "--host", host, "--port", "0"])

    printed = capsys.readouterr()
    assert status == 1
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert expected in printed.err


def test_a_port_that_is_taken_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = main(["serve", "--port", str(port)])

    assert status == 1
    assert capsys.readouterr().err == (
        f"amqpbroker: cannot listen on 127.0.0.1:{port}: the port is taken "
        "(--port 0 takes a free one)\n"
    )
