"""Which queues a message reaches: direct, fanout, topic, headers, and keys in CC and BCC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amqpbroker.spec.methods import ExchangeDeclare, QueueBind, QueueBindOk, QueueDeclare
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case


def _exchange(peer: Peer, channel: RawChannel, kind: str) -> str:
    name = peer.exchange()
    with peer.quiet():
        channel.call(ExchangeDeclare(exchange=name, type=kind))
    return name


def _queue(peer: Peer, channel: RawChannel, word: str = "q") -> str:
    name = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=name, exclusive=True))
    return name


def _bodies(peer: Peer, channel: RawChannel, queue: str) -> str:
    """What is in a queue, in order; the gets are not written down."""
    with peer.quiet():
        return " ".join(body.decode() for body in channel.get_all(queue))


def _keys_table(peer: Peer, kind: str, bindings: Sequence[str], keys: Sequence[str]) -> None:
    """Write down which binding keys each routing key matches, as a table of remarks.

    Each binding has a queue of its own.
    """
    channel = peer.channel()
    exchange = _exchange(peer, channel, kind)
    queues = {key: _queue(peer, channel, f"q{n}") for n, key in enumerate(bindings)}
    with peer.quiet():
        for key, queue in queues.items():
            channel.call(QueueBind(0, queue, exchange, key))
        for routing_key in keys:
            channel.publish(exchange, routing_key, f"{routing_key!r}".encode())
        channel.round_trip()
    for key, queue in queues.items():
        peer.note(f"binding {key!r}: {_bodies(peer, channel, queue)}".rstrip())


# Direct and fanout


@case("S-124", "S-113")
def direct(peer: Peer) -> None:
    """A direct exchange routes by equal keys; the empty key is a key."""
    _keys_table(peer, "direct", ["a", "A", "", "a.b", "#", "*"], ["a", "A", "", "a.b", "#", "b"])


@case("S-124", "S-117")
def direct_with_several_queues(peer: Peer) -> None:
    """Every queue that is bound with the key gets the message, once."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, "direct")
    queues = [_queue(peer, channel, "q1"), _queue(peer, channel, "q2")]
    for queue in queues:
        for key in ("k", "other"):
            channel.call(QueueBind(0, queue, exchange, key), QueueBindOk)
    channel.publish(exchange, "k", b"hello")
    for queue in queues:
        assert channel.get_all(queue) == [b"hello"]


@case("S-125")
def fanout(peer: Peer) -> None:
    """A fanout exchange ignores keys."""
    _keys_table(peer, "fanout", ["", "a", "#"], ["", "a", "b.c"])


@case("S-119", "S-200")
def default_exchange(peer: Peer) -> None:
    """The default exchange routes to the queue that the key names."""
    channel = peer.channel()
    queue = _queue(peer, channel)
    for key in (queue, queue.upper(), ""):
        channel.publish("", key, b"hello")
    assert channel.get_all(queue) == [b"hello"]


@case("S-119", "S-087")
def default_exchange_has_no_last_queue(peer: Peer) -> None:
    """An empty routing key is not the last declared queue."""
    channel = peer.channel()
    _queue(peer, channel)
    channel.publish("", "", b"hello", mandatory=True)
    channel.receive()


@case("S-199", "S-092")
def absent_exchange(peer: Peer) -> None:
    """Publishing to an exchange that does not exist closes the channel."""
    channel = peer.channel()
    channel.publish(peer.exchange("nope"), "k", b"hello")
    channel.expect_close()


@case("S-199", "S-206")
def publishes_before_and_after_an_error(peer: Peer) -> None:
    """What was published before the error arrives, what comes after it does not."""
    queue = peer.queue()
    channel, other = peer.channel(), peer.channel()
    with peer.quiet():
        other.call(QueueDeclare(queue=queue, exclusive=True))
    channel.publish("", queue, b"before")
    channel.publish(peer.exchange("nope"), "k", b"lost")
    channel.publish("", queue, b"after")
    channel.expect_close()
    assert other.get_all(queue) == [b"before"]


