"""What a test leaves behind, in words; how the plugin shows it is in test_pytest_plugin.py."""

from __future__ import annotations

from kit_stage import a_client, declare

from amqpbroker.spec import methods as m
from amqpbroker.spec.table import longstr
from amqpbroker.testing import LocalBroker, VHostHandle
from amqpbroker.testing.raw_client import CAPABILITIES, RawConnection, client_properties


def test_a_vhost_that_nobody_uses_has_none(vhost: VHostHandle) -> None:
    vhost.queue("jobs").declare().publish("ready messages are none")

    assert vhost.leftovers() == []


def test_an_open_connection_is_called_by_its_name(vhost: VHostHandle) -> None:
    with RawConnection(vhost.url) as connection:
        connection.start()
        properties = dict(client_properties(*CAPABILITIES))
        connection.start_ok(properties={**properties, "connection_name": longstr("worker-1")})
        connection.expect(m.ConnectionTune)
        connection.tune_ok(10, 131_072)
        connection.open_virtual_host()
        connection.channel()

        assert vhost.leftovers() == [
            "an open connection 'worker-1' of user 'guest' with 1 channels and 0 consumers"
        ]
    assert vhost.leftovers() == []


def test_a_message_that_went_nowhere_is_told_with_the_nearest_miss(
    local: LocalBroker, vhost: VHostHandle
) -> None:
    vhost.exchange("shop").declare("topic")
    vhost.queue("jobs").declare().bind("shop", "orders.*.eu")
    with a_client(local, vhost.name) as channel:
        channel.publish("shop", "orders.eu", b"lost")
        channel.publish("shop", "orders.eu", b"returned", mandatory=True)
        channel.expect_content(m.BasicReturn)
        channel.publish("shop", "orders.new.eu", b"found")
        declare(channel, "mine")
    vhost.exchange("gone").declare()
    with a_client(local, vhost.name) as channel:
        channel.publish("gone", "key", b"later")
    vhost.exchange("gone").delete()
    lost, later = vhost.leftovers()

    assert lost == (
        "a message that went nowhere: <PublishedMessage exchange='shop' routing_key='orders.eu' "
        "'lost'>: no binding of exchange 'shop' matches 'orders.eu'; closest: 'orders.*.eu' of "
        "queue 'jobs'"
    )
    assert later.endswith("'later'>: there is no exchange 'gone' any more")


def test_of_many_some_are_listed(local: LocalBroker, vhost: VHostHandle) -> None:
    with a_client(local, vhost.name) as channel:
        for number in range(15):
            channel.publish("amq.direct", f"{number}")

        assert vhost.leftovers()[-1] == "and 5 more unroutable messages"
        assert len(vhost.leftovers()) == 12


def test_a_deleted_vhost_has_none(local: LocalBroker) -> None:
    vhost = local.add_vhost()
    vhost.delete()

    assert (vhost.leftovers(), vhost.describe()) == ([], [])
