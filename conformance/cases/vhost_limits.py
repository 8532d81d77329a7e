"""Limits of vhosts and users: how many queues, connections, channels; default types of queues."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    ChannelOpen,
    ConnectionOpen,
    ConnectionTune,
    QueueDeclare,
    QueueDeclareOk,
    QueueDelete,
)
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.testing.raw_client import RawConnection, as_table
from conformance.peers import Peer
from conformance.registry import case

NEEDS = "admin limits"


def knock(peer: Peer, url: str | None = None, vhost: str | None = None) -> RawConnection:
    """Log in, and ask to come in; only that is written down."""
    with peer.quiet():
        connection = peer.dial(url)
        connection.start()
        connection.start_ok()
        tune = connection.expect(ConnectionTune)
        connection.tune_ok(tune.channel_max, tune.frame_max)
    connection.send_method(0, ConnectionOpen(vhost or connection.address.virtual_host))
    return connection


def worker(peer: Peer) -> str:
    """The URL of a user who may do everything."""
    user = peer.admin.add_user("worker")
    with peer.quiet():
        peer.admin.set_permissions(user)
    return peer.url_of(user)


# Queues


@case("S-155", "S-347", needs=NEEDS)
def one_queue_too_many(peer: Peer) -> None:
    """A vhost with max-queues takes no more queues than that; one that is there is no new one."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-queues", 2)
    channel = peer.channel()
    for name in ("one", "two", "one"):
        channel.call(QueueDeclare(queue=peer.queue(name)), QueueDeclareOk)
    channel.refused(QueueDeclare(queue=peer.queue("three")))
    channel.open()
    channel.refused(QueueDeclare(queue=""))


@case("S-155", "S-347", needs=NEEDS)
def no_queue_at_all(peer: Peer) -> None:
    """A max-queues of 0 allows none, a negative one any."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-queues", 0)
    channel = peer.channel()
    channel.refused(QueueDeclare(queue=peer.queue("one"), exclusive=True))
    peer.admin.set_vhost_limit("max-queues", -1)
    channel.open()
    channel.call(QueueDeclare(queue=peer.queue("one"), exclusive=True))


@case("S-155", "S-347", needs=NEEDS)
def fewer_queues_than_there_are(peer: Peer) -> None:
    """A limit below what is there ends nothing; a queue may come when enough have gone."""
    peer.own_vhost()
    channel = peer.channel()
    for name in ("one", "two"):
        channel.call(QueueDeclare(queue=peer.queue(name)), QueueDeclareOk)
    peer.admin.set_vhost_limit("max-queues", 1)
    channel.call(QueueDeclare(queue=peer.queue("one"), passive=True))
    channel.call(QueueDelete(queue=peer.queue("one")))
    channel.refused(QueueDeclare(queue=peer.queue("three")))
    channel.open()
    channel.call(QueueDelete(queue=peer.queue("two")))
    channel.call(QueueDeclare(queue=peer.queue("three")))


@case("S-155", "S-145", needs=NEEDS)
def the_limit_is_told_after_what_is_wrong_with_the_arguments(peer: Peer) -> None:
    """That there are too many queues is said after the arguments are looked at, and before types.

    The reference says that it is said before; 4.0.5 looks at the arguments first.
    """
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-queues", 0)
    channel = peer.channel()
    arguments = as_table({"x-max-length": -1})
    channel.refused(QueueDeclare(queue=peer.queue("one"), arguments=arguments))
    channel.open()
    channel.refused(QueueDeclare(queue="amq.one"))
    channel.open()
    quorum = as_table({"x-queue-type": "quorum"})
    channel.refused(QueueDeclare(queue=peer.queue("one"), exclusive=True, arguments=quorum))


@case("S-155", "S-347", needs=NEEDS)
def a_limit_that_is_cleared(peer: Peer) -> None:
    """A limit that is cleared limits no more."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-queues", 0)
    peer.admin.clear_vhost_limit("max-queues")
    peer.channel().call(QueueDeclare(queue=peer.queue("one")))


