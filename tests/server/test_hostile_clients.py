"""Clients that mean harm, or do it: nobody else may notice, and the process must not grow.

One broker serves the whole file.  While each client does its worst, a well-behaved one makes its
round trips, each within the raw client's time limit; and at the end nothing may have gone wrong
inside the broker that it had to log with a traceback.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Generator

import pytest
from broker_process import BrokerProcess, a_broker

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.message import encode_content
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.wire.writer import method_frame

MIB = 1024 * 1024
MEMORY_LIMIT_BYTES = 80 * MIB
#: What the process may have had at its peak: the limit, what is in buffers, and what Python keeps.
PEAK_BYTES_MAX = 160 * MIB
FRAME_MAX = 131_072
ROUND_TRIPS = 20
#: What stands in the listening socket's queue and is not accepted yet.
BURST = 250


@pytest.fixture(scope="module")
def broker() -> Generator[BrokerProcess]:
    with a_broker("--memory-limit", str(MEMORY_LIMIT_BYTES), "--log-level", "error") as broker:
        yield broker
        assert broker.peak_bytes() < PEAK_BYTES_MAX


@pytest.fixture
def healthy(broker: BrokerProcess) -> Generator[RawChannel]:
    """A client that does nobody any harm."""
    with RawConnection.open(broker.url) as connection:
        channel = connection.channel()
        yield channel
        check_served(channel)


def check_served(channel: RawChannel) -> None:
    """Ask, publish and get: all as if nobody else was there."""
    for _ in range(ROUND_TRIPS):
        name = channel.call(m.QueueDeclare(0, "", exclusive=True), m.QueueDeclareOk).queue
        channel.call(m.QueueBind(0, name, "amq.topic", "healthy"), m.QueueBindOk)
        channel.call(m.QueueDelete(0, name), m.QueueDeleteOk)


def a_socket(broker: BrokerProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", broker.port), timeout=10)


def publish_frames(routing_key: str, body: bytes) -> bytes:
    method = method_frame(1, m.BasicPublish(0, "", routing_key))
    return method + encode_content(1, b"\0\0", body, FRAME_MAX)


def flood(
    connection: RawConnection, frames: bytes, *, bytes_max: int, until_answered: bool = False
) -> int:
    """Send *frames* again and again without reading a byte; how many bytes were taken.

    Ends when the broker has taken no more for a second, at *bytes_max*, or, if asked, as soon as
    the broker says anything.
    """
    sock = connection._socket
    sock.setblocking(False)
    batch = memoryview(frames * (MIB // len(frames) + 1))
    sent_bytes = position = 0
    while sent_bytes < bytes_max:
        readable, writable, _ = select.select([sock] if until_answered else [], [sock], [], 1.0)
        if readable or not writable:
            break
        sent = sock.send(batch[position:])
        position = (position + sent) % len(batch)
        sent_bytes += sent
    return sent_bytes


# Halves


HALF_MESSAGE = publish_frames("nowhere", bytes(200_000))


@pytest.mark.parametrize(
    "part",
    [
        b"\x01",
        method_frame(1, m.BasicQos())[:-1],
        b"\x01\0\1\0\1\xff\xf0" + bytes(1000),
        HALF_MESSAGE[:30],
        HALF_MESSAGE[:100],
        HALF_MESSAGE[:150_000],
        HALF_MESSAGE[:-1],
    ],
    ids=["an octet", "a frame", "a large frame", "a publish", "a header", "a body", "all but one"],
)
def test_a_client_that_stops_half_way_harms_nobody(
    broker: BrokerProcess, healthy: RawChannel, part: bytes
) -> None:
    stuck = [RawConnection.open(broker.url) for _ in range(10)]
    for connection in stuck:
        connection.channel()
        connection.send_bytes(part)

    check_served(healthy)
    for connection in stuck:
        assert connection.unread() == []
        connection.drop()


def test_clients_that_never_speak_harm_nobody(broker: BrokerProcess, healthy: RawChannel) -> None:
    silent = [a_socket(broker) for _ in range(BURST)]

    check_served(healthy)
    for sock in silent:
        sock.close()
    check_served(healthy)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(100_000),
        b"\xff" * 100_000,
        PROTOCOL_HEADER + b"\xff" * 100_000,
        PROTOCOL_HEADER + b"\x01\0\0\xff\xff\xff\xff" + bytes(100_000),
        PROTOCOL_HEADER * 10_000,
    ],
    ids=["http", "tls", "zeros", "ones", "ones later", "a huge frame", "headers"],
)
def test_garbage_instead_of_a_handshake_harms_nobody(
    broker: BrokerProcess, healthy: RawChannel, garbage: bytes
) -> None:
    socks = [a_socket(broker) for _ in range(10)]
    for sock in socks:
        try:
            sock.sendall(garbage)
        except ConnectionError:
            pass  # it was thrown out half way: so it should be

    check_served(healthy)
    for sock in socks:
        sock.close()


def test_garbage_on_an_open_connection_ends_that_connection_alone(
    broker: BrokerProcess, healthy: RawChannel
) -> None:
    for garbage in (
        b"\xff" * 5000,
        b"\x01\0\1\0\0\0\4\xff\xff\xff\xff\xce",
        b"\x08\0\1\0\0\0\0\xce",
    ):
        with RawConnection.open(broker.url) as connection:
            connection.channel()
            connection.send_bytes(garbage)
            check_served(healthy)


def test_garbage_behind_a_mistake_keeps_nobody_busy(
    broker: BrokerProcess, healthy: RawChannel
) -> None:
    with RawConnection.open(broker.url) as connection:
        connection.channel()
        connection.send_bytes(method_frame(1, m.ChannelOpen()) + b"\xff" * 1000)
        assert connection.expect(m.ConnectionClose).reply_code == 504
        check_served(healthy)


# Crowds


def test_a_thousand_connections_come_and_go(broker: BrokerProcess, healthy: RawChannel) -> None:
    for number in range(1000):
        with RawConnection.open(broker.url) as connection:
            if number % 3 == 0:
                connection.close()  # the others just go
    check_served(healthy)

    assert broker.peak_bytes() < PEAK_BYTES_MAX


def test_many_connections_at_once_are_all_served(
    broker: BrokerProcess, healthy: RawChannel
) -> None:
    connections = [RawConnection.open(broker.url) for _ in range(BURST)]
    channels = [connection.channel() for connection in connections]
    for channel in channels:
        channel.send(m.ExchangeDeclare(0, "amq.direct", passive=True))
    check_served(healthy)
    for channel in channels:
        channel.expect(m.ExchangeDeclareOk)
    for connection in connections:
        connection.drop()


# Floods


def test_a_consumer_that_never_reads_lets_nothing_grow(
    broker: BrokerProcess, healthy: RawChannel
) -> None:
    """The publisher is blocked at the memory limit; all others are served all the while."""
    with (
        RawConnection.open(broker.url) as consumer,
        RawConnection.open(broker.url) as publisher,
    ):
        healthy.call(m.QueueDeclare(0, "unread"), m.QueueDeclareOk)
        consumer.channel().consume("unread", no_ack=True)
        publisher.channel()
        frames = publish_frames("unread", bytes(1000))
        sent_bytes = flood(publisher, frames, bytes_max=400 * MIB, until_answered=True)
        assert publisher.expect(m.ConnectionBlocked).reason == "low on memory"
        assert sent_bytes < 2 * MEMORY_LIMIT_BYTES
        check_served(healthy)
        assert broker.peak_bytes() < PEAK_BYTES_MAX
        healthy.call(m.QueueDelete(0, "unread"), m.QueueDeleteOk)
        publisher.expect(m.ConnectionUnblocked)


@pytest.mark.parametrize(
    "request_",
    [
        method_frame(1, m.BasicGet(0, "flooded")) + method_frame(1, m.BasicNack(0, True, True)),
        method_frame(1, m.QueueDeclare(0, "flooded", passive=True)),
        method_frame(1, m.BasicPublish(0, "", "nowhere", mandatory=True))
        + encode_content(1, b"\0\0", bytes(1000), FRAME_MAX),
        method_frame(1, m.QueueDeclare(0, "flooded")) + method_frame(1, m.BasicQos()),
    ],
    ids=["get", "declare", "returns", "two of a kind"],
)
def test_a_flood_of_requests_whose_answers_are_not_read_is_not_read_either(
    broker: BrokerProcess, healthy: RawChannel, request_: bytes
) -> None:
    healthy.call(m.QueueDeclare(0, "flooded"), m.QueueDeclareOk)
    healthy.publish("", "flooded", bytes(MIB))
    with RawConnection.open(broker.url) as deaf:
        deaf.channel()
        sent_bytes = flood(deaf, request_, bytes_max=60 * MIB)
        assert sent_bytes < 60 * MIB
        check_served(healthy)
        assert broker.peak_bytes() < PEAK_BYTES_MAX
    check_served(healthy)
    healthy.call(m.QueueDelete(0, "flooded"), m.QueueDeleteOk)


def test_a_client_that_publishes_at_full_speed_does_not_starve_another(
    broker: BrokerProcess, healthy: RawChannel
) -> None:
    with RawConnection.open(broker.url) as publisher:
        publisher.channel()
        frames = publish_frames("nowhere", bytes(100)) * 5000
        worst_s = 0.0
        for _ in range(30):
            publisher.send_bytes(frames)
            began = time.monotonic()
            healthy.round_trip()
            worst_s = max(worst_s, time.monotonic() - began)

        assert worst_s < 1.0


def test_a_crowd_that_takes_all_files_waits_at_the_door() -> None:
    few_files = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64));"
        "from amqpbroker.cli.main import main; raise SystemExit(main())"
    )
    with (
        a_broker(command=(sys.executable, "-c", few_files)) as broker,
        RawConnection.open(broker.url) as connection,
    ):
        channel = connection.channel()
        crowd = [a_socket(broker) for _ in range(100)]
        check_served(channel)
        for sock in crowd:
            sock.close()
        with RawConnection.open(broker.url) as late:
            late.channel().round_trip()

        # Once a second, not once a round.
        assert 1 <= broker.log().count("cannot accept connections: Too many open files") < 20
