"""`amqpbroker user` and `amqpbroker vhost`, against a broker that runs, as a user types them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_process import MODULE, ROOT, BrokerProcess

from amqpbroker.cli.operator_client import print_table, printable
from amqpbroker.spec.methods import ConnectionTune
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.raw_events import Unexpected

LIMIT_S = 30.0
Control = Path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrokerProcess, Control]]:
    control = tmp_path_factory.mktemp("control") / "c"
    process = BrokerProcess("--memory", "--log-level", "debug", "--control", str(control))
    try:
        yield process, control
        assert "Traceback" not in process.log()
    finally:
        process.close()


def type_in(
    control: Control | None, *words: str, password: str = ""
) -> subprocess.CompletedProcess[str]:
    """What a command answers."""
    environment = {
        **os.environ,
        "AMQPBROKER_RUNTIME_DIR": "/nowhere",
        "XDG_STATE_HOME": "/nowhere",
    }
    if control is not None:
        environment["AMQPBROKER_CONTROL"] = str(control)
    return subprocess.run(
        [*MODULE, *words],
        input=password,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=ROOT,
        env=environment,
        check=False,
    )


def may_enter(broker: BrokerProcess, login: str, vhost: str = "") -> bool:
    url = f"amqp://{login}@{broker.url.rpartition('@')[2]}{vhost}"
    with RawConnection(url) as connection:
        connection.start()
        try:
            connection.start_ok()
            tune = connection.expect(ConnectionTune)
            connection.tune_ok(tune.channel_max, tune.frame_max)
            connection.open_virtual_host()
        except Unexpected:
            return False
        connection.close()
    return True


def test_a_user_is_added_permitted_and_deleted(broker: tuple[BrokerProcess, Control]) -> None:
    process, control = broker
    added = type_in(control, "user", "add", "app", "--tag", "one", password="pass word\n")
    assert (added.returncode, added.stdout, added.stderr) == (0, "", "")
    assert not may_enter(process, "app:pass%20word")  # no permission yet

    assert type_in(control, "user", "permit", "app").returncode == 0
    assert may_enter(process, "app:pass%20word")
    assert not may_enter(process, "app:pass")
    listed = type_in(control, "user", "list").stdout
    assert "app    one            with a password\n" in listed

    assert type_in(control, "user", "passwd", "app", password="better").returncode == 0
    assert not may_enter(process, "app:pass%20word")
    assert may_enter(process, "app:better")

    assert type_in(control, "user", "delete", "app").returncode == 0
    assert not may_enter(process, "app:better")
    log = process.log()
    assert "pass word" not in log
    assert "better" not in log


def test_patterns_tags_and_topics_are_told(broker: tuple[BrokerProcess, Control]) -> None:
    _, control = broker
    for words in (
        ("user", "add", "svc", "--no-password"),
        ("user", "tag", "svc", "monitoring", "management"),
        ("user", "permit", "svc", "--configure", "", "--write", "^w$"),
        ("user", "topic-permit", "svc", "news", "--write", "^public"),
    ):
        assert type_in(control, *words).returncode == 0, words

    lines = [line.split() for line in type_in(control, "user", "list").stdout.splitlines()]
    assert ["svc", "monitoring", "management", "by", "certificate", "only"] in lines
    assert ["svc", "/", "^w$", ".*"] in lines
    assert ["svc", "/", "news", "^public", ".*"] in lines

    assert type_in(control, "user", "topic-forbid", "svc").returncode == 0
    assert type_in(control, "user", "forbid", "svc").returncode == 0
    assert "news" not in type_in(control, "user", "list").stdout


def test_vhosts_are_added_and_deleted(broker: tuple[BrokerProcess, Control]) -> None:
    process, control = broker
    assert type_in(control, "vhost", "add", "test").returncode == 0
    assert not may_enter(process, "guest:guest", "test")
    assert type_in(control, "user", "permit", "guest", "--vhost", "test").returncode == 0
    assert may_enter(process, "guest:guest", "test")
    assert "test   0       7          0" in type_in(control, "vhost", "list").stdout
    assert type_in(control, "vhost", "delete", "test").returncode == 0
    assert not may_enter(process, "guest:guest", "test")


def test_users_outlive_the_broker(tmp_path: Path) -> None:
    options, environment = ("--data-dir", str(tmp_path)), {"AMQPBROKER_MEMORY": "off"}
    first = BrokerProcess(*options, environment=environment)
    try:
        control = tmp_path / "control.sock"
        for words in (
            ("user", "add", "app"),
            ("user", "permit", "app"),
            ("vhost", "add", "test"),
            ("user", "permit", "app", "--vhost", "test"),
            ("user", "delete", "guest"),
        ):
            assert type_in(control, *words, password="secret").returncode == 0, words
    finally:
        first.close()

    where = ("--data-dir", str(tmp_path))  # it does not run now
    added = type_in(None, "user", "add", "late", *where, password="also")
    assert (added.returncode, added.stderr) == (0, "")
    assert type_in(None, "user", "permit", "late", *where).returncode == 0
    assert "there is no user 'x'" in type_in(None, "user", "delete", "x", *where).stderr

    second = BrokerProcess(*options, environment=environment)
    try:
        assert may_enter(second, "app:secret")
        assert may_enter(second, "app:secret", "test")
        assert may_enter(second, "late:also")
        assert not may_enter(second, "guest:guest")
    finally:
        second.close()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("user", "delete", "nobody"), "amqpbroker user delete: there is no user 'nobody'"),
        (("user", "permit", "guest", "--read", "("), "'(' is not a regular expression"),
        (("user", "permit", "guest", "--vhost", "x"), "there is no vhost 'x'"),
        (("user", "add", "guest"), "there is a user 'guest' already"),
        (("user", "add", "x"), "no password came on standard input"),
        (("vhost", "delete", "x"), "amqpbroker vhost delete: there is no vhost 'x'"),
        (("vhost", "add", ""), "a vhost needs a name"),
        (("user",), "required: ACTION"),
        (("user", "ad"), "invalid choice: 'ad'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    words: tuple[str, ...], complaint: str, broker: tuple[BrokerProcess, Control]
) -> None:
    done = type_in(broker[1], *words)

    assert done.returncode != 0
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_broker_it_says_where_it_looked(tmp_path: Path) -> None:
    done = type_in(tmp_path / "nothing", "user", "list")
    assert f"user list: no broker answers at {tmp_path}/nothing: No such file" in done.stderr
    done = type_in(None, "vhost", "list", "--data-dir", str(tmp_path / "no"))
    assert f"there is no broker's data in {tmp_path}/no" in done.stderr
    done = type_in(None, "vhost", "list")
    assert "no broker runs (--control and --data-dir say where one is)" in done.stderr


def test_a_control_socket_that_cannot_be_made_ends_the_start(
    broker: tuple[BrokerProcess, Control],
) -> None:
    control = str(broker[1])

    done = type_in(None, "serve", "--memory", "--port", "0", "--control", control)

    assert done.returncode == 1
    assert done.stderr == (
        f"amqpbroker: cannot make the control socket {control}: a broker runs with it\n"
    )


def test_names_cannot_talk_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("user",), [("a\x1b[2Jb\n",)])

    assert capsys.readouterr().out == "user\na\\x1b[2Jb\\n\n"
    assert printable("größe") == "größe"
