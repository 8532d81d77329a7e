"""What clients have published: the record of it, and assertions that say what came closest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread

import pytest
from kit_stage import a_client, declare

from amqpbroker.spec import methods as m
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing import LocalBroker, StillOutstanding, VHostHandle, broker
from amqpbroker.testing.publish_record import PUBLISHES_MAX
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.values import as_table


@pytest.fixture
def channel(local: LocalBroker, vhost: VHostHandle) -> Iterator[RawChannel]:
    vhost.exchange("shop").declare("topic")
    vhost.queue("orders").declare().bind("shop", "orders.#")
    with a_client(local, vhost.name) as channel:
        yield channel


def test_it_is_a_list_of_what_clients_published(channel: RawChannel, vhost: VHostHandle) -> None:
    properties = properties_of(
        content_type="application/json",
        priority=3,
        delivery_mode=2,
        timestamp=1_700_000_000,
        headers=as_table({"tenant": "a", "tags": ["x", 1], "raw": b"\xff"}),
    )
    channel.publish("shop", "orders.new", b'{"id": 1}', properties)
    channel.publish("", "orders", b"\xff")
    first, second = vhost.published()

    assert (first.exchange, first.routing_key, first.json()) == ("shop", "orders.new", {"id": 1})
    assert first.headers == {"tenant": "a", "tags": ["x", 1], "raw": b"\xff"}
    assert first.properties == {
        "content_type": "application/json",
        "delivery_mode": 2,
        "priority": 3,
        "timestamp": 1_700_000_000,
    }
    assert (first.vhost_name, first.user_name) == (vhost.name, "guest")
    assert (first.queue_names, first.is_unroutable) == (("orders",), False)
    assert (second.exchange, second.body, second.properties) == ("", b"\xff", {})
    assert vhost.published()[1].body == vhost.published()[-1:][0].body == b"\xff"


def test_keys_are_patterns_as_of_a_topic_exchange(channel: RawChannel, vhost: VHostHandle) -> None:
    for key in ("orders.new", "orders.new.eu", "payments.new", "orders"):
        channel.publish("shop", key)

    def keys(pattern: str | None, exchange: str | None = None) -> list[str]:
        return [one.routing_key for one in vhost.published(pattern, exchange=exchange)]

    assert keys("orders.*") == ["orders.new"]
    assert keys("orders.#") == ["orders.new", "orders.new.eu", "orders"]
    assert keys("orders") == ["orders"]
    assert keys(None, "shop") == ["orders.new", "orders.new.eu", "payments.new", "orders"]
    assert keys(None, "") == []


def test_vhosts_are_kept_apart_and_can_be_asked_together(
    channel: RawChannel, local: LocalBroker, vhost: VHostHandle
) -> None:
    channel.publish("shop", "orders.new", b"here")
    with local.fresh_vhost() as other, a_client(local, other.name) as elsewhere:
        elsewhere.publish("", "orders.new", b"there")
        assert [one.body for one in other.published()] == [b"there"]
        bodies = [one.body for one in local.published("orders.new")]
    assert bodies[-2:] == [b"here", b"there"]
    assert [one.body for one in vhost.published()] == [b"here"]
    assert list(local.published(vhost=other.name)) == []


def test_what_the_kit_publishes_is_not_in_it(channel: RawChannel, vhost: VHostHandle) -> None:
    vhost.queue("orders").publish(b"by the test")
    vhost.exchange("shop").publish("orders.new", b"by the test")

    assert vhost.queue("orders").ready_count == 2
    vhost.published().never()


def test_counts_and_criteria_in_either_order(channel: RawChannel, vhost: VHostHandle) -> None:
    channel.publish("shop", "orders.new", b'{"id": 1, "to": {"city": "Oslo", "zip": 5}}')
    channel.publish("shop", "orders.old", b"plain", properties_of(message_id="m2"))

    vhost.published("orders.*").times(2)
    vhost.published("orders.new").once().with_json({"id": 1, "to": {"city": "Oslo", "zip": 5}})
    vhost.published().with_json_including({"to": {"city": "Oslo"}}).once()
    vhost.published().with_body("plain").with_properties(message_id="m2").once()
    vhost.published().with_body(b"other").never()
    assert vhost.published().matching(lambda one: one.text == "plain").first().body == b"plain"
    assert not vhost.published("nothing")


def test_a_failure_lists_what_came_closest(channel: RawChannel, vhost: VHostHandle) -> None:
    headers = as_table({"tenant": "b"})
    channel.publish("shop", "payments.new", b"{}", properties_of(headers=headers))
    channel.publish("shop", "orders.new", b'{"id": 2}', properties_of(headers=headers))
    with pytest.raises(AssertionError) as caught:
        vhost.published("orders.*").with_json({"id": 1}).with_headers(tenant="b").once()

    lines = [line for line in str(caught.value).splitlines() if not line.startswith("      | ")]
    assert lines == [
        f"expected 1 message published in vhost '{vhost.name}' with routing key 'orders.*', "
        "JSON {'id': 1}, headers {'tenant': 'b'}; found 0",
        "  - <PublishedMessage exchange='shop' routing_key='orders.new' '{\"id\": 2}'>",
        "      its body says id is 2",
        "  - <PublishedMessage exchange='shop' routing_key='payments.new' '{}'>",
        "      its routing key is 'payments.new'",
        "      its body says id is missing",
    ]
    assert "unroutable: no binding of exchange 'shop' matches 'payments.new'" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "expected", "lack"),
    [
        (b"no json", {"id": 1}, "its body is not JSON"),
        (b"[1]", {"id": 1}, r"its body says \[1\]"),
        (b'{"id": 1, "more": 2}', {"id": 1}, "its body says also 'more'"),
        (b'{"a": {"b": 2}}', {"a": {"b": 1}}, "its body says a.b is 2"),
        (b'{"a": 2}', {"a": {"b": 1}}, "its body says a is 2"),
    ],
)
def test_a_failure_says_where_json_differs(
    channel: RawChannel, vhost: VHostHandle, body: bytes, expected: object, lack: str
) -> None:
    channel.publish("shop", "orders.new", body)
    with pytest.raises(AssertionError, match=lack):
        vhost.published().once().with_json(expected)


def test_a_failure_tells_the_story_where_somebody_knows_it(
    channel: RawChannel, local: LocalBroker, vhost: VHostHandle
) -> None:
    channel.publish("shop", "orders.new", b"x")
    before, local.story_of = local.story_of, lambda message: [f"{message.routing_key} was eaten"]
    try:
        with pytest.raises(AssertionError, match=r"\| orders.new was eaten"):
            vhost.published().never()
    finally:
        local.story_of = before


def test_where_nobody_knows_the_story_the_failure_says_what_the_record_does() -> None:
    with broker(journeys=0) as local, a_client(local) as channel:
        channel.publish("", "nowhere", b"x")
        with pytest.raises(AssertionError, match="      it went to no queue"):
            local.published().never()


def test_nothing_at_all_is_said_so(vhost: VHostHandle) -> None:
    with pytest.raises(AssertionError, match="nothing at all was published there"):
        vhost.published("orders.*").first()


def test_of_many_messages_some_are_listed(channel: RawChannel, vhost: VHostHandle) -> None:
    for number in range(15):
        channel.publish("shop", f"orders.{number}")
    with pytest.raises(AssertionError, match="and 5 more"):
        vhost.published("orders.*").once()


def test_unroutable_and_returned_messages_are_known(
    channel: RawChannel, vhost: VHostHandle
) -> None:
    channel.publish("shop", "payments.new", b"1")
    channel.publish("shop", "payments.new", b"2", mandatory=True)
    channel.expect_content(m.BasicReturn)
    vhost.exchange("later").declare("x-delayed-message", arguments={"x-delayed-type": "fanout"})
    delay = properties_of(headers=as_table({"x-delay": 60_000}))
    channel.publish("later", "", b"3", delay)

    assert [(one.text, one.is_unroutable, one.was_returned) for one in vhost.published()] == [
        ("1", True, False),
        ("2", True, True),
        ("3", False, False),
    ]


def test_what_is_rolled_back_was_not_published(channel: RawChannel, vhost: VHostHandle) -> None:
    channel.call(m.TxSelect(), m.TxSelectOk)
    channel.publish("shop", "orders.new", b"kept")
    channel.call(m.TxCommit(), m.TxCommitOk)
    channel.publish("shop", "orders.new", b"taken back")
    channel.call(m.TxRollback(), m.TxRollbackOk)

    assert [one.text for one in vhost.published()] == ["kept"]


def test_dead_letters_were_not_published_by_anybody(
    channel: RawChannel, local: LocalBroker, vhost: VHostHandle
) -> None:
    declare(channel, "wait", message_ttl=1000, dead_letter_exchange="shop")
    channel.publish("", "wait", b"x")
    local.clock.advance("1s")

    assert len(vhost.published()) == 1


def test_it_knows_the_brokers_time(
    channel: RawChannel, local: LocalBroker, vhost: VHostHandle
) -> None:
    local.clock.advance("10d")
    channel.publish("shop", "orders.new")
    published_at = vhost.published().first().published_at

    assert abs(published_at - local.clock.now) < timedelta(seconds=10)


def test_it_can_begin_anew(channel: RawChannel, local: LocalBroker, vhost: VHostHandle) -> None:
    channel.publish("shop", "orders.new")
    local.forget_published(vhost.name)
    channel.publish("shop", "orders.old")

    assert [one.routing_key for one in vhost.published()] == ["orders.old"]


def test_what_is_forgotten_is_not_denied(
    channel: RawChannel, local: LocalBroker, vhost: VHostHandle
) -> None:
    for number in range(PUBLISHES_MAX + 2):
        channel.publish("", "orders", str(number).encode())
    published = vhost.published()

    assert (len(published), published.first().text) == (PUBLISHES_MAX, "2")
    with pytest.raises(AssertionError, match="2 older messages are forgotten"):
        published.with_body("0").never()
    local.forget_published()
    vhost.published().never()


def test_it_can_be_waited_for(channel: RawChannel, vhost: VHostHandle) -> None:
    def publish() -> None:
        for number in range(3):
            channel.publish("shop", "orders.new", str(number).encode())

    thread = Thread(target=publish)
    thread.start()
    found = vhost.published("orders.*").wait(3)
    thread.join()

    assert [one.text for one in found] == ["0", "1", "2"]
    with pytest.raises(StillOutstanding, match="messages: 3, not 4"):
        vhost.published("orders.*").wait(4, timeout=0.01)
    assert len(asyncio.run(vhost.published("orders.*").async_wait())) == 3
