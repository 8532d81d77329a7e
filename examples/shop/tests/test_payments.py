"""Payments: retries by the clock, and once for each order whatever the broker does."""

import asyncio
from collections.abc import Awaitable, Callable

from shop.payments import Declined, payment_worker

from amqpbroker.testing import Clock, Faults, LocalBroker, VHostHandle

#: How long a worker has to react when the clock stops for it.
REACTION = 10.0


class FakeBank:
    """Declines so many times."""

    def __init__(self, declines: int = 0) -> None:
        self.declines = declines
        self.charged: list[int] = []

    async def charge(self, order_id: int, cents: int) -> None:
        if self.declines:
            self.declines -= 1
            raise Declined
        self.charged.append(order_id)


def place(shop: VHostHandle, order_id: int = 1) -> None:
    """An order, without the web shop."""
    shop.exchange("shop").publish(
        "orders.new", json={"id": order_id, "cents": 999},
        message_id=f"order-{order_id}", delivery_mode=2,
    )  # fmt: skip


def with_worker(
    shop: VHostHandle, bank: FakeBank, scenario: Callable[[list[int]], Awaitable[None]]
) -> None:
    """Run a scenario beside a worker; it is given the orders that are paid."""
    paid: list[int] = []

    async def run() -> None:
        async with payment_worker(shop.url, bank, paid.append):
            await scenario(paid)

    asyncio.run(run())


def test_a_payment_is_taken(amqp_broker: LocalBroker, shop: VHostHandle) -> None:
    async def scenario(paid: list[int]) -> None:
        place(shop)
        await amqp_broker.async_settle(acked=True)
        assert paid == [1]

    with_worker(shop, FakeBank(), scenario)


def test_a_declined_payment_is_tried_again_after_one_and_five_minutes(
    amqp_broker: LocalBroker, amqp_clock: Clock, shop: VHostHandle
) -> None:
    bank = FakeBank(declines=2)

    async def scenario(paid: list[int]) -> None:
        amqp_clock.freeze()
        place(shop)
        await amqp_broker.async_settle(acked=True)  # it is declined, and waits in the first queue
        await amqp_clock.async_advance("59s", reaction_seconds=REACTION)
        assert bank.declines == 1
        await amqp_clock.async_advance("1s", reaction_seconds=REACTION)
        await shop.queue("payments.retry.4m").async_wait_for(ready=1, timeout=10)
        await amqp_clock.async_advance("4m", reaction_seconds=REACTION)
        await amqp_broker.async_settle(acked=True)
        assert paid == bank.charged == [1]

    with_worker(shop, bank, scenario)


def test_after_21_minutes_it_is_given_up_and_its_journey_tells_why(
    amqp_broker: LocalBroker, amqp_clock: Clock, shop: VHostHandle
) -> None:
    async def scenario(paid: list[int]) -> None:
        amqp_clock.freeze()
        place(shop)
        await amqp_broker.async_settle(acked=True)  # it is declined, and waits in the first queue
        await amqp_clock.async_advance("21m", reaction_seconds=REACTION)
        await shop.queue("payments.dead").async_wait_for(ready=1)
        assert paid == []

    with_worker(shop, FakeBank(declines=4), scenario)
    (dead,) = shop.queue("payments.dead").messages
    assert dead.headers["x-last-death-reason"] == "rejected"
    last = amqp_broker.journeys(vhost=shop.name)[-1]
    assert last.verbs == [
        "enqueued", "confirmed", "expired", "enqueued", "delivered", "rejected", "rejected",
        "enqueued",
    ]  # fmt: skip
    assert last.queue_names == ["payments.dead"]


def test_an_order_that_comes_twice_is_paid_once(
    amqp_broker: LocalBroker, amqp_faults: Faults, shop: VHostHandle
) -> None:
    bank = FakeBank()

    async def scenario(paid: list[int]) -> None:
        amqp_faults.next_deliveries(duplicate=1, queue="payments")
        amqp_faults.next_acks(redeliver=1, queue="payments")
        place(shop)
        await amqp_broker.async_settle(acked=True)
        assert paid == bank.charged == [1]

    with_worker(shop, bank, scenario)
    amqp_faults.assert_all_fired()


def test_two_endings_from_one_state(amqp_broker: LocalBroker, shop: VHostHandle) -> None:
    place(shop)
    state = amqp_broker.snapshot()

    async def scenario(paid: list[int]) -> None:
        await amqp_broker.async_settle(acked=True)

    with_worker(shop, FakeBank(), scenario)
    assert shop.queue("payments").ready_count == 0
    amqp_broker.restore(state)
    with_worker(shop, FakeBank(declines=1), scenario)
    assert shop.queue("payments.retry.1m").ready_count == 1