# Topic


@case("S-126", "S-127")
def topic_words(peer: Peer) -> None:
    """A star is one word, a hash any number of words; empty words are words."""
    bindings = ["", "a", "*", "#", "a.*", "*.a", "a.#", "#.a", "*.*", "*.#", "#.*", "a.b"]
    _keys_table(peer, "topic", bindings, ["", "a", "b", ".", "a.", ".a", "a.b", "b.a", "a.b.c"])


@case("S-126", "S-127")
def topic_hashes(peer: Peer) -> None:
    """Hashes may stand anywhere, also several of them."""
    bindings = ["a.#.b", "#.#", "#.a.#", "a.#.#.b", "#.*.#", "*.#.*", "a.#.b.#.c", "#.b"]
    keys = ["", "a", "a.b", "a.x.b", "a.x.y.b", "a.b.c", "a.b.b.c", "x.a.y", "a.a", ".", "a..b"]
    _keys_table(peer, "topic", bindings, keys)


@case("S-126")
def topic_wildcards_are_whole_words(peer: Peer) -> None:
    """Within a word, stars and hashes are letters."""
    bindings = ["a*", "**", "##", "a.b*", "#a"]
    keys = ["a", "ab", "a*", "**", "a.b", "##", "a.bc", "a.b*", "x.y", "#a"]
    _keys_table(peer, "topic", bindings, keys)


@case("S-126")
def topic_letters(peer: Peer) -> None:
    """Words are compared letter by letter, in any script."""
    bindings = ["A", "größe.*", "東京.#", "a b.c", "a.b."]
    keys = ["a", "A", "größe.x", "GRÖSSE.x", "東京", "東京.x.y", "a b.c", "a.b.", "a.b"]
    _keys_table(peer, "topic", bindings, keys)


@case("S-126")
def topic_wildcards_in_a_routing_key(peer: Peer) -> None:
    """In a routing key, stars and hashes are words like others."""
    _keys_table(peer, "topic", ["a.b", "a.*", "#", "*.b"], ["a.*", "a.#", "#", "*.b"])


@case("S-117")
def topic_with_several_bindings_of_a_queue(peer: Peer) -> None:
    """A queue gets a message once, however many of its bindings match."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, "topic"), _queue(peer, channel)
    for key in ("a.b", "a.*", "#", "*.b"):
        channel.call(QueueBind(0, queue, exchange, key))
    channel.publish(exchange, "a.b", b"once")
    assert channel.get_all(queue) == [b"once"]


# Headers


def _headers_table(
    peer: Peer, bindings: Sequence[Mapping[str, object]], messages: Sequence[Mapping[str, object]]
) -> None:
    """Write down which messages each binding matches; messages are numbered from 0."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, "headers")
    queues = [_queue(peer, channel, f"q{number}") for number in range(len(bindings))]
    for queue, arguments in zip(queues, bindings, strict=True):
        channel.call(QueueBind(0, queue, exchange, arguments=as_table(arguments)))
    for number, headers in enumerate(messages):
        body = str(number).encode()
        channel.publish(exchange, "", body, properties_of(headers=as_table(headers)))
    channel.round_trip()
    for number, queue in enumerate(queues):
        peer.note(f"binding {number}: {_bodies(peer, channel, queue)}".rstrip())


@case("S-128")
def headers_all_and_any(peer: Peer) -> None:
    """All headers of a binding must match, or any; all is the default."""
    wanted = {"a": 1, "b": "two"}
    bindings = [{**wanted, "x-match": "all"}, {**wanted, "x-match": "any"}, wanted]
    messages = [
        {"a": 1, "b": "two"},
        {"a": 1, "b": "two", "c": 3},
        {"a": 1},
        {"b": "two"},
        {"a": 2, "b": "three"},
        {"c": 3},
        {},
    ]
    _headers_table(peer, bindings, messages)


