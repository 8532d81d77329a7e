"""`amqpbroker serve --definitions`: what a broker has from the start, and why it does not start."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pika
import pika.exceptions
import pytest
from broker_process import MODULE, ROOT, a_broker

EXPORT = ROOT / "tests" / "management" / "exports" / "rabbitmq-4.0.5.json"
RUN_SECONDS_MAX = 30


def refusal(tmp_path: Path, text: str) -> list[str]:
    """What a broker says that does not start because of its definitions."""
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [*MODULE, "serve", "--memory", "--port", "0", "--definitions", str(path)],
        cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (1, "")
    return run.stderr.replace(str(path), "FILE").splitlines()


def test_a_broker_has_what_a_rabbitmq_has_exported() -> None:
    with a_broker("--memory", "--definitions", str(EXPORT)) as broker:
        url = broker.url.replace("guest:guest", "alice:secret") + "shop"
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            declared = channel.queue_declare("orders", passive=True)
        assert declared.method.message_count == 0


def test_guest_is_not_there_unless_the_file_says_so(tmp_path: Path) -> None:
    users = [{"name": "alice", "password": "secret", "tags": "administrator"}]
    path = tmp_path / "definitions.json"
    path.write_text(json.dumps({"users": users}), encoding="utf-8")

    with a_broker("--memory", "--definitions", str(path)) as broker:
        assert "//alice@" in broker.url
        guests = pika.URLParameters(broker.url.replace("alice@", "guest:guest@"))
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(guests)


def test_each_mistake_is_a_line(tmp_path: Path) -> None:
    text = json.dumps({"vhosts": [], "queues": [{"name": "a"}, {"name": "b", "durable": "no"}]})

    assert refusal(tmp_path, text) == [
        "amqpbroker: FILE: queue 'a': 'vhost' is missing: it must be a text",
        "amqpbroker: FILE: queue 'b': 'vhost' is missing: it must be a text",
        "amqpbroker: FILE: queue 'b': 'durable' must be true or false, not \"no\"",
    ]


def test_what_is_no_json_is_refused_where_it_stands(tmp_path: Path) -> None:
    assert refusal(tmp_path, '{\n"queues": [}') == [
        "amqpbroker: FILE: line 2, column 12: this is not JSON: Expecting value"
    ]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    run = subprocess.run(
        [*MODULE, "serve", "--memory", "--port", "0", "--definitions", str(tmp_path / "no.json")],
        cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False,
    )  # fmt: skip

    assert run.returncode == 1
    assert run.stderr == (
        f"amqpbroker: {tmp_path / 'no.json'}: cannot be read: No such file or directory\n"
    )
