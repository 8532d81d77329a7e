"""`amqpbroker policy` and `amqpbroker limits`, against a broker that runs, as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_process import BrokerProcess
from test_user import type_in


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The control socket of a broker."""
    path = tmp_path_factory.mktemp("control") / "c"
    process = BrokerProcess("--memory", "--control", str(path))
    try:
        yield path
        assert "Traceback" not in process.log()
    finally:
        process.close()


def told(control: Path, *words: str) -> list[str]:
    """What a command prints that succeeds."""
    run = type_in(control, *words)
    assert (run.returncode, run.stderr) == (0, "")
    return [" ".join(line.split()) for line in run.stdout.splitlines()]


def test_policies_are_set_listed_and_cleared(control: Path) -> None:
    told(control, "policy", "set", "short", "^log", '{"max-length": 5}', "--priority", "2")
    told(control, "policy", "set", "bound", "", '{"expires": 9}', "--operator")

    assert told(control, "policy", "list") == [
        "vhost name whose pattern apply-to definition priority",
        '/ short user ^log all {"max-length": 5} 2',
        '/ bound operator all {"expires": 9} 0',
    ]
    told(control, "policy", "clear", "short")
    told(control, "policy", "clear", "bound", "--operator")
    assert len(told(control, "policy", "list")) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("policy", "set", "p", "(", '{"max-length": 5}'),
            "amqpbroker policy set: pattern should be regular expression but is invalid: "
            '{"missing )",1}',
        ),
        (
            ("policy", "set", "p", "", "max-length=5"),
            "amqpbroker policy set: 'max-length=5' is not an object in JSON, such as "
            "'{\"max-length\": 5}'",
        ),
        (("policy", "clear", "p"), "amqpbroker policy clear: there is no policy 'p'"),
        (
            ("policy", "clear", "p", "--vhost", "no"),
            "amqpbroker policy clear: there is no vhost 'no'",
        ),
        (
            ("limits", "vhost", "/", '{"max-channels": 5}'),
            'amqpbroker limits vhost: Unrecognised terms [{<<"max-channels">>,5}] in limits',
        ),
        (("limits", "user", "no", "{}"), "amqpbroker limits user: there is no user 'no'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    control: Path, words: tuple[str, ...], expected: str
) -> None:
    run = type_in(control, *words)

    assert (run.returncode, run.stdout, run.stderr) == (1, "", expected + "\n")


def test_limits_are_set_listed_and_taken_away(control: Path) -> None:
    told(control, "limits", "vhost", "/", '{"max-queues": 5}')
    told(control, "limits", "user", "guest", '{"max-channels": 7, "max-connections": -1}')

    assert told(control, "limits", "list") == [
        "of name limit value",
        "vhost / max-queues 5",
        "user guest max-connections -1",
        "user guest max-channels 7",
    ]
    told(control, "limits", "vhost", "/", "{}")
    told(control, "limits", "user", "guest", "{}")
    assert len(told(control, "limits", "list")) == 1