@case("S-128")
def headers_with_x(peer: Peer) -> None:
    """Headers that begin with x- count only with all-with-x and any-with-x."""
    wanted = {"a": 1, "x-b": 2}
    matches = ("all", "any", "all-with-x", "any-with-x")
    bindings = [{**wanted, "x-match": match} for match in matches]
    messages = [{"a": 1, "x-b": 2}, {"a": 1}, {"x-b": 2}, {"a": 1, "x-b": 3}, {"x-match": "all"}]
    _headers_table(peer, bindings, messages)


@case("S-130")
def headers_without_conditions(peer: Peer) -> None:
    """A binding without conditions matches everything with all, nothing with any."""
    bindings: list[dict[str, object]] = [
        {},
        {"x-match": "all"},
        {"x-match": "any"},
        {"x-match": "all-with-x"},
        {"x-match": "any-with-x"},
    ]
    _headers_table(peer, bindings, [{}, {"a": 1}])


@case("S-130")
def headers_of_a_message_that_has_none(peer: Peer) -> None:
    """A message without a headers table is like one with an empty table."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, "headers"), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange))
    channel.publish(exchange, "", b"hello")
    assert channel.get_all(queue) == [b"hello"]


@case("S-129")
def headers_by_presence(peer: Peer) -> None:
    """A void condition asks only whether the header is there."""
    bindings = [{"a": None}, {"a": None, "b": 1}, {"a": None, "b": 1, "x-match": "any"}]
    messages = [{"a": 1}, {"a": None}, {"b": 1}, {"a": "", "b": 1}, {"c": 1}]
    _headers_table(peer, bindings, messages)


@case("S-129")
def headers_of_other_kinds(peer: Peer) -> None:
    """Numbers of any width are equal by value; texts, numbers and booleans are not."""
    bindings = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": 1.0}, {"a": Field("l", 1)}]
    values = [
        Field("b", 1),
        Field("s", 1),
        Field("I", 1),
        Field("l", 1),
        Field("S", b"1"),
        Field("x", b"1"),
        Field("t", True),
        Field("d", 1.0),
        Field("f", 1.0),
        Field("T", 1),
    ]
    _headers_table(peer, bindings, [{"a": value} for value in values])


@case("S-131")
def headers_with_a_timestamp(peer: Peer) -> None:
    """Since 3.13 a timestamp in a message is compared in milliseconds, and matches none."""
    stamp = Field("T", 1700000000)
    bindings = [{"a": stamp}, {"a": Field("l", 1700000000)}, {"a": Field("l", 1700000000000)}]
    _headers_table(peer, bindings, [{"a": stamp}])


@case("S-129")
def headers_with_tables(peer: Peer) -> None:
    """Tables and arrays are compared by value."""
    bindings = [{"a": {"n": 1}}, {"a": [1, "x"]}]
    messages = [{"a": {"n": 1}}, {"a": {"n": 2}}, {"a": [1, "x"]}, {"a": ["x", 1]}]
    _headers_table(peer, bindings, messages)


@case("S-128")
def headers_ignore_the_routing_key(peer: Peer) -> None:
    """A headers exchange does not look at keys."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, "headers"), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange, "one", arguments=as_table({"a": 1})))
    channel.publish(exchange, "another", b"hello", properties_of(headers=as_table({"a": 1})))
    channel.get(queue)


def _refused_binding(peer: Peer, arguments: Mapping[str, object]) -> None:
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, "headers"), _queue(peer, channel)
    channel.refused(QueueBind(0, queue, exchange, arguments=as_table(arguments)))
    channel.open()
    channel.publish(exchange, "", b"lost", mandatory=True)
    channel.receive()


