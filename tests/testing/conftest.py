"""One broker for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amqpbroker.testing import LocalBroker, VHostHandle, broker


@pytest.fixture(scope="module")
def local() -> Iterator[LocalBroker]:
    """A broker, whose clock runs when a test begins."""
    with broker() as local:
        yield local


@pytest.fixture
def vhost(local: LocalBroker) -> Iterator[VHostHandle]:
    """A vhost of the test's own."""
    with local.fresh_vhost() as vhost:
        yield vhost
    local.clock.resume()