# Connections


@case("S-041", "S-347", needs=NEEDS)
def one_connection_too_many(peer: Peer) -> None:
    """A vhost with max-connections lets no more in than that."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-connections", 1)
    peer.channel()
    knock(peer).expect_close()


@case("S-041", "S-347", needs=NEEDS)
def no_connection_at_all(peer: Peer) -> None:
    """A max-connections of 0 lets nobody in, a negative one anybody."""
    peer.own_vhost()
    peer.admin.set_vhost_limit("max-connections", 0)
    knock(peer).expect_close()
    peer.admin.set_vhost_limit("max-connections", -5)
    peer.channel().round_trip()


@case("S-042", "S-347", needs=NEEDS)
def a_users_connection_too_many(peer: Peer) -> None:
    """A user with max-connections may have no more than that, in whatever vhost."""
    peer.own_vhost()
    url = worker(peer)
    peer.admin.set_user_limit(_user(url), "max-connections", 1)
    peer.channel(peer.connect(url)).round_trip()
    knock(peer, url).expect_close()


@case("S-042", "S-347", needs=NEEDS)
def no_connection_of_a_user_at_all(peer: Peer) -> None:
    """A max-connections of 0 lets the user in nowhere."""
    peer.own_vhost()
    url = worker(peer)
    peer.admin.set_user_limit(_user(url), "max-connections", 0)
    knock(peer, url).expect_close()
    peer.admin.clear_user_limit(_user(url), "max-connections")
    peer.channel(peer.connect(url)).round_trip()


@case("S-038", "S-041", "S-042", needs=NEEDS)
def the_vhosts_limit_is_told_first(peer: Peer) -> None:
    """Of both limits the vhost's is told; then the user's; then that one may not come in."""
    peer.own_vhost()
    user = peer.admin.add_user("stranger")
    url = peer.url_of(user)
    peer.admin.set_vhost_limit("max-connections", 0)
    peer.admin.set_user_limit(user, "max-connections", 0)
    knock(peer, url).expect_close()
    peer.admin.clear_vhost_limit("max-connections")
    knock(peer, url).expect_close()
    peer.admin.clear_user_limit(user, "max-connections")
    knock(peer, url).expect_close()


@case("S-038", "S-039", needs=NEEDS)
def a_vhost_that_is_not_there_is_told_before_the_users_limit(peer: Peer) -> None:
    """That there is no such vhost is said first of all."""
    peer.own_vhost()
    url = worker(peer)
    peer.admin.set_user_limit(_user(url), "max-connections", 0)
    knock(peer, url, "nowhere").expect_close()


# Channels


@case("S-077", "S-347", needs=NEEDS)
def a_users_channel_too_many(peer: Peer) -> None:
    """A user with max-channels may have no more than that, over all connections."""
    peer.own_vhost()
    url = worker(peer)
    peer.admin.set_user_limit(_user(url), "max-channels", 2)
    one, other = peer.connect(url), peer.connect(url)
    peer.channel(one).round_trip()
    peer.channel(other).round_trip()
    other.send_method(2, ChannelOpen())
    other.expect_close()


@case("S-077", "S-347", needs=NEEDS)
def no_channel_at_all(peer: Peer) -> None:
    """A max-channels of 0 allows none."""
    peer.own_vhost()
    url = worker(peer)
    peer.admin.set_user_limit(_user(url), "max-channels", 0)
    connection = peer.connect(url)
    connection.send_method(1, ChannelOpen())
    connection.expect_close()


# What limits may be


@case("S-347", needs=NEEDS)
def limits_that_are_none(peer: Peer) -> None:
    """A limit has a name that is known, and is a number."""
    peer.own_vhost()
    for limit, value in (("max-queues", "5"), ("max-connections", None), ("max-channels", 5)):
        with peer.admin.refused():
            peer.admin.set_vhost_limit(limit, value)
    user = peer.admin.add_user("worker")
    for limit, value in (("max-channels", "5"), ("max-queues", 5)):
        with peer.admin.refused():
            peer.admin.set_user_limit(user, limit, value)


def _user(url: str) -> str:
    return url.removeprefix("amqp://").partition(":")[0]


# Default types of queues


@case("S-151", needs="admin quorum")
def quorum_by_default(peer: Peer) -> None:
    """In a vhost whose default type is quorum a durable queue is one (3.10.8 has none)."""
    peer.own_vhost(default_queue_type="quorum")
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue("q"), durable=True))
    channel.call(
        QueueDeclare(
            queue=peer.queue("q"), durable=True, arguments=as_table({"x-queue-type": "quorum"})
        )
    )
    channel.refused(
        QueueDeclare(
            queue=peer.queue("q"), durable=True, arguments=as_table({"x-queue-type": "classic"})
        )
    )


@case("S-151", needs="admin quorum")
def what_cannot_be_quorum_is_classic(peer: Peer) -> None:
    """Queues that cannot be of the default type are classic without a word."""
    peer.own_vhost(default_queue_type="quorum")
    channel = peer.channel()
    classic = as_table({"x-queue-type": "classic"})
    for word, durable, exclusive, auto_delete in (
        ("transient", False, False, False),
        ("exclusive", True, True, False),
        ("passing", True, False, True),
    ):
        queue = peer.queue(word)
        for arguments in (EMPTY_TABLE, classic):
            channel.call(
                QueueDeclare(
                    queue=queue, durable=durable, exclusive=exclusive,
                    auto_delete=auto_delete, arguments=arguments,
                )
            )  # fmt: skip
    channel.call(QueueDeclare(queue="", exclusive=True))


@case("S-151", needs="admin quorum")
def classic_on_demand(peer: Peer) -> None:
    """A queue may ask to be classic, whatever the vhost's default type is."""
    peer.own_vhost(default_queue_type="quorum")
    channel = peer.channel()
    classic = as_table({"x-queue-type": "classic", "x-max-priority": 5})
    channel.call(QueueDeclare(queue=peer.queue("q"), durable=True, arguments=classic))
    channel.refused(QueueDeclare(queue=peer.queue("q"), durable=True))
    channel.open()
    classic = as_table({"x-queue-type": "classic"})
    channel.call(QueueDeclare(queue=peer.queue("plain"), durable=True, arguments=classic))
    channel.refused(QueueDeclare(queue=peer.queue("plain"), durable=True))


@case("S-151", needs="admin quorum")
def arguments_that_the_default_type_does_not_have(peer: Peer) -> None:
    """Arguments that the default type does not have are refused."""
    peer.own_vhost(default_queue_type="quorum")
    channel = peer.channel()
    priorities = as_table({"x-max-priority": 5})
    channel.refused(QueueDeclare(queue=peer.queue("q"), durable=True, arguments=priorities))


@case("S-151", needs="admin quorum")
def a_server_named_durable_queue(peer: Peer) -> None:
    """A durable queue that the server should name cannot be of the default type quorum."""
    peer.own_vhost(default_queue_type="quorum")
    channel = peer.channel()
    channel.refused(QueueDeclare(queue="", durable=True))


@case("S-151", needs="admin quorum")
def an_explicit_default_of_classic(peer: Peer) -> None:
    """In a vhost whose default type is classic a queue without a type is a classic one."""
    peer.own_vhost(default_queue_type="classic")
    channel = peer.channel()
    quorum = as_table({"x-queue-type": "quorum"})
    channel.call(QueueDeclare(queue=peer.queue("q"), durable=True))
    channel.refused(QueueDeclare(queue=peer.queue("q"), durable=True, arguments=quorum))
