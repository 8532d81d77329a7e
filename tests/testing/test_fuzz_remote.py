"""What the fuzzer sees of a broker in another process: its log, its memory, its end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amqpbroker.cli.main import main
from amqpbroker.testing.fuzz.healthy import Lateness
from amqpbroker.testing.fuzz.remote import RemoteBroker, check_url

URL = "amqp://127.0.0.1:1/"


def texts_of(broker: RemoteBroker) -> list[str]:
    broker.look()
    return [problem.text for problem in broker.problems()]


def test_a_traceback_in_the_log_is_found_once(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("Traceback of an earlier life\n")
    broker = RemoteBroker(URL, log_path=log)
    assert texts_of(broker) == []
    with log.open("a") as file:
        file.write("WARNING all is well\nTraceb")
    assert texts_of(broker) == []
    with log.open("a") as file:
        file.write("ack (most recent call last):\n  what happened\n")
    (text,) = texts_of(broker)

    assert "what happened" in text
    assert texts_of(broker) == []


def test_more_memory_than_allowed_is_found() -> None:
    modest = RemoteBroker(URL, process_id=os.getpid(), memory_bytes_max=1 << 40)
    greedy = RemoteBroker(URL, process_id=os.getpid(), memory_bytes_max=1 << 20)

    assert texts_of(modest) == []
    assert modest.peak_bytes > 1 << 20
    assert texts_of(greedy)[0].endswith(" MiB, and 1 is the most")


def test_a_broker_that_is_gone_is_found_once() -> None:
    broker = RemoteBroker(URL, process_id=2**22 + 1)  # no process has so large a number

    assert texts_of(broker) == [f"the broker's process {2**22 + 1} is gone"]
    assert texts_of(broker) == []


def test_what_the_healthy_client_says_is_understood() -> None:
    broker = RemoteBroker(URL)
    for word, rest in (("slow", "0.250"), ("lost", "all is lost"), ("trips", "17 0.031")):
        broker._hear(word, rest)
    slow, lost = broker.problems()

    assert (slow.text, slow.is_of_time) == (
        "a client that does nothing wrong had to wait for 250 ms",
        True,
    )
    assert (lost.text, lost.is_of_time) == ("all is lost", False)
    assert (broker.trip_count, broker.slowest_seconds) == (17, 0.25)


def test_the_wait_for_a_processor_is_not_held_against_the_broker() -> None:
    """There is none for a process that is not there; for a real one it never goes back."""
    assert Lateness((2**22 + 1,)).since_last() == 0
    assert Lateness((os.getpid(),)).since_last() >= 0


def test_a_url_is_one_of_a_broker() -> None:
    check_url("amqp://localhost/")
    with pytest.raises(ValueError, match="not an amqp:// URL"):
        check_url("localhost")


@pytest.mark.slow
def test_an_own_broker_is_fuzzed_and_starts_again_on_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fuzz", "--own", "--durable", "--cases", "20", "--together", "5"]) == 0
    summary = capsys.readouterr().out

    assert summary.startswith("20 cases with ")
    assert "the broker took up to " in summary
