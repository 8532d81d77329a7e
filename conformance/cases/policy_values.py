"""What each key of a policy does to a queue, and how it joins the argument of the same meaning."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicGet,
    BasicGetOk,
    BasicNack,
    BasicReject,
    QueueDeclare,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, count, take
from conformance.timed import (
    arrive,
    confirming,
    dead_lettering,
    declared,
    let_pass,
    publish_all,
    watch,
)

NEEDS = "admin policies"
QUORUM = {"x-queue-type": "quorum"}
TIMED = f"{NEEDS} ttl dead-letter"


def put(peer: Peer, queue: str, *bodies: bytes) -> None:
    """Publish *bodies* and wait for the answers, which are written down."""
    with peer.quiet():
        publisher = confirming(peer)
    publish_all(publisher, queue, *bodies)
    publisher.expect_confirms()
    with peer.quiet():
        publisher.close()


def put_quietly(peer: Peer, queue: str, *bodies: bytes) -> None:
    """Publish *bodies*, and wait until they are there."""
    with peer.quiet():
        put(peer, queue, *bodies)
    peer.note(f"queue {queue!r} gets {' '.join(repr(body) for body in bodies)}")


# max-length, max-length-bytes


@case("S-345", "S-300", needs=f"{NEEDS} length")
def a_lower_limit_drops_at_once(peer: Peer) -> None:
    """A limit that is lowered drops the oldest messages at once."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"1", b"2", b"3", b"4")
    peer.admin.set_policy("p", "^q", {"max-length": 3})
    assert count(channel, queue) == (3, 0)
    peer.admin.set_policy("p", "^q", {"max-length": 1})
    assert channel.get_all(queue) == [b"4"]


@case("S-345", "S-274", needs=f"{NEEDS} length dead-letter")
def a_lower_limit_dead_letters_at_once(peer: Peer) -> None:
    """What a limit that is lowered drops is dead-lettered, in its order."""
    peer.own_vhost()
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    put_quietly(peer, queue, b"1", b"2", b"3", b"4")
    peer.admin.set_policy("p", "^q", {"max-length": 2})
    arrive(watching, b"1", b"2")
    assert channel.get_all(queue) == [b"3", b"4"]


@case("S-345", needs=f"{NEEDS} length")
def a_limit_of_bytes_counts_what_is_there(peer: Peer) -> None:
    """A limit of bytes that comes counts the messages that are there."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"123", b"456", b"789")
    peer.admin.set_policy("p", "^q", {"max-length-bytes": 6})
    assert count(channel, queue) == (2, 0)
    put_quietly(peer, queue, b"0")
    assert channel.get_all(queue) == [b"789", b"0"]


@case("S-345", needs=f"{NEEDS} length")
def a_limit_minds_ready_messages_only(peer: Peer) -> None:
    """A limit that comes leaves alone what a client holds."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"1", b"2", b"3")
    first, _ = take(channel, queue, 2)
    peer.admin.set_policy("p", "^q", {"max-length": 1})
    assert count(channel, queue) == (1, 0)
    channel.send(BasicAck(first))
    channel.round_trip()


@case("S-344", "S-300", needs=f"{NEEDS} length")
def the_smaller_length_counts(peer: Peer) -> None:
    """Of a length in an argument and one in a policy the smaller counts."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"max-length": 2})
    channel = peer.channel()
    for word, limit in (("q-one", 1), ("q-three", 3)):
        queue = declared(peer, channel, word, {"x-max-length": limit})
        put_quietly(peer, queue, b"1", b"2", b"3", b"4")
        channel.get_all(queue)


@case("S-344", "S-300", needs=f"{NEEDS} length")
def the_smaller_number_of_bytes_counts(peer: Peer) -> None:
    """Of a number of bytes in an argument and one in a policy the smaller counts."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"max-length-bytes": 4})
    channel = peer.channel()
    for word, limit in (("q-two", 2), ("q-six", 6)):
        queue = declared(peer, channel, word, {"x-max-length-bytes": limit})
        put_quietly(peer, queue, b"12", b"34", b"56", b"78")
        channel.get_all(queue)


