"""What a message carries besides its body: delivered as it was published."""

from __future__ import annotations

from struct import pack

from amqpbroker.spec.constants import FRAME_HEADER
from amqpbroker.spec.methods import BasicPublish
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.spec.table import Decimal, Field
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import stocked

ONE_OF_EACH_KIND = {
    "array": [1, "two", [3.0, None], {"four": True}],
    "binary": Field("x", bytes(range(8))),
    "bool": True,
    "byte": Field("b", -128),
    "decimal": Field("D", Decimal(2, 12345)),
    "double": Field("d", 0.1),
    "float": Field("f", 0.5),
    "long": Field("l", -(2**63)),
    "longstr": "text",
    "short": Field("s", -32768),
    "signedint": Field("I", -(2**31)),
    "table": {"deep": {"deeper": {"deepest": 1}}},
    "timestamp": Field("T", 1_700_000_000),
    "unsignedbyte": Field("B", 255),
    "unsignedint": Field("i", 2**32 - 1),
    "unsignedshort": Field("u", 65535),
    "void": None,
}


def carried(peer: Peer, properties: Properties) -> Properties:
    """Publish a message with *properties*, and return those that it is delivered with."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"carried", properties)
    got = channel.get(queue)
    assert got is not None
    return got.properties


@case("S-205", "S-354")
def every_property(peer: Peer) -> None:
    """All fourteen properties are delivered as they were published."""
    carried(
        peer,
        properties_of(
            content_type="application/json", content_encoding="gzip",
            headers=as_table({"one": 1}), delivery_mode=2, priority=255, correlation_id="c",
            reply_to="r", expiration="60000", message_id="m", timestamp=2**63 - 1, type="t",
            user_id="guest", app_id="a", cluster_id="cl",
        ),
    )  # fmt: skip


@case("S-205")
def no_property(peer: Peer) -> None:
    """A message without properties is delivered without properties."""
    carried(peer, properties_of())


@case("S-205")
def empty_properties(peer: Peer) -> None:
    """Empty texts, an empty table and zeros are delivered, not left out."""
    carried(
        peer,
        properties_of(
            content_type="", content_encoding="", headers={}, delivery_mode=1, priority=0,
            correlation_id="", reply_to="", message_id="", timestamp=0, type="", app_id="",
            cluster_id="",
        ),
    )  # fmt: skip


@case("S-205", "S-056")
def texts_of_any_bytes(peer: Peer) -> None:
    """The texts of properties need not be UTF-8."""
    carried(peer, properties_of(content_type="\udcff", message_id="Grüße 队列", type="\x00"))


@case("S-205")
def longest_texts(peer: Peer) -> None:
    """Texts of 255 bytes are delivered whole."""
    carried(peer, properties_of(correlation_id="c" * 255, message_id="ü" * 127))


@case("S-205", "S-354")
def largest_timestamp(peer: Peer) -> None:
    """A timestamp has 64 bits without a sign."""
    carried(peer, properties_of(timestamp=2**64 - 1))


@case("S-205", "S-064")
def headers_of_every_kind(peer: Peer) -> None:
    """Headers of every kind are delivered as they were published."""
    carried(peer, properties_of(headers=as_table(ONE_OF_EACH_KIND)))


@case("S-205", "S-064")
def array_of_every_kind(peer: Peer) -> None:
    """Values of every kind in an array are delivered as they were published."""
    carried(peer, properties_of(headers=as_table({"all": list(ONE_OF_EACH_KIND.values())})))


@case("S-205", "S-064")
def long_written_with_a_capital(peer: Peer) -> None:
    """Of the two letters for a 64-bit integer 4.0.5 delivers only one; 3.10.8 leaves both."""
    headers = {"big": Field("L", 2**62), "small": Field("l", 2**62)}
    carried(peer, properties_of(headers=headers))


@case("S-205")
def bytes_of_headers(peer: Peer) -> None:
    """Not a byte of the properties is changed, when the headers stand in alphabetical order."""
    properties = properties_of(headers=as_table(ONE_OF_EACH_KIND), delivery_mode=1)
    peer.note("the same bytes" if carried(peer, properties).raw == properties.raw else "changed")


@case("S-205")
def order_of_headers(peer: Peer) -> None:
    """Headers in another order than the alphabet's.

    4.0.5 sorts them, 3.10.8 leaves them alone.
    """
    carried(peer, properties_of(headers=as_table({"b": 1, "a": 2, "c": 3, "B": 4, "aa": 5})))


@case("S-205")
def header_that_stands_twice(peer: Peer) -> None:
    """Of a header that stands twice 4.0.5 delivers the first; 3.10.8 leaves both."""
    entry = b"\x01aS\x00\x00\x00\x05first", b"\x01aS\x00\x00\x00\x06second"
    table = b"".join(entry)
    raw = carried(peer, Properties(pack(">HI", 1 << 13, len(table)) + table)).raw
    peer.note(f"delivered as {raw.hex(' ')}")


@case("S-205")
def long_headers(peer: Peer) -> None:
    """Headers of many kilobytes are delivered whole."""
    headers = {f"name-{number:03}": "v" * 200 for number in range(200)}
    carried(peer, properties_of(headers=as_table(headers)))


@case("S-205", "S-065")
def deep_headers(peer: Peer) -> None:
    """Tables within tables are delivered whole."""
    table: dict[str, object] = {"bottom": 1}
    for _ in range(30):
        table = {"l": [[]], "t": table}
    carried(peer, properties_of(headers=as_table(table)))


@case("S-006")
def properties_that_do_not_decode(peer: Peer) -> None:
    """Properties that are cut short end the connection when their message is looked at."""
    channel = peer.channel()
    channel.send(BasicPublish(routing_key="k"))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 0, 1 << 15))
    channel.connection.expect_close()


@case("S-006")
def properties_with_bytes_left_over(peer: Peer) -> None:
    """Properties with more bytes than their flags announce end the connection."""
    channel = peer.channel()
    channel.send(BasicPublish(routing_key="k"))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 0, 0) + b"left over")
    channel.connection.expect_close()


@case("S-006")
def properties_with_an_unknown_flag(peer: Peer) -> None:
    """A flag of the properties that nobody knows is ignored."""
    channel = peer.channel()
    channel.send(BasicPublish(routing_key=peer.queue("nope")))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 0, 1 << 1))
    channel.round_trip()


@case("S-006", "S-064")
def header_of_an_unknown_kind(peer: Peer) -> None:
    """A header of a kind that nobody knows ends the connection."""
    channel = peer.channel()
    channel.send(BasicPublish(routing_key="k"))
    table = b"\x01aQ\x00"
    properties = pack(">HI", 1 << 13, len(table)) + table
    channel.send_frame(FRAME_HEADER, pack(">HHQ", 60, 0, 0) + properties)
    channel.connection.expect_close()
