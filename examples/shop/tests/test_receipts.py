"""Receipts: Celery's tasks, and a countdown that nobody waits for."""

from collections.abc import Iterator
from queue import Queue

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from shop.receipts import GRACE_SECONDS, make_app

from amqpbroker.testing import VHostHandle

PATIENCE_SECONDS = 10.0


@pytest.fixture
def outbox() -> Queue[int]:
    """The receipts that were sent."""
    return Queue()


@pytest.fixture
def app(amqp_vhost: VHostHandle, outbox: Queue[int]) -> Iterator[Celery]:
    """The Celery application, whose connections are closed afterwards."""
    app = make_app(amqp_vhost.url, outbox)
    # A worker looks up from its sockets when a timer rings: for a heartbeat, twenty times a second.
    app.conf.update(broker_heartbeat=1, broker_heartbeat_checkrate=20)
    yield app
    app.producer_pool.force_close_all()
    app.pool.force_close_all()
    app.close()


def test_a_receipt_is_sent(app: Celery, outbox: Queue[int]) -> None:
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="error"):
        app.send_task("send_receipt", (1,))
        assert outbox.get(timeout=PATIENCE_SECONDS) == 1


def test_the_customer_has_ten_minutes(amqp_vhost: VHostHandle, app: Celery) -> None:
    app.send_task("send_receipt", (1,), countdown=GRACE_SECONDS)

    task = amqp_vhost.published("receipts").once()[0]
    assert task.headers["task"] == "send_receipt"
    assert task.headers["eta"] is not None
    assert amqp_vhost.queue("receipts").ready_count == 1