@case("S-344", needs=f"{NEEDS} length")
def length_and_bytes_from_two_sides(peer: Peer) -> None:
    """A length in an argument and a number of bytes in a policy both count."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"max-length-bytes": 5})
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 2})
    put_quietly(peer, queue, b"1", b"2", b"3")
    assert count(channel, queue) == (2, 0)
    put_quietly(peer, queue, b"45678")
    channel.get_all(queue)


@case("S-344", "S-345", needs=f"{NEEDS} length quorum")
def lengths_of_a_quorum_queue(peer: Peer) -> None:
    """A limit that comes drops at once from a quorum queue; the smaller one counts."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q", {**QUORUM, "x-max-length": 3}, durable=True)
    put_quietly(peer, queue, b"1", b"2", b"3")
    peer.admin.set_policy("p", "^q", {"max-length": 2})
    assert channel.get_all(queue) == [b"2", b"3"]
    peer.admin.set_policy("p", "^q", {"max-length": 5})
    put_quietly(peer, queue, b"1", b"2", b"3", b"4")
    assert channel.get_all(queue) == [b"2", b"3", b"4"]


# overflow


@case("S-342", "S-302", needs=f"{NEEDS} length")
def overflow_by_policy(peer: Peer) -> None:
    """A policy may say that a full queue refuses; without it the queue drops again."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 1})
    peer.admin.set_policy("p", "^q", {"overflow": "reject-publish"})
    put(peer, queue, b"1")
    put(peer, queue, b"2")
    peer.admin.clear_policy("p")
    put(peer, queue, b"3")
    assert channel.get_all(queue) == [b"3"]


@case("S-305", "S-344", needs=f"{NEEDS} length")
def overflow_of_a_classic_queue_is_its_arguments(peer: Peer) -> None:
    """For a classic queue the argument counts, not the policy, whichever says what."""
    peer.own_vhost()
    channel = peer.channel()
    peer.admin.set_policy("drop", "^q-rejects", {"overflow": "drop-head"})
    peer.admin.set_policy("reject", "^q-drops", {"overflow": "reject-publish"})
    for word, overflow in (("q-rejects", "reject-publish"), ("q-drops", "drop-head")):
        queue = declared(peer, channel, word, {"x-max-length": 1, "x-overflow": overflow})
        put(peer, queue, b"1")
        put(peer, queue, b"2")


@case("S-305", "S-344", needs=f"{NEEDS} length quorum")
def overflow_of_a_quorum_queue_is_the_policys(peer: Peer) -> None:
    """For a quorum queue the policy counts, not the argument."""
    peer.own_vhost()
    channel = peer.channel()
    peer.admin.set_policy("drop", "^q", {"overflow": "drop-head"})
    arguments = {**QUORUM, "x-max-length": 1, "x-overflow": "reject-publish"}
    queue = declared(peer, channel, "q", arguments, durable=True)
    put(peer, queue, b"1")
    put(peer, queue, b"2")
    put(peer, queue, b"3")
    assert channel.get_all(queue) == [b"3"]


@case("S-345", needs=f"{NEEDS} length")
def a_queue_that_refuses_drops_nothing_when_its_limit_falls(peer: Peer) -> None:
    """A queue that refuses keeps what it has when its limit is lowered, and refuses what comes."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-overflow": "reject-publish"})
    put_quietly(peer, queue, b"1", b"2", b"3")
    peer.admin.set_policy("p", "^q", {"max-length": 1})
    assert count(channel, queue) == (3, 0)
    put(peer, queue, b"4")
    peer.admin.clear_policy("p")
    put(peer, queue, b"5")
    assert channel.get_all(queue) == [b"1", b"2", b"3", b"5"]


