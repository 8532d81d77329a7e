"""Retries with a delay: a failed job waits in a queue with a TTL, and dead-letters back."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import BasicProperties

DELAY_MS = 50
TRIES_MAX = 3
PATIENCE_SECONDS = 10.0


def main(url: str) -> None:
    name = f"interop-retry-{uuid.uuid4().hex}"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        declare(channel, name)
        work(channel, name)
        park_what_overflows(channel, name)


def declare(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(
        f"{name}-jobs",
        exclusive=True,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{name}-wait"},
    )
    channel.queue_declare(
        f"{name}-wait",
        exclusive=True,
        arguments={
            "x-message-ttl": DELAY_MS,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{name}-jobs",
        },
    )
    channel.queue_declare(f"{name}-parked", exclusive=True)


def tries_so_far(properties: BasicProperties, queue: str) -> int:
    """Count how often the job was rejected from *queue*, by what the broker wrote into it."""
    headers: dict[str, Any] = dict(properties.headers or {})
    deaths: list[dict[str, Any]] = headers.get("x-death", [])
    return sum(
        death["count"]
        for death in deaths
        if death["queue"] == queue and death["reason"] == "rejected"
    )


def work(channel: BlockingChannel, name: str) -> None:
    """Fail the hard job until its tries are up, then park it; do the easy one at once."""
    channel.basic_publish("", f"{name}-jobs", b"hard", BasicProperties(message_id="h"))
    channel.basic_publish("", f"{name}-jobs", b"easy")
    log: list[tuple[bytes, int]] = []
    jobs = channel.consume(f"{name}-jobs", inactivity_timeout=PATIENCE_SECONDS)
    for method, properties, body in jobs:
        assert method is not None, f"nothing came back in {PATIENCE_SECONDS} s; so far {log}"
        assert properties is not None
        assert body is not None
        tries = tries_so_far(properties, f"{name}-jobs")
        log.append((body, tries))
        if body == b"hard" and tries < TRIES_MAX:
            channel.basic_reject(method.delivery_tag, requeue=False)
            continue
        if body == b"hard":
            channel.basic_publish("", f"{name}-parked", body, properties)
        channel.basic_ack(method.delivery_tag)
        if tries == TRIES_MAX:
            break
    channel.cancel()
    assert log == [
        (b"hard", 0),
        (b"easy", 0),
        *((b"hard", tries) for tries in range(1, TRIES_MAX + 1)),
    ], log

    method, properties, _ = channel.basic_get(f"{name}-parked", auto_ack=True)
    assert method is not None, "the job was not parked"
    assert properties is not None
    assert properties.message_id == "h", "dead-lettering lost the message's properties"
    headers: dict[str, Any] = dict(properties.headers or {})
    assert headers["x-first-death-queue"] == f"{name}-jobs", headers
    assert headers["x-first-death-reason"] == "rejected", headers
    assert headers["x-last-death-reason"] == "expired", headers


def park_what_overflows(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(
        f"{name}-short",
        exclusive=True,
        arguments={
            "x-max-length": 2,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": f"{name}-parked",
        },
    )
    for number in range(3):
        channel.basic_publish("", f"{name}-short", str(number).encode())
    parked = channel.consume(f"{name}-parked", inactivity_timeout=PATIENCE_SECONDS, auto_ack=True)
    _, properties, body = next(parked)
    assert body == b"0", f"the oldest must make room, not {body}"
    assert properties is not None
    headers: dict[str, Any] = dict(properties.headers or {})
    assert headers["x-first-death-reason"] == "maxlen", headers
    channel.cancel()


if __name__ == "__main__":
    main(sys.argv[1])
