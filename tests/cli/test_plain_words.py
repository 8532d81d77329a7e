"""Errors of the system, as commands print them."""

import errno
import os

from amqpbroker.cli.plain_words import said_plainly


def test_a_file_that_is_not_there_is_named() -> None:
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/nope")

    assert said_plainly(error, "amqp://x") == "cannot open '/nope': No such file or directory"


def test_a_broker_that_is_not_there_is_named() -> None:
    error = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    assert said_plainly(error, "amqp://x:1/") == "cannot connect to amqp://x:1/: Connection refused"
    assert said_plainly(error, None) == "Connection refused"


def test_other_errors_speak_for_themselves() -> None:
    assert said_plainly(ValueError("no such word"), "amqp://x") == "no such word"
