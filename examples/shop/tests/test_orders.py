"""Placing orders: what is published, and what a customer is told when the broker has trouble."""

from collections.abc import Iterator

import pytest
from shop.orders import NotPlaced, Orders

from amqpbroker.testing import Faults, LocalBroker, VHostHandle


@pytest.fixture
def orders(shop: VHostHandle) -> Iterator[Orders]:
    orders = Orders(shop.url)
    yield orders
    orders.close()


def test_an_order_is_published_once(shop: VHostHandle, orders: Orders) -> None:
    orders.place(1, 9_99)

    order = shop.published("orders.*", exchange="shop").once()
    order.with_json({"id": 1, "cents": 999}).with_properties(message_id="order-1", delivery_mode=2)
    assert [message.json() for message in shop.queue("payments").messages] == [order[0].json()]


def test_an_order_that_is_nacked_is_published_again(
    shop: VHostHandle, orders: Orders, amqp_faults: Faults
) -> None:
    amqp_faults.next_confirms(nack=2, exchange="shop")
    orders.place(1, 999)

    shop.published("orders.new").times(3)
    amqp_faults.assert_all_fired()


def test_an_order_survives_a_lost_connection(
    shop: VHostHandle, orders: Orders, amqp_faults: Faults
) -> None:
    orders.place(1, 999)
    amqp_faults.connection(name="web").drop()
    orders.place(2, 999)

    placed = [message.json() for message in shop.queue("payments").messages]
    assert placed == [{"id": 1, "cents": 999}, {"id": 2, "cents": 999}]


def test_a_customer_is_told_when_nothing_helps(
    shop: VHostHandle, orders: Orders, amqp_faults: Faults
) -> None:
    amqp_faults.some_confirms(nack=1.0)

    with pytest.raises(NotPlaced):
        orders.place(1, 999)


def test_a_power_cut_loses_no_order_that_was_placed(
    shop: VHostHandle, orders: Orders, amqp_faults: Faults
) -> None:
    for order_id in range(20):
        orders.place(order_id, 999)
    amqp_faults.power_cut()

    assert shop.queue("payments").ready_count == 20


def test_the_order_of_a_shop_without_payments_goes_nowhere(
    amqp_broker: LocalBroker, amqp_vhost: VHostHandle
) -> None:
    amqp_vhost.exchange("shop").declare("topic", durable=True)
    amqp_vhost.queue("invoices").declare().bind("shop", "orders.paid")
    orders = Orders(amqp_vhost.url)
    with pytest.raises(Exception, match="unroutable"):
        orders.place(1, 999)
    orders.close()

    journey = amqp_broker.journey(amqp_vhost.published()[0])
    assert "closest: 'orders.paid' of queue 'invoices'" in str(journey)