@case("S-132")
def headers_with_an_unknown_match(peer: Peer) -> None:
    """x-match has four values."""
    _refused_binding(peer, {"x-match": "some"})


@case("S-132")
def headers_with_an_empty_match(peer: Peer) -> None:
    """An empty x-match is not the default."""
    _refused_binding(peer, {"x-match": ""})


@case("S-132")
def headers_with_a_number_as_match(peer: Peer) -> None:
    """x-match is a long string."""
    _refused_binding(peer, {"x-match": 1})


@case("S-132")
def headers_with_a_boolean_as_match(peer: Peer) -> None:
    """The refusal names the kind and the value."""
    _refused_binding(peer, {"x-match": True})


# CC and BCC


def _copied(peer: Peer, properties: Properties, kind: str = "direct") -> None:
    """Publish with key ``to`` to an exchange with queues bound by ``to``, ``cc`` and ``bcc``."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, kind)
    queues = {key: _queue(peer, channel, key) for key in ("to", "cc", "bcc")}
    with peer.quiet():
        for key, queue in queues.items():
            channel.call(QueueBind(0, queue, exchange, key))
    channel.publish(exchange, "to", b"hello", properties)
    channel.round_trip()
    for queue in queues.values():
        channel.get(queue)


@case("S-133", "S-134", "S-135")
def carbon_copies(peer: Peer) -> None:
    """Keys in CC and BCC are routed as well; nobody sees BCC."""
    headers = as_table({"CC": ["cc", "to"], "BCC": ["bcc"], "kept": 1})
    _copied(peer, properties_of(headers=headers))


@case("S-133", "S-126")
def carbon_copies_of_a_topic(peer: Peer) -> None:
    """CC and BCC count with every type of exchange."""
    headers = as_table({"CC": ["cc"], "BCC": ["bcc"]})
    _copied(peer, properties_of(headers=headers), "topic")


@case("S-134")
def blind_copies_alone(peer: Peer) -> None:
    """A message whose only header is BCC arrives with an empty table."""
    _copied(peer, properties_of(headers=as_table({"BCC": ["bcc"]})))


@case("S-133")
def carbon_copies_in_small_letters(peer: Peer) -> None:
    """Headers cc and bcc are headers like others."""
    _copied(peer, properties_of(headers=as_table({"bcc": ["bcc"], "cc": ["cc"]})))


@case("S-133")
def carbon_copies_that_are_no_text(peer: Peer) -> None:
    """What is not a text in CC is skipped."""
    _copied(peer, properties_of(headers=as_table({"CC": [1, "cc", None], "BCC": []})))


@case("S-133", "S-119")
def carbon_copies_to_queues(peer: Peer) -> None:
    """With the default exchange, CC and BCC name queues."""
    channel = peer.channel()
    queues = [_queue(peer, channel, word) for word in ("to", "cc", "bcc")]
    headers = as_table({"CC": [queues[1]], "BCC": [queues[2]]})
    channel.publish("", queues[0], b"hello", properties_of(headers=headers))
    channel.round_trip()
    for queue in queues:
        channel.get(queue)


def _refused_copies(peer: Peer, headers: Mapping[str, object]) -> None:
    channel = peer.channel()
    properties = properties_of(headers=as_table(headers))
    channel.publish("amq.direct", "nobody", b"hello", properties)
    channel.expect_close()


@case("S-133", "S-207")
def carbon_copy_that_is_no_array(peer: Peer) -> None:
    """CC must be an array, also when it would be a single key."""
    _refused_copies(peer, {"CC": "cc"})


@case("S-133")
def blind_copy_that_is_no_array(peer: Peer) -> None:
    """BCC must be an array; the refusal names the kind that was sent."""
    _refused_copies(peer, {"BCC": 5})


@case("S-133")
def both_copies_are_no_arrays(peer: Peer) -> None:
    """When both are wrong, CC is named."""
    _refused_copies(peer, {"BCC": True, "CC": {"a": 1}})
