"""What a client may do to routing: patterns, weights, keys and names that are meant to hurt.

Each test names the advisory or the thread in which such a thing was found, in some broker or other.
"""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from executed import lines_executed
from recording import Delivered

from amqpbroker.engine import topology
from amqpbroker.engine.routing.consistent_hash import WEIGHT_MAX, ConsistentHashRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.topic import HASHES_MAX, TopicRouter
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import EMPTY_TABLE, TABLE_FIELDS_MAX, Field, Table, longstr

REPLY_TO = "amq.rabbitmq.reply-to"


LONGEST_KEY = "a." * 127 + "a"


@pytest.mark.parametrize("pattern", ["#.a." * HASHES_MAX + "#", "#.*.a." * 42 + "b"])
def test_a_pattern_has_only_so_many_wildcards_for_any_words(pattern: str) -> None:
    """CVE-2026-67419, GHSA-h964-v5mf-22cq: 2 to the power of the wildcards, in other matchers."""
    with pytest.raises(ChannelException, match="a binding key has at most 4 '#'"):
        TopicRouter().check(Binding("x", "queue", pattern, EMPTY_TABLE))


@pytest.mark.parametrize(
    "pattern", ["#." * 127 + "#", "#.a." * HASHES_MAX + "b", "#.*." * 63 + "b", "*.#." * 63 + "a"]
)
def test_wildcards_do_not_multiply_the_ways_to_match(pattern: str) -> None:
    """Consecutive ones are one; the others are walked together."""
    router = TopicRouter()
    binding = Binding("x", "queue", pattern, EMPTY_TABLE)
    router.check(binding)
    router.bind(binding)

    assert lines_executed(lambda: list(router.route(LONGEST_KEY, NO_PROPERTIES))) < 10_000


def test_many_such_patterns_cost_no_more_than_their_number() -> None:
    def lines(count: int) -> int:
        router = TopicRouter()
        for number in range(count):
            router.bind(Binding("x", f"q{number}", f"#.{number}.#.a.#", EMPTY_TABLE))
        return lines_executed(lambda: list(router.route(LONGEST_KEY, NO_PROPERTIES)))

    assert lines(200) < 2.2 * lines(100)


@pytest.mark.parametrize("weight", [str(WEIGHT_MAX + 1), "9" * 255, "+" + "9" * 254])
def test_a_weight_is_bounded(weight: str) -> None:
    """CVE-2026-67219: a bucket for each unit of weight."""
    with pytest.raises(ChannelException, match="must not exceed"):
        ConsistentHashRouter().check(Binding("x", "queue", weight, EMPTY_TABLE))


def test_the_largest_weights_together_take_no_room_of_their_own() -> None:
    """Ten thousand queues of weight 10,000 would be a hundred million buckets."""
    router = ConsistentHashRouter()
    for number in range(200):
        router.bind(Binding("x", number, str(WEIGHT_MAX), EMPTY_TABLE))
    chosen = {next(iter(router.route(f"key {number}", NO_PROPERTIES))) for number in range(2000)}
    one_more = Binding("x", "one more", str(WEIGHT_MAX), EMPTY_TABLE)

    assert len(chosen) > 190
    assert lines_executed(lambda: router.bind(one_more)) < 50
    assert lines_executed(lambda: list(router.route("key", NO_PROPERTIES))) < 1000


@pytest.mark.parametrize("type_", ["x-consistent-hash", "x-modulus-hash", "x-random", "topic"])
def test_keys_in_cc_may_be_longer_than_a_routing_key_can_be(type_: str) -> None:
    """Found by `amqpbroker fuzz`: a hash of the keys took them for short strings."""
    client = Client(make_broker())
    channel = client.open()
    declare(channel, "jobs")
    channel.vhost.declare_exchange(
        "x", type_, durable=False, auto_delete=False, internal=False, arguments=EMPTY_TABLE
    )
    topology.bind_queue(channel, "jobs", "x", "1", EMPTY_TABLE)
    long_keys = properties_of(headers={"CC": Field("A", [longstr("k" * 300)])})
    publish(channel, "1", b"x", exchange="x", properties=long_keys)

    assert channel.vhost.queues["jobs"].ready_count == 1


def test_a_key_that_fits_into_no_delivery_is_refused_when_it_is_declared() -> None:
    """Found while writing these: RabbitMQ 4.0.5 takes it, and closes the consumers' connections."""
    channel = Client(make_broker()).open()
    key = "x-dead-letter-routing-key"
    arguments: Table = {"x-dead-letter-exchange": longstr(""), key: longstr("é" * 128)}

    with pytest.raises(ChannelException, match="longer_than,255"):
        declare(channel, "jobs", arguments=arguments)
    declare(channel, "jobs", arguments={**arguments, key: longstr("é" * 127)})


