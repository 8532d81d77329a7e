"""Refusals with RabbitMQ's codes and texts; each closes one channel, the connection goes on."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

Act = Callable[[BlockingChannel], object]


def main(url: str) -> None:
    parameters = pika.URLParameters(url)
    virtual_host = parameters.virtual_host
    queue = f"interop-refusals-{uuid.uuid4().hex}"
    with pika.BlockingConnection(parameters) as connection:
        keeper = connection.channel()
        keeper.queue_declare(queue)
        keeper.queue_declare(f"{queue}-mine", exclusive=True)
        where = f"in vhost '{virtual_host}'"

        refused: list[tuple[int, str, Act]] = [
            (
                404,
                f"NOT_FOUND - no queue '{queue}-absent' {where}",
                lambda channel: channel.queue_declare(f"{queue}-absent", passive=True),
            ),
            (
                404,
                f"NOT_FOUND - no exchange '{queue}-absent' {where}",
                lambda channel: channel.exchange_declare(f"{queue}-absent", passive=True),
            ),
            (
                406,
                f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' {where}: "
                "received 'true' but current is 'false'",
                lambda channel: channel.queue_declare(queue, durable=True),
            ),
            (
                403,
                "ACCESS_REFUSED - exchange name 'amq.interop' contains reserved prefix 'amq.*'",
                lambda channel: channel.exchange_declare("amq.interop"),
            ),
            (
                406,
                "PRECONDITION_FAILED - unknown delivery tag 99",
                lambda channel: (channel.basic_ack(99), channel.queue_declare(queue, passive=True)),
            ),
        ]
        for code, text, act in refused:
            expect_refusal(connection.channel(), code, text, act)
            assert keeper.is_open, f"another channel fell with {code}"
            assert keeper.queue_declare(queue, passive=True).method.queue == queue

        refuse_the_exclusive_queue(parameters, f"{queue}-mine")
        keeper.queue_delete(queue)
    refuse_the_connection(url)


def expect_refusal(channel: BlockingChannel, code: int, text: str, act: Act) -> None:
    try:
        act(channel)
    except ChannelClosedByBroker as error:
        assert (error.reply_code, error.reply_text) == (code, text), error
    else:
        raise AssertionError(f"not refused: {code} {text}")


def refuse_the_exclusive_queue(parameters: pika.URLParameters, queue: str) -> None:
    with pika.BlockingConnection(parameters) as stranger:
        text = (
            f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost"
        )
        try:
            stranger.channel().queue_declare(queue, passive=True)
        except ChannelClosedByBroker as error:
            assert error.reply_code == 405, error
            assert error.reply_text.startswith(text), error
        else:
            raise AssertionError("another connection's exclusive queue was not refused")


def refuse_the_connection(url: str) -> None:
    wrong_password = pika.URLParameters(url)
    wrong_password.credentials = pika.PlainCredentials("guest", uuid.uuid4().hex)
    try:
        pika.BlockingConnection(wrong_password)
    except ProbableAuthenticationError as error:
        assert "ACCESS_REFUSED - Login was refused" in repr(error), error
    else:
        raise AssertionError("a wrong password was let in")

    wrong_host = pika.URLParameters(url)
    wrong_host.virtual_host = f"absent-{uuid.uuid4().hex}"
    try:
        pika.BlockingConnection(wrong_host)
    except (ProbableAccessDeniedError, ConnectionClosedByBroker) as error:
        text = f"NOT_ALLOWED - vhost {wrong_host.virtual_host} not found"
        assert text in repr(error), error
    else:
        raise AssertionError("a virtual host that does not exist was opened")


if __name__ == "__main__":
    main(sys.argv[1])
