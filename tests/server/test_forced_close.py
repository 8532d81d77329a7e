"""Connections that the broker ends by itself: their clients are told why, and heard no more."""

from __future__ import annotations

from server_stage import Stage, a_stage
from trio.testing import MockClock

from amqpbroker.spec import methods as m


def delete_vhost(stage: Stage) -> None:
    """Between two rounds, as an operator does."""
    stage.server.timekeeper.call_in(0, lambda: stage.server.broker.delete_vhost("/"))


async def test_the_client_of_a_deleted_vhost_is_told(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        delete_vhost(stage)
        close = await client.expect(m.ConnectionClose)
        await client.send(m.ConnectionCloseOk())
        await client.expect_end()

    assert close.reply_text == "CONNECTION_FORCED - vhost '/' is deleted"
    assert (close.reply_code, close.failed_class_id, close.failed_method_id) == (320, 0, 0)


async def test_what_it_asked_for_meanwhile_is_not_done(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        delete_vhost(stage)
        await client.expect(m.ConnectionClose)
        await client.send(m.QueueDeclare(0, "late"), channel=1)
        await client.publish("late", b"x")
        await client.send(m.ConnectionCloseOk())
        await client.expect_end()
        vhost = stage.server.broker.add_vhost("/")

        assert vhost.queues == {}


async def test_what_was_confirmed_is_told_before(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        client = await stage.open_client()
        await client.ask(m.ConfirmSelect(), m.ConfirmSelectOk)
        await client.publish("nowhere", b"x")
        delete_vhost(stage)
        assert (await client.expect(m.BasicAck, 1)).delivery_tag == 1
        await client.expect(m.ConnectionClose)