def test_dead_letters_for_an_exchange_that_cannot_be_go_nowhere() -> None:
    """Found with it: RabbitMQ takes any name, and there is none so long."""
    client = Client(make_broker())
    channel = client.open()
    queue = declare(channel, "jobs", arguments={"x-dead-letter-exchange": longstr("x" * 256)})
    publish(channel, "jobs", b"x")
    assert channel.get("jobs", no_ack=False) is not None
    channel.reject(1, multiple=False, requeue=False)

    assert client.finish_pass() == []
    assert queue.ready_count == 0


ODD_DEATHS = {
    "an empty array": Field("A", []),
    "no tables": Field("A", [Field("I", 1), Field("V", None)]),
    "empty tables": Field("A", [Field("F", {})] * 3),
    "a table": Field("F", {"queue": longstr("jobs")}),
    "nothing": Field("V", None),
    "odd fields": Field("A", [Field("F", {"count": longstr("x"), "queue": Field("I", 1)})]),
}


def rejected_with(properties: Properties) -> Properties:
    """The properties of a message after it died, as a consumer of the dead letters gets it."""
    client = Client(make_broker())
    channel = client.open()
    declare(channel, "letters")
    declare(
        channel, "jobs",
        arguments={
            "x-dead-letter-exchange": longstr(""), "x-dead-letter-routing-key": longstr("letters"),
        },
    )  # fmt: skip
    publish(channel, "jobs", b"x", properties=properties)
    got = channel.get("jobs", no_ack=False)
    assert got is not None
    channel.reject(1, multiple=False, requeue=False)
    client.finish_pass()
    letter = channel.get("letters", no_ack=True)
    assert letter is not None
    return letter[1].properties


@pytest.mark.parametrize("deaths", ODD_DEATHS.values(), ids=ODD_DEATHS.keys())
def test_what_a_client_writes_as_x_death_breaks_no_dead_letter(deaths: Field) -> None:
    """GHSA-pj8f: an empty array crashed the dead-lettering."""
    headers = rejected_with(properties_of(headers={"x-death": deaths})).headers
    entries = headers["x-death"].value

    assert isinstance(entries, list)
    assert len(entries) == 1


def test_a_message_with_the_most_headers_can_die() -> None:
    """What the broker adds is not held against the limit for strangers."""
    headers: Table = {f"{number}": Field("V", None) for number in range(TABLE_FIELDS_MAX)}
    full = Properties(properties_of(headers=headers).raw, fields_max=TABLE_FIELDS_MAX)

    assert len(rejected_with(full).headers) == TABLE_FIELDS_MAX + 7


# Direct reply-to


def test_the_pseudo_queues_of_direct_reply_to_cannot_be_bound() -> None:
    """CVE-2026-57215: a binding to one outlived who it was for."""
    client = Client(make_broker())
    channel = client.open()
    consume(channel, REPLY_TO, no_ack=True)
    (reply_name,) = channel.vhost.broker.replies._consumers
    for name in (REPLY_TO, reply_name, f"{REPLY_TO}.forged"):
        with pytest.raises(ChannelException) as caught:
            topology.bind_queue(channel, name, "amq.fanout", "", EMPTY_TABLE)
        assert caught.value.reply_code in {403, 404}
    publish(channel, "", b"x", exchange="amq.fanout")

    assert client.finish_pass() == []


@pytest.mark.parametrize(
    "forged",
    [
        f"{REPLY_TO}.", f"{REPLY_TO}.g1.x", f"{REPLY_TO}.\udcff\udcfe.x", f"{REPLY_TO}.{'.' * 200}",
        f"{REPLY_TO}.name-1", f"{REPLY_TO}.\0", f"{REPLY_TO}.name-1name-2.1.2",
    ],
)  # fmt: skip
def test_a_forged_reply_name_reaches_nobody_and_breaks_nothing(forged: str) -> None:
    """CVE-2026-67238: such names were decoded."""
    client = Client(make_broker())
    channel = client.open()
    consume(channel, REPLY_TO, no_ack=True)
    publish(channel, forged, b"x")
    publish(channel, forged, b"x", properties=properties_of(reply_to=forged))

    assert client.finish_pass() == []


def test_one_message_reaches_a_requester_once_however_often_it_names_it() -> None:
    """GHSA-6chv-gv3h-cvcj: a fan-out by CC took memory by the square."""

    def fan_out(count: int) -> tuple[int, int]:
        """How many lines were executed, and how many copies came."""
        client = Client(make_broker())
        channel = client.open()
        consume(channel, REPLY_TO, no_ack=True)
        (reply_name,) = channel.vhost.broker.replies._consumers
        names = [reply_name, *(f"{reply_name}{number}" for number in range(count))] * 4
        keys = Field("A", [longstr(name) for name in names])
        properties = properties_of(headers={"CC": keys, "BCC": keys})

        def send() -> None:
            publish(channel, reply_name, b"x", properties=properties)
            client.connection.broker.dispatch()

        lines = lines_executed(send)
        return lines, len([told for told in client.outlet.take() if isinstance(told, Delivered)])

    (few_lines, few_copies), (many_lines, many_copies) = fan_out(50), fan_out(100)

    assert few_copies == many_copies == 1
    assert many_lines < 2.2 * few_lines