@case("S-345", needs=f"{NEEDS} length")
def a_queue_that_no_longer_refuses_drops_at_once(peer: Peer) -> None:
    """A queue that held too many while it refused drops them when it no longer does."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"1", b"2", b"3")
    peer.admin.set_policy("p", "^q", {"overflow": "reject-publish"})
    peer.admin.set_policy("p", "^q", {"overflow": "reject-publish", "max-length": 1})
    assert count(channel, queue) == (3, 0)
    peer.admin.set_policy("p", "^q", {"max-length": 1})
    assert channel.get_all(queue) == [b"3"]


@case("S-345", needs=f"{NEEDS} length")
def a_limit_and_refusing_that_come_together(peer: Peer) -> None:
    """A policy that brings a limit and says that the queue refuses drops what is too much first."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"1", b"2", b"3")
    peer.admin.set_policy("p", "^q", {"overflow": "reject-publish", "max-length": 1})
    assert channel.get_all(queue) == [b"3"]


@case("S-345", needs=f"{NEEDS} length quorum")
def a_limit_and_refusing_that_come_together_to_a_quorum_queue(peer: Peer) -> None:
    """A policy that brings both to a quorum queue leaves what is there."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q", QUORUM, durable=True)
    put_quietly(peer, queue, b"1", b"2", b"3")
    peer.admin.set_policy("p", "^q", {"overflow": "reject-publish", "max-length": 1})
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


# message-ttl


@case("S-345", "S-292", needs=TIMED)
def a_time_to_live_is_for_messages_to_come(peer: Peer) -> None:
    """A time to live that comes counts for messages that come afterwards."""
    peer.own_vhost()
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    put_quietly(peer, queue, b"before")
    peer.admin.set_policy("p", "^q", {"message-ttl": 50})
    put_quietly(peer, queue, b"after")
    let_pass(peer, 150)
    channel.call(BasicGet(queue=queue, no_ack=True), BasicGetOk)
    arrive(watching, b"after")
    assert channel.get_all(queue) == []


@case("S-345", "S-292", needs=TIMED)
def a_time_to_live_outlives_its_policy(peer: Peer) -> None:
    """A message keeps the time that it had when it came, also when the policy goes."""
    peer.own_vhost()
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    peer.admin.set_policy("p", "^q", {"message-ttl": 150})
    put_quietly(peer, queue, b"timed")
    peer.admin.clear_policy("p")
    put_quietly(peer, queue, b"lasting")
    arrive(watching, b"timed")
    assert channel.get_all(queue) == [b"lasting"]


@case("S-344", "S-292", needs=TIMED)
def the_smaller_time_to_live_counts(peer: Peer) -> None:
    """Of a time in an argument, one in a policy and a message's own the smallest counts."""
    peer.own_vhost()
    channel = peer.channel()
    peer.admin.set_policy("p", "^by-policy", {"message-ttl": 50})
    peer.admin.set_policy("long", "^by-", {"message-ttl": 60000}, priority=-1)
    slow = {"x-message-ttl": 60000}
    by_policy = dead_lettering(peer, channel, slow, word="by-policy")
    by_argument = dead_lettering(peer, channel, {"x-message-ttl": 50}, word="by-argument")
    by_message = dead_lettering(peer, channel, slow, word="by-message")
    watching = watch(peer)
    for queue, expiration in ((by_policy, "60000"), (by_argument, "60000"), (by_message, "50")):
        publish_all(channel, queue, b"x", properties=properties_of(expiration=expiration))
        arrive(watching, b"x")


@case("S-345", needs=f"{TIMED} quorum")
def a_time_to_live_of_a_quorum_queue(peer: Peer) -> None:
    """In a quorum queue, too, it counts for messages that come afterwards."""
    peer.own_vhost()
    channel = peer.channel()
    queue = dead_lettering(peer, channel, QUORUM, durable=True)
    watching = watch(peer)
    put_quietly(peer, queue, b"before")
    peer.admin.set_policy("p", "^q", {"message-ttl": 50})
    put_quietly(peer, queue, b"after")
    let_pass(peer, 150)
    channel.call(BasicGet(queue=queue, no_ack=True), BasicGetOk)
    arrive(watching, b"after")


# expires


@case("S-345", "S-195", needs=f"{NEEDS} expires")
def a_queue_expires_by_policy(peer: Peer) -> None:
    """A queue that is there goes when it was not used for as long as the policy says."""
    peer.own_vhost()
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    peer.admin.set_policy("p", "^q", {"expires": 50})
    let_pass(peer, 250)
    absent(channel, queue)


