"""Recording a client through the proxy, and saying the same again to a broker."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from broker_process import a_broker

from amqpbroker.cli.main import main
from amqpbroker.spec import methods as m
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.conversation import Entry, parse
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.recorder import Recorder
from amqpbroker.testing.replayer import Heard, Replayer, differences_text

PATIENCE_S = 0.5
#: Programs on a real RabbitMQ, recorded with `amqpbroker record`.
RECORDINGS = Path(__file__).parent / "recordings"
REPLY_TO = "amq.rabbitmq.reply-to"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_broker() as broker:
        yield broker.url


async def recorded(upstream: str, client: Any) -> str:
    """What is recorded while *client* talks to the proxy; it runs in a thread of its own."""
    file = io.StringIO()
    recorder = Recorder(upstream, file)
    async with trio.open_nursery() as nursery:
        port, is_ready = 0, trio.Event()

        def ready(taken: int) -> None:
            nonlocal port
            port = taken
            is_ready.set()

        nursery.start_soon(recorder.serve, "127.0.0.1", 0, ready)
        await is_ready.wait()
        await trio.to_thread.run_sync(client, f"amqp://guest:guest@127.0.0.1:{port}/")
        with trio.fail_after(5):
            while not _is_whole(file.getvalue()):
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return file.getvalue()


def _is_whole(text: str) -> bool:
    """Whether both sides of each connection have ended."""
    opened = len(set(re.findall(r"^\S+ C(\d+) ", text, re.MULTILINE)))
    return len(re.findall(r"^\S+ [CS]\d+ - closed$", text, re.MULTILINE)) == 2 * opened


def a_worker(url: str) -> None:
    """Confirms, a return, a queue that the broker names, deliveries, an error, an answer."""
    with RawConnection.open(url) as connection:
        channel = connection.channel()
        channel.call(m.ConfirmSelect(), m.ConfirmSelectOk)
        queue = channel.call(m.QueueDeclare(exclusive=True), m.QueueDeclareOk).queue
        channel.publish("", "nobody", b"x", mandatory=True)
        channel.expect_content(m.BasicReturn)
        for number in range(10):
            channel.publish("", queue, b"%d" % number)
        channel.expect_confirms()
        channel.call(m.BasicConsume(queue=queue), m.BasicConsumeOk)
        for delivery in channel.deliveries(10):
            assert isinstance(delivery.method, m.BasicDeliver)
            channel.send(m.BasicAck(delivery.method.delivery_tag))
        other = connection.channel()
        other.call(m.BasicConsume(queue=REPLY_TO, no_ack=True), m.BasicConsumeOk)
        other.publish("", queue, b"?", properties_of(reply_to=REPLY_TO))
        request = channel.expect_content(m.BasicDeliver)
        channel.publish("", str(request.properties.text("reply_to")), b"!")
        assert other.expect_content(m.BasicDeliver).body == b"!"
        other.refused(m.QueueDeclare(queue="nope", passive=True))
        connection.close()


async def test_a_recorded_client_is_answered_alike_again(url: str) -> None:
    text = await recorded(url, a_worker)
    replayer = Replayer(parse(text, "recording"), url)
    differences = await trio.to_thread.run_sync(replayer.run)

    assert differences_text(differences) == ""
    assert replayer.said_count == len(re.findall(r"^\S+ C1 \S+ (?!  |closed)", text, re.MULTILINE))
    assert "404 \"NOT_FOUND - no queue 'nope' in vhost '/'\"" in text
    assert "  content b'!'" in text


async def test_the_proxy_is_transparent(url: str) -> None:
    sent = b"x" * 300_000
    got: list[bytes] = []

    def client(proxy_url: str) -> None:
        with RawConnection.open(proxy_url) as connection:
            channel = connection.channel()
            queue = channel.call(m.QueueDeclare(exclusive=True), m.QueueDeclareOk).queue
            channel.publish("", queue, sent)
            got.extend(channel.get_all(queue))

    await recorded(url, client)
    assert got == [sent]


async def test_an_answer_that_differs_is_shown_with_what_was_recorded(url: str) -> None:
    text = await recorded(url, a_worker)
    altered = text.replace("no queue 'nope'", "no queue 'other'")
    replayer = Replayer(parse(altered, "recording"), url, PATIENCE_S)
    (difference,) = await trio.to_thread.run_sync(replayer.run)

    shown = str(difference)
    assert shown.startswith("connection 1, channel 2:\n")
    assert "  -channel.close 404 \"NOT_FOUND - no queue 'other' in vhost '/'\"" in shown
    assert "  +channel.close 404 \"NOT_FOUND - no queue 'nope' in vhost '/'\"" in shown


async def test_an_answer_that_does_not_come_is_waited_for_once(url: str) -> None:
    text = await recorded(url, a_worker)
    entries: list[Entry] = []
    for entry in parse(text, "recording"):
        entries.append(entry)
        if entry.said.lines[0] == "channel.open-ok":
            entries.append(parse("0.000 S1 1 basic.cancel consumer_tag='x'", "more")[0])
    replayer = Replayer(entries, url, PATIENCE_S)
    differences = await trio.to_thread.run_sync(replayer.run)

    assert "  -basic.cancel consumer_tag='x'" in differences_text(differences)
    assert len(differences) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["3 multiple"], ["1", "3 multiple"]),
        (["2 multiple"], ["1", "2"]),
    ],
)
def test_how_confirms_are_put_together_does_not_count(one: list[str], other: list[str]) -> None:
    first, second = Heard(), Heard()
    for line in one:
        first.add([f"basic.ack delivery_tag={line}"])
    for line in other:
        second.add([f"basic.ack delivery_tag={line}"])

    assert first.lines == second.lines


def test_a_nack_is_not_an_ack() -> None:
    first, second = Heard(), Heard()
    first.add(["basic.ack delivery_tag=1"])
    second.add(["basic.nack delivery_tag=1"])

    assert (first.lines, second.lines) == (["confirmed 1"], ["refused 1"])


async def test_the_command_tells_whether_answers_differ(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    text = await recorded(url, a_worker)
    file.write_text(text)
    assert main(["replay", str(file), url]) == 0
    assert "all answers were as recorded" in capsys.readouterr().out

    assert main(["replay", str(file)]) == 0  # against a broker of its own
    assert "all answers were as recorded" in capsys.readouterr().out

    file.write_text(text.replace("no queue 'nope'", "no queue 'other'"))
    assert main(["replay", str(file), url, "--patience", "0.2"]) == 1
    printed = capsys.readouterr()
    assert "+channel.close 404" in printed.out
    assert printed.err == "\n1 channels with other answers\n"


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*.amqp")), ids=lambda one: one.stem)
def test_what_rabbitmq_answered_is_what_we_answer(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(recording)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(tmp_path / name), "amqp://127.0.0.1:1/"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_upstream_that_is_no_url_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "--upstream", "localhost:5672", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err == "amqpbroker record: not an amqp:// URL: localhost:5672\n"
