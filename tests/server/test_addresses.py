"""What the ends of a connection are called."""

from __future__ import annotations

import pytest

from amqpbroker.server.addresses import end_name


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 5672), "127.0.0.1:5672"),
        (("::1", 5672, 0, 0), "[::1]:5672"),
        ("/run/amqp.sock", "unix"),
        ("", "unix"),
    ],
)
def test_an_end_is_named_by_host_and_port(address: object, expected: str) -> None:
    assert end_name(address) == expected