@case("S-345", "S-195", needs=f"{NEEDS} expires")
def a_queue_lives_on_when_the_policy_goes(peer: Peer) -> None:
    """A queue that would have gone lives on when the policy is cleared before."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"expires": 150})
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    peer.admin.clear_policy("p")
    let_pass(peer, 300)
    channel.call(QueueDeclare(queue=queue, passive=True))


@case("S-344", "S-195", needs=f"{NEEDS} expires")
def the_smaller_time_of_disuse_counts(peer: Peer) -> None:
    """Of a time in an argument and one in a policy the smaller counts."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^short", {"expires": 50})
    peer.admin.set_policy("long", "^long", {"expires": 60000})
    channel = peer.channel()
    short = declared(peer, channel, "short", {"x-expires": 60000})
    long = declared(peer, channel, "long", {"x-expires": 50})
    let_pass(peer, 250)
    absent(channel, short)
    absent(channel, long)


# dead letters


@case("S-276", "S-342", needs=f"{NEEDS} dead-letter")
def a_dead_letter_exchange_by_policy(peer: Peer) -> None:
    """A policy names the exchange and the key of dead letters."""
    peer.own_vhost()
    channel = peer.channel()
    dead = declared(peer, channel, "dead")
    queue = declared(peer, channel, "q")
    peer.admin.set_policy("p", "^q", {"dead-letter-exchange": "", "dead-letter-routing-key": dead})
    put_quietly(peer, queue, b"1")
    rejected(channel, queue)
    arrive(watch(peer), b"1")


@case("S-276", "S-344", needs=f"{NEEDS} dead-letter")
def the_arguments_exchange_counts(peer: Peer) -> None:
    """The argument's exchange and key count, not the policy's."""
    peer.own_vhost()
    channel = peer.channel()
    peer.admin.set_policy(
        "p", "^q", {"dead-letter-exchange": "nowhere", "dead-letter-routing-key": "no"}
    )
    queue = dead_lettering(peer, channel)
    put_quietly(peer, queue, b"1")
    rejected(channel, queue)
    arrive(watch(peer), b"1")


@case("S-276", "S-344", needs=f"{NEEDS} dead-letter")
def an_exchange_and_a_key_from_two_sides(peer: Peer) -> None:
    """The exchange may come from the argument and the key from a policy."""
    peer.own_vhost()
    channel = peer.channel()
    dead = declared(peer, channel, "dead")
    peer.admin.set_policy("p", "^q", {"dead-letter-routing-key": dead})
    queue = declared(peer, channel, "q", {"x-dead-letter-exchange": ""})
    put_quietly(peer, queue, b"1")
    rejected(channel, queue)
    arrive(watch(peer), b"1")


@case("S-276", needs=f"{NEEDS} dead-letter")
def a_key_without_an_exchange_means_nothing(peer: Peer) -> None:
    """A policy's key without any exchange is ignored: the message is gone."""
    peer.own_vhost()
    channel = peer.channel()
    dead = declared(peer, channel, "dead")
    peer.admin.set_policy("p", "^q", {"dead-letter-routing-key": dead})
    queue = declared(peer, channel, "q")
    put_quietly(peer, queue, b"1")
    rejected(channel, queue)
    peer.admin.set_policy("p", "^q", {"dead-letter-exchange": "", "dead-letter-routing-key": dead})
    put_quietly(peer, queue, b"2")
    rejected(channel, queue)
    arrive(watch(peer), b"2")


