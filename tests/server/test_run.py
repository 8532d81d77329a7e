"""What the process adds to the server: the log's lines."""

from __future__ import annotations

import logging

from amqpbroker.server.run import LineFormatter


def line(message: str, *values: object) -> str:
    record = logging.LogRecord("amqpbroker", logging.INFO, "", 0, message, values, None)
    return LineFormatter("%(levelname)s %(message)s").format(record)


def test_a_record_is_one_line_whatever_a_client_says() -> None:
    forged = "NOT_FOUND - no queue 'x\n2026-01-01 ERROR all is lost\r\x1b[2J\x9b'"

    assert line("%s: %s", "127.0.0.1:1", forged) == (
        "INFO 127.0.0.1:1: NOT_FOUND - no queue "
        "'x\\x0a2026-01-01 ERROR all is lost\\x0d\\x1b[2J\\x9b'"
    )


def test_letters_of_any_script_stay_as_they_are() -> None:
    assert line("größe 数 ✓") == "INFO größe 数 ✓"
