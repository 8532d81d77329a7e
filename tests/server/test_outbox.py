"""The outbox: everything leaves, in order, however little the socket takes at a time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amqpbroker.server.outbox import Outbox


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end, which takes little, and the client's; neither waits."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def read_some(sock: socket.socket, byte_count: int = 1 << 20) -> bytes:
    try:
        return sock.recv(byte_count)
    except BlockingIOError:
        return b""


def read_all(outbox: Outbox, sock: socket.socket) -> bytes:
    """Flush and read in turns until everything has left."""
    received = b""
    while outbox.byte_count:
        outbox.flush()
        data = read_some(sock)
        assert data, "the outbox holds bytes back"
        received += data
    return received


def numbered(count: int, size: int) -> list[bytes]:
    return [index.to_bytes(4) * (size // 4) for index in range(count)]


def test_a_flush_sends_what_was_added_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    outbox.add(b"one,")
    outbox.add(b"two,")
    outbox.pieces += (b"three,", b"four")
    outbox.byte_count += 10

    outbox.flush()

    assert read_some(theirs) == b"one,two,three,four"
    assert (outbox.byte_count, outbox.is_waiting, outbox.pieces) == (0, False, [])


def test_nothing_is_sent_before_a_flush(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    outbox.add(b"later")

    assert outbox.byte_count == 5
    assert not outbox.is_waiting
    assert read_some(theirs) == b""


def test_an_empty_outbox_flushes_to_no_effect(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)

    outbox.flush()

    assert (outbox.byte_count, outbox.is_waiting) == (0, False)
    assert read_some(theirs) == b""


@pytest.mark.parametrize(
    ("count", "size", "socket_bytes"),
    [
        (20_000, 40, 4_096),
        (300, 8_000, 4_096),
        (2_500, 5_000, 200_000),
        (3, 2_000_000, 100_000),
    ],
    ids=["small: joined", "large: scattered", "more pieces than one call takes", "huge"],
)
def test_what_a_full_socket_does_not_take_leaves_later_in_order(
    pair: tuple[socket.socket, socket.socket], count: int, size: int, socket_bytes: int
) -> None:
    ours, theirs = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, socket_bytes)
    outbox = Outbox(ours)
    pieces = numbered(count, size)
    for piece in pieces:
        outbox.add(piece)

    outbox.flush()
    assert outbox.is_waiting
    left_bytes = outbox.byte_count
    first = read_some(theirs)
    assert left_bytes == count * size - len(first)
    received = first + read_all(outbox, theirs)

    assert received == b"".join(pieces)
    assert (outbox.byte_count, outbox.is_waiting) == (0, False)


def test_what_is_added_while_the_socket_is_full_comes_behind(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    outbox.add(b"a" * 100_000)
    outbox.flush()
    assert outbox.is_waiting
    outbox.add(b"b" * 10)
    outbox.flush()

    assert read_all(outbox, theirs) == b"a" * 100_000 + b"b" * 10


def test_a_large_piece_is_handed_over_without_a_copy(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, _ = pair
    outbox = Outbox(ours)
    body = bytes(1_000_000)
    outbox.add(b"head")
    outbox.add(body)
    outbox.flush()

    assert outbox.is_waiting
    assert outbox._unsent[-1].obj is body


def test_a_lost_connection_is_an_os_error(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    theirs.close()
    outbox.add(b"anybody there?")

    with pytest.raises(OSError, match=r"[Pp]ipe|reset"):
        outbox.flush()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 20_000)),
            st.tuples(st.just("flush"), st.just(0)),
            st.tuples(st.just("read"), st.integers(1, 30_000)),
        ),
        max_size=60,
    )
)
def test_whatever_the_turns_are_nothing_is_lost_or_swapped(
    pair: tuple[socket.socket, socket.socket], steps: list[tuple[str, int]]
) -> None:
    ours, theirs = pair
    outbox = Outbox(ours)
    added = received = b""
    for number, (verb, size) in enumerate(steps):
        if verb == "add":
            piece = (number.to_bytes(2) * (size // 2 + 1))[:size]
            added += piece
            outbox.add(piece)
        elif verb == "flush":
            outbox.flush()
        else:
            received += read_some(theirs, size)
        assert added.startswith(received)
    received += read_all(outbox, theirs)
    while data := read_some(theirs):
        received += data

    assert received == added
    assert not outbox.is_waiting