@case("S-276", "S-163", needs=f"{NEEDS} dead-letter")
def a_key_in_an_argument_wants_an_exchange_in_one(peer: Peer) -> None:
    """A key in an argument without an exchange in one is refused, whatever the policy says."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"dead-letter-exchange": ""})
    channel = peer.channel()
    arguments = as_table({"x-dead-letter-routing-key": "dead"})
    channel.refused(QueueDeclare(queue=peer.queue("q"), arguments=arguments))


@case("S-345", "S-276", needs=f"{NEEDS} dead-letter")
def another_exchange_is_for_deaths_to_come(peer: Peer) -> None:
    """A change of the exchange counts for the deaths that come."""
    peer.own_vhost()
    channel = peer.channel()
    dead, other = declared(peer, channel, "dead"), declared(peer, channel, "other")
    queue = declared(peer, channel, "q")
    for target in (dead, other):
        peer.admin.set_policy(
            "p", "^q", {"dead-letter-exchange": "", "dead-letter-routing-key": target}
        )
        put_quietly(peer, queue, target.encode())
        rejected(channel, queue)
    peer.admin.clear_policy("p")
    put_quietly(peer, queue, b"lost")
    rejected(channel, queue)
    arrive(watch(peer), dead.encode())
    arrive(watch(peer, "other"), other.encode())


@case("S-276", "S-345", needs=f"{NEEDS} dead-letter quorum")
def a_dead_letter_exchange_of_a_quorum_queue(peer: Peer) -> None:
    """A policy gives a quorum queue that is there an exchange for dead letters."""
    peer.own_vhost()
    channel = peer.channel()
    dead = declared(peer, channel, "dead")
    queue = declared(peer, channel, "q", QUORUM, durable=True)
    peer.admin.set_policy("p", "^q", {"dead-letter-exchange": "", "dead-letter-routing-key": dead})
    put_quietly(peer, queue, b"1")
    rejected(channel, queue)
    arrive(watch(peer), b"1")


def rejected(channel: RawChannel, queue: str) -> None:
    """Get a message, and reject it for ever."""
    tag = channel.call(BasicGet(queue=queue), BasicGetOk).delivery_tag
    channel.send(BasicReject(tag, False))
    channel.round_trip()


# delivery-limit


@case("S-308", "S-344", needs=f"{NEEDS} quorum dead-letter")
def a_delivery_limit_by_policy(peer: Peer) -> None:
    """A policy limits how often a quorum queue delivers a message in vain."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"delivery-limit": 1})
    _return_until_dead(peer, {}, 2)


@case("S-308", "S-344", needs=f"{NEEDS} quorum dead-letter")
def the_smaller_delivery_limit_counts(peer: Peer) -> None:
    """Of a limit in an argument and one in a policy the smaller counts."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"delivery-limit": 3})
    _return_until_dead(peer, {"x-delivery-limit": 1}, 2)


@case("S-308", "S-344", needs=f"{NEEDS} quorum dead-letter")
def no_delivery_limit_gives_way_to_one(peer: Peer) -> None:
    """A negative limit, which is none, gives way to the other one (3.10 knows no such)."""
    peer.own_vhost()
    peer.admin.set_policy("p", "^q", {"delivery-limit": -1})
    _return_until_dead(peer, {"x-delivery-limit": 1}, 2)


@case("S-308", "S-345", needs=f"{NEEDS} quorum dead-letter")
def a_new_delivery_limit_counts_old_failures(peer: Peer) -> None:
    """A limit that comes counts how often a message has come back before."""
    peer.own_vhost()
    channel = peer.channel()
    queue = dead_lettering(peer, channel, QUORUM, durable=True)
    watching = watch(peer)
    put_quietly(peer, queue, b"1")
    for _ in range(2):
        returned(channel, queue)
    peer.admin.set_policy("p", "^q", {"delivery-limit": 2})
    returned(channel, queue)
    arrive(watching, b"1")


def _return_until_dead(peer: Peer, arguments: dict[str, object], times: int) -> None:
    """Give a message of a quorum queue back so many times; then it must be dead."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {**QUORUM, **arguments}, durable=True)
    watching = watch(peer)
    put_quietly(peer, queue, b"1")
    for _ in range(times):
        returned(channel, queue)
    arrive(watching, b"1")


def returned(channel: RawChannel, queue: str) -> None:
    """Get a message, and give it back."""
    tag = channel.call(BasicGet(queue=queue), BasicGetOk).delivery_tag
    channel.send(BasicNack(tag, False, True))
    channel.round_trip()
