"""The figures of the test kit: all are taken, and the page has room for them."""

from __future__ import annotations

import socket
import sys

import pytest

from amqpbroker.testing import broker
from bench.testkit import PAGE, Stopwatch, greeted, our_rows, rival_start_ms, table_of, with_table


def test_every_figure_is_taken() -> None:
    figures = dict(our_rows(Stopwatch(repeat_count=1)))

    assert len(figures) == 8
    assert all(figure > 0 for what, figure in figures.items() if "importing" not in what)


def test_the_page_has_room_for_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = table_of([("one thing", 1.234), ("another", 5678)])
    written = with_table(page, table)

    assert "| one thing | 1.23 |\n| another | 5,678.00 |\n<!-- testkit: end -->" in written
    assert with_table(written, table) == written


def test_a_broker_greets_and_others_do_not() -> None:
    with broker() as local:
        assert greeted(local.port)
        with pytest.raises(SystemExit, match="something is listening"):
            rival_start_ms(["true"], local.port)

    assert not greeted(local.port)


@pytest.mark.slow
def test_another_broker_is_started_and_stopped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [sys.executable, "-m", "amqpbroker", "serve", "--memory", "--port", str(port)]

    assert rival_start_ms(command, port) > 0
    assert not greeted(port)


def test_a_command_that_starts_nothing_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(SystemExit, match="false did not start"):
        rival_start_ms(["false"], port)
