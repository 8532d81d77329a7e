"""What the shop's tests share."""

import pytest
from shop.topology import declare_at

from amqpbroker.testing import VHostHandle


@pytest.fixture
def shop(amqp_vhost: VHostHandle) -> VHostHandle:
    """A vhost of the test's own, with the shop's exchange and queues."""
    declare_at(amqp_vhost.url)
    return amqp_vhost
