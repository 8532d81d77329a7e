"""A headers exchange with each x-match, and an alternate exchange for what matches nothing."""

from __future__ import annotations

import sys
import uuid

import pika
from pika.adapters.blocking_connection import BlockingChannel

BINDINGS = {
    "reports in pdf": {"x-match": "all", "type": "report", "format": "pdf"},
    "pdf or urgent": {"x-match": "any", "format": "pdf", "priority": 9},
    "all, x- too": {"x-match": "all-with-x", "x-source": "scanner", "format": "pdf"},
    "any, x- too": {"x-match": "any-with-x", "x-source": "scanner"},
    "has a type": {"x-match": "all", "type": None},
}
# {headers of a message: the bindings it must reach}
EXPECTED: list[tuple[dict[str, str | int], set[str]]] = [
    ({"type": "report", "format": "pdf"}, {"reports in pdf", "pdf or urgent", "has a type"}),
    ({"type": "report", "format": "csv"}, {"has a type"}),
    ({"priority": 9}, {"pdf or urgent"}),
    (
        {"x-source": "scanner", "format": "pdf"},
        {"pdf or urgent", "all, x- too", "any, x- too"},
    ),
    ({"x-source": "scanner"}, {"any, x- too"}),
    ({"priority": "9"}, {"the rest"}),
    ({}, {"the rest"}),
]


def main(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        name = f"interop-headers-{uuid.uuid4().hex}"
        channel.exchange_declare(f"{name}-rest", "fanout", auto_delete=True)
        channel.exchange_declare(
            name, "headers", auto_delete=True, arguments={"alternate-exchange": f"{name}-rest"}
        )
        queues = bind_all(channel, name)
        for number, (headers, expected) in enumerate(EXPECTED):
            body = str(number).encode()
            properties = pika.BasicProperties(headers=dict(headers))
            channel.basic_publish(name, "ignored", body, properties, mandatory=True)
            reached = {title for title, queue in queues.items() if take(channel, queue) == body}
            assert reached == expected, f"{headers} reached {reached}, not {expected}"


def bind_all(channel: BlockingChannel, exchange: str) -> dict[str, str]:
    queues = {
        title: str(channel.queue_declare("", exclusive=True).method.queue) for title in BINDINGS
    }
    for title, arguments in BINDINGS.items():
        channel.queue_bind(queues[title], exchange, arguments=dict(arguments))
    queues["the rest"] = str(channel.queue_declare("", exclusive=True).method.queue)
    channel.queue_bind(queues["the rest"], f"{exchange}-rest")
    return queues


def take(channel: BlockingChannel, queue: str) -> bytes | None:
    _, _, body = channel.basic_get(queue, auto_ack=True)
    return body


if __name__ == "__main__":
    main(sys.argv[1])
