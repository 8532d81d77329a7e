"""Users: who may enter a vhost, topic permissions, and what changes while somebody is connected."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    ConnectionOpen,
    ConnectionTune,
    ExchangeBind,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDeclareOk,
    QueueUnbind,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import accepted_or_closed


def tuned(peer: Peer, url: str) -> RawConnection:
    """A connection that is about to be opened; nothing of it is written down."""
    with peer.quiet():
        connection = peer.dial(url)
        connection.start()
        connection.start_ok()
        proposed = connection.expect(ConnectionTune)
        connection.tune_ok(proposed.channel_max, proposed.frame_max)
    return connection


def refused_entry(peer: Peer, user: str, vhost: str) -> None:
    connection = tuned(peer, peer.url_of(user, vhost=vhost))
    connection.send_method(0, ConnectionOpen(vhost))
    connection.expect_close()


def topic_scene(peer: Peer, *, write: str, read: str) -> RawChannel:
    """A channel of a user who may do everything, but at topic exchange x only what is given."""
    vhost = peer.own_vhost()
    with peer.quiet():
        owner = peer.channel()
        owner.call(QueueDeclare(queue=peer.queue("q")))
        for name, type_ in (("x", "topic"), ("y", "topic"), ("d", "direct")):
            owner.call(ExchangeDeclare(exchange=peer.exchange(name), type=type_))
        user = peer.admin.add_user("u")
        peer.admin.set_permissions(user)
    peer.admin.set_topic_permissions(user, peer.name("x"), write=write, read=read)
    return peer.channel(peer.connect(peer.url_of(user, vhost=vhost)))


@case("S-040", "S-336", needs="admin")
def entering_a_vhost_without_permissions(peer: Peer) -> None:
    """Without a row of permissions nobody comes in; with an empty one everybody does."""
    vhost = peer.own_vhost()
    user = peer.admin.add_user("u")
    refused_entry(peer, user, vhost)
    peer.admin.set_permissions(user, configure="", write="", read="")
    channel = peer.channel(peer.connect(peer.url_of(user, vhost=vhost)))
    channel.refused(QueueDeclare(queue=peer.queue("new")))
    peer.admin.clear_permissions(user)
    refused_entry(peer, user, vhost)


@case("S-039", needs="admin")
def entering_a_vhost_that_is_not_there(peer: Peer) -> None:
    """A vhost that is not there is told from one that may not be entered."""
    peer.own_vhost()
    user = peer.admin.add_user("u")
    refused_entry(peer, user, peer.name("nowhere"))


@case("S-339", needs="admin")
def the_tag_of_an_administrator_opens_no_vhost(peer: Peer) -> None:
    """Tags say nothing about AMQP: an administrator needs permissions as everybody does."""
    vhost = peer.own_vhost()
    refused_entry(peer, peer.admin.add_user("u", tags="administrator"), vhost)


@case("S-337", needs="admin")
def topics_that_may_be_published(peer: Peer) -> None:
    """Publishing to a topic exchange with permissions of its own: the routing key must match."""
    channel = topic_scene(peer, write=r"^public\.", read=".*")
    channel.publish(peer.name("x"), "public.news", b"x")
    channel.publish(peer.name("y"), "secret.news", b"x")
    channel.publish(peer.name("d"), "secret.news", b"x")
    channel.publish(peer.name("x"), "secret.news", b"x")
    channel.expect_close()
    channel.open()
    channel.publish(peer.name("x"), "not.public.news", b"x")
    channel.expect_close()


@case("S-338", needs="admin")
def topics_in_cc_and_bcc(peer: Peer) -> None:
    """The keys in CC and BCC must match as well; 3.10 looks at the routing key only."""
    channel = topic_scene(peer, write=r"^public\.", read=".*")
    for header in ("CC", "BCC"):
        keys = Field("A", [longstr("public.two"), longstr("secret.three")])
        properties = properties_of(headers={header: keys})
        channel.publish(peer.name("x"), "public.one", b"x", properties)
        accepted_or_closed(channel)


@case("S-337", needs="admin")
def topics_that_may_be_bound(peer: Peer) -> None:
    """Binding to a topic exchange with permissions of its own: the binding key must match."""
    channel = topic_scene(peer, write=".*", read=r"^public\.")
    q, x, y, d = (peer.name(word) for word in "qxyd")
    channel.call(QueueBind(queue=q, exchange=x, routing_key="public.#"))
    channel.call(QueueBind(queue=q, exchange=y, routing_key="secret.#"))
    channel.call(QueueBind(queue=q, exchange=d, routing_key="secret"))
    for request in (
        QueueBind(queue=q, exchange=x, routing_key="secret.#"),
        QueueBind(queue=peer.name("absent"), exchange=x, routing_key="secret.#"),
        QueueUnbind(queue=q, exchange=x, routing_key="secret.#"),
        ExchangeBind(destination=y, source=x, routing_key="secret.#"),
    ):
        channel.refused(request)
        channel.open()
    channel.call(QueueUnbind(queue=q, exchange=x, routing_key="public.#"))


@case("S-337", needs="admin")
def topic_patterns_with_variables(peer: Peer) -> None:
    """{username} and {vhost} in a topic pattern stand for the user's name and the vhost's."""
    channel = topic_scene(peer, write="^{username}@{vhost}$", read=".*")
    user, vhost = peer.name("u"), peer.name("v")
    channel.call(QueueBind(queue=peer.name("q"), exchange=peer.name("x"), routing_key="#"))
    channel.publish(peer.name("x"), f"{user}@{vhost}", b"x")
    channel.get(peer.name("q"))
    channel.publish(peer.name("x"), f"somebody@{vhost}", b"x")
    channel.expect_close()


@case("S-202", needs="admin")
def an_impersonator_may_name_others(peer: Peer) -> None:
    """A user with the tag impersonator may publish with the user-id of anybody."""
    vhost = peer.own_vhost()
    user = peer.admin.add_user("u", tags="impersonator")
    peer.admin.set_permissions(user)
    channel = peer.channel(peer.connect(peer.url_of(user, vhost=vhost)))
    channel.call(QueueDeclare(queue=peer.queue("q")), QueueDeclareOk)
    channel.publish("", peer.name("q"), b"x", properties_of(user_id="somebody"))
    channel.get(peer.name("q"))


@case("S-075", needs="admin")
def a_user_is_deleted(peer: Peer) -> None:
    """The connections of a deleted user are closed."""
    vhost = peer.own_vhost()
    user = peer.admin.add_user("u")
    peer.admin.set_permissions(user)
    connection = peer.connect(peer.url_of(user, vhost=vhost))
    peer.channel(connection)
    peer.admin.delete_user(user)
    connection.expect_close()


@case("S-075", needs="admin")
def a_vhost_is_deleted(peer: Peer) -> None:
    """The connections of a deleted vhost are closed."""
    vhost = peer.own_vhost()
    connection = peer.connect()
    peer.channel(connection)
    peer.admin.delete_vhost(vhost)
    connection.expect_close()


@case("S-335", needs="admin")
def permissions_that_change_count_for_new_channels(peer: Peer) -> None:
    """What a user may do no more, new channels may not do."""
    vhost = peer.own_vhost()
    user = peer.admin.add_user("u")
    peer.admin.set_permissions(user)
    connection = peer.connect(peer.url_of(user, vhost=vhost))
    peer.channel(connection).call(QueueDeclare(queue=peer.queue("q")), QueueDeclareOk)
    peer.admin.set_permissions(user, configure="^q")
    channel = peer.channel(connection)
    channel.refused(QueueDeclare(queue=peer.queue("another")))
