"""Brokers in the background: started, found again, stopped; and no stranger with them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker_process import ROOT

from amqpbroker.cli import background
from amqpbroker.cli.main import main
from amqpbroker.spec import methods as m
from amqpbroker.testing.raw_client import RawConnection


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the brokers of a test are noted; those that it leaves are stopped."""
    monkeypatch.setenv("AMQPBROKER_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("GITHUB_ENV", raising=False)
    yield tmp_path / "run"
    for note in (tmp_path / "run").glob("*.json"):
        main(["stop", "--name", note.stem])


def started(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """A broker that is ready; what `start` says about it."""
    assert main(["start", "--wait", "--port", "0", "--output", "json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said when a command fails, in one line."""
    assert main(list(arguments)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    return printed.err


def test_a_started_broker_is_there_until_it_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    facts = started(capsys)
    with RawConnection.open(facts["url"]) as client:
        client.channel().round_trip()

    assert main(["status"]) == 0
    assert facts["url"] in capsys.readouterr().out
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "broker 'default' has stopped\n"
    assert main(["status", "--output", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "name": "default", "running": False, "ready": False,
    }  # fmt: skip


def test_its_options_are_those_of_serve(capsys: pytest.CaptureFixture[str]) -> None:
    facts = started(capsys, "--vhost", "a b", "--vhost=two", "--express", "off", "--memory")

    with RawConnection.open(facts["url"].replace("%2F", "a%20b")) as client:
        assert client.is_open


def test_brokers_of_different_names_are_apart(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = started(capsys, "--name", "one"), started(capsys, "--name", "two")
    main(["stop", "--name", "one"])
    capsys.readouterr()

    assert one["url"] != two["url"]
    assert main(["status", "--name", "one"]) == 1
    assert main(["status", "--name", "two"]) == 0


def test_a_name_is_given_once(capsys: pytest.CaptureFixture[str]) -> None:
    url = started(capsys)["url"]

    assert refused(capsys, "start", "--port", "0") == (
        f"amqpbroker start: a broker named 'default' runs already, on {url} "
        "(--name gives another name)\n"
    )


def test_what_keeps_it_from_starting_is_told(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "start", "--wait", "--port", str(port))

    assert (
        f"the broker has ended at its start: amqpbroker: cannot listen on 127.0.0.1:{port}" in said
    )
    assert list(directory.glob("*.json")) == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", "x" * 65, "ä"])
def test_a_name_is_no_path(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert f"'{name}' is no name" in refused(capsys, "start", f"--name={name}")


def test_a_stranger_who_has_the_id_is_not_stopped(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    directory.mkdir()
    note = {"pid": os.getpid(), "began": "1", "log": str(directory / "default.log")}
    (directory / "default.json").write_text(json.dumps(note))

    assert main(["status"]) == 1
    assert main(["stop"]) == 0  # and we are still there
    assert "no broker named 'default' runs" in capsys.readouterr().out


def test_a_note_that_cannot_be_read_is_one_line(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    directory.mkdir()
    (directory / "default.json").write_text("{}")

    for command in ("start", "stop", "status"):
        assert "default.json cannot be read: remove it" in refused(capsys, command)


def test_to_stop_what_does_not_run_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "no broker named 'default' runs\n"


def test_github_is_told_where_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "env"
    file.write_text("BEFORE=1\n")
    monkeypatch.setenv("GITHUB_ENV", str(file))
    assert main(["start", "--port", "0", "--github-env"]) == 0
    url = capsys.readouterr().out.strip()

    port = url.rpartition(":")[2].partition("/")[0]
    broker = background.find("default")
    assert broker is not None
    assert file.read_text() == (
        f"BEFORE=1\nAMQP_URL={url}\nAMQP_HOST=127.0.0.1\nAMQP_PORT={port}\n"
        f"AMQPBROKER_PID={broker.pid}\n"
    )


def test_outside_github_its_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "GITHUB_ENV is not set" in refused(capsys, "start", "--github-env")


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "inf"])
def test_a_timeout_is_a_number_of_seconds(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit):
        main(["start", f"--timeout={text}"])
    assert f"'{text}' is no time" in capsys.readouterr().err


PARENT = """
import subprocess, sys
command = [sys.executable, "-m", "amqpbroker", "serve", "--port", "0", *sys.argv[1:]]
broker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
print(broker.stdout.readline(), flush=True)
sys.stdin.read()
import os; os._exit(1)
"""


def test_a_broker_may_end_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "--exit-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with parent:
        assert parent.stdout is not None
        with RawConnection.open(parent.stdout.readline().split()[-1]) as client:
            parent.kill()

            assert client.expect(m.ConnectionClose).reply_code == 320
