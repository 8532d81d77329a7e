"""What is written on a message that died, and where it does not go (S-277 to S-286)."""

from __future__ import annotations

from brokers import Client, declare, make_broker, message_of
from queue_stage import arguments_of

from amqpbroker.engine.dead_letter import DeadLetter, Death, Reason, dead_letter, targets
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.spec.table import Field, Table, longstr

NOW_MS = 1_700_000_000_999


def a_queue(name: str = "jobs", routing_key: str | None = None) -> Queue:
    channel = Client(make_broker()).open()
    rules = {"dead-letter-exchange": "dlx", "dead-letter-routing-key": routing_key}
    return declare(channel, name, arguments=arguments_of(rules))


def a_message(**values: str | int | Table) -> Message:
    publish = Publish("ex", "key", channel_number=3, cc_keys=("cc",), bcc_keys=("bcc",))
    return message_of(publish, b"hello", NO_PROPERTIES.edited(**values))


def deaths_of(letter: Message) -> tuple[Death, ...]:
    assert isinstance(letter.publish, DeadLetter)
    return letter.publish.deaths


def died(message: Message, *places: tuple[str, Reason]) -> Message:
    for name, reason in places:
        message = dead_letter(message, a_queue(name), reason, NOW_MS)
    return message


def test_the_first_death_is_written_as_rabbitmq_writes_it() -> None:
    letter = dead_letter(a_message(expiration="50", priority=3), a_queue(), "expired", NOW_MS)

    headers = dict(letter.properties.headers)
    assert list(headers) == sorted(headers)
    assert headers.pop("x-death") == Field(
        "A",
        [
            Field(
                "F",
                {
                    "original-expiration": longstr("50"),
                    "count": Field("l", 1),
                    "reason": longstr("expired"),
                    "queue": longstr("jobs"),
                    "time": Field("T", 1_700_000_000),
                    "exchange": longstr("ex"),
                    "routing-keys": Field("A", [longstr("key"), longstr("cc")]),
                },
            )
        ],
    )
    assert headers == {
        f"x-{which}-death-{what}": longstr(value)
        for which in ("first", "last")
        for what, value in (("reason", "expired"), ("queue", "jobs"), ("exchange", "ex"))
    }


def test_its_time_to_live_is_gone_and_all_else_stays() -> None:
    headers = {"mine": Field("I", 1)}
    message = a_message(expiration="50", priority=3, headers=headers, message_id="id")
    letter = dead_letter(message, a_queue(), "rejected", NOW_MS)

    assert "expiration" not in letter.properties
    assert letter.properties.priority == 3
    assert letter.properties.text("message_id") == "id"
    assert letter.properties.headers["mine"] == Field("I", 1)
    assert (letter.body, letter.publish.channel_number) == (b"hello", 3)


def test_it_keeps_its_keys_unless_the_queue_has_one() -> None:
    kept = dead_letter(a_message(), a_queue(), "maxlen", NOW_MS)
    changed = dead_letter(a_message(), a_queue(routing_key="own"), "maxlen", NOW_MS)
    emptied = dead_letter(a_message(), a_queue(routing_key=""), "maxlen", NOW_MS)

    assert kept.publish.exchange_name == changed.publish.exchange_name == "dlx"
    assert kept.routing_keys == ("key", "cc", "bcc")
    assert changed.routing_keys == ("own",)
    assert emptied.routing_keys == ("",)


def test_another_death_of_the_same_kind_is_counted_at_the_front() -> None:
    message = a_message(expiration="50")
    letter = died(message, ("a", "expired"), ("b", "maxlen"), ("a", "rejected"), ("a", "expired"))

    assert [(one.queue_name, one.reason, one.count) for one in deaths_of(letter)] == [
        ("a", "expired", 2), ("a", "rejected", 1), ("b", "maxlen", 1),
    ]  # fmt: skip
    assert deaths_of(letter)[0].original_expiration == "50"  # of the first time
    assert deaths_of(letter)[0].exchange_name == "ex"


def test_the_first_death_stays_the_first_and_the_last_is_the_latest() -> None:
    headers = died(a_message(), ("a", "expired"), ("b", "maxlen"), ("a", "expired")).properties
    shown = {
        name: field.text for name, field in headers.headers.items() if name.startswith("x-first")
    }
    last = {
        name: field.text for name, field in headers.headers.items() if name.startswith("x-last")
    }

    assert list(shown.values()) == ["ex", "a", "expired"]
    assert list(last.values()) == ["dlx", "a", "expired"]


def test_what_a_client_writes_as_deaths_means_nothing() -> None:
    """S-285: 4.0 and later."""
    forged = {"x-death": longstr("a hundred times"), "x-first-death-queue": longstr("nowhere")}
    letter = dead_letter(a_message(headers=forged), a_queue(), "rejected", NOW_MS)

    assert [one.count for one in deaths_of(letter)] == [1]
    assert letter.properties.headers["x-first-death-queue"] == longstr("jobs")


def test_a_message_without_any_property_gets_headers() -> None:
    message = message_of(Publish("", "jobs"), b"", NO_PROPERTIES)
    letter = dead_letter(message, a_queue(), "rejected", NOW_MS)

    assert len(letter.properties.headers) == 7
    assert properties_of(headers=letter.properties.headers).raw == letter.properties.raw


def test_it_skips_the_queues_that_it_has_died_in() -> None:
    letter = died(a_message(), ("a", "expired"), ("b", "maxlen"))
    queues = [a_queue(name) for name in "abc"]

    assert [queue.name for queue in targets(letter, queues)] == ["c"]


def test_a_rejection_lets_it_come_back_to_where_it_died_before() -> None:
    letter = died(a_message(), ("a", "expired"), ("b", "rejected"), ("c", "expired"))
    queues = [a_queue(name) for name in "abcd"]

    assert [queue.name for queue in targets(letter, queues)] == ["a", "b", "d"]
