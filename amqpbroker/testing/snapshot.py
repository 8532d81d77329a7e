"""The state of a whole broker, kept and brought back in milliseconds.

In a snapshot   vhosts with their policies and limits, users and permissions, exchanges and what
                they hold back or remember, queues with their messages, bindings
Not in it       connections, channels and consumers; the clock, which never goes back

What a restore does to clients is as little as possible:

(R1) A connection stays open, unless its vhost was not there when the snapshot was taken, or a
     transaction of its has acks that wait for the commit.
(R2) A consumer stays, if its queue was there then and is there now, declared alike; from a queue
     that goes it is cancelled, as by queue.delete.
(R3) What a client has unacked is no longer its own: it has its prefetch back at once, and settling
     such a delivery, by whatever way, does nothing.
(R4) Messages that were unacked when the snapshot was taken are ready after a restore, at their old
     places and as redelivered: as if those clients had gone away just then.
(R5) A time to live goes on from where it was when the snapshot was taken.
(R6) A queue that is exclusive to a connection comes back only while that connection is open.

Messages are shared, never copied, for nobody changes them.
"""

from collections.abc import Hashable, Iterator, Mapping
from copy import deepcopy
from typing import Final, NamedTuple, cast

import attrs

from amqpbroker.engine import administration
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.limits import LengthLimit
from amqpbroker.engine.permissions import Permissions, TopicPermissions
from amqpbroker.engine.policies import Policy
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.ready import ReadyOrder
from amqpbroker.engine.usage_limits import Limits
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import Table

#: The attributes of a queue that say which messages it has.  What follows from them and from the
#: rules, such as its length limit, is made anew.
_CONTENTS: Final = (
    "order", "_expires_at", "_failures", "_present", "has_large", "has_own_times", "held_bytes",
)  # fmt: skip


class _QueueState(NamedTuple):
    """A queue: its declaration, and its messages."""

    name: str
    queue_type: str
    durable: bool
    auto_delete: bool
    arguments: Table
    exclusive_owner: Connection | None
    contents: Mapping[str, object]  # {attribute: a copy of it}

    def is_declared_as(self, queue: Queue | None) -> bool:
        """Whether *queue* is this one, or declared like it."""
        return queue is not None and (
            (queue.durable, queue.auto_delete, queue.arguments)
            == (self.durable, self.auto_delete, self.arguments)
            and queue.exclusive_owner is self.exclusive_owner
        )


class _ExchangeState(NamedTuple):
    """An exchange: its declaration, and what it holds."""

    name: str
    exchange_type: str
    durable: bool
    auto_delete: bool
    internal: bool
    arguments: Table
    memory: object  # as `Intake.remember` gave it

    def is_declared_as(self, exchange: Exchange | None) -> bool:
        """Whether *exchange* is this one, or declared like it."""
        return exchange is not None and (
            (exchange.type, exchange.durable, exchange.auto_delete)
            == (self.exchange_type, self.durable, self.auto_delete)
            and (exchange.internal, exchange.arguments) == (self.internal, self.arguments)
        )


class _BindingState(NamedTuple):
    """A binding, by names."""

    source_name: str
    is_to_queue: bool
    destination_name: str
    routing_key: str
    arguments: tuple[Hashable, ...]  # `Binding.identity` without its destination
    table: Table


class _VHostState(NamedTuple):
    """A vhost and all that it has."""

    name: str
    default_queue_type: str
    limits: Limits
    policies: tuple[Policy, ...]
    exchanges: tuple[_ExchangeState, ...]
    queues: tuple[_QueueState, ...]
    bindings: tuple[_BindingState, ...]


@attrs.frozen(repr=False)
class Snapshot:
    """The state of a broker at a moment.  It can be restored as often as one likes."""

    taken_ms: int
    users: tuple[User, ...]
    user_limits: Mapping[str, Limits]
    permissions: tuple[tuple[str, str, Permissions], ...]
    topic_permissions: tuple[tuple[str, str, str, TopicPermissions], ...]
    vhosts: tuple[_VHostState, ...]

    def __repr__(self) -> str:
        queue_count = sum(len(vhost.queues) for vhost in self.vhosts)
        return f"<Snapshot vhosts={len(self.vhosts)} queues={queue_count}>"


def take(broker: Broker) -> Snapshot:
    """The state of a broker as it is; to be called in its thread.

    Raises `RuntimeError` for a broker that keeps messages on disk.
    """
    unacked: dict[Queue, list[tuple[int, Message]]] = {}
    for channel in _channels(broker):
        for _, (_, queue, position, message) in channel.unacked:
            unacked.setdefault(queue, []).append((position, message))
    return Snapshot(
        broker.now_ms,
        tuple(broker.users),
        dict(broker.user_limits),
        tuple(broker.permissions),
        tuple(broker.permissions.topics()),
        tuple(_vhost_state(vhost, unacked) for vhost in broker.vhosts.values()),
    )


def _vhost_state(vhost: VHost, unacked: Mapping[Queue, list[tuple[int, Message]]]) -> _VHostState:
    policies = [vhost.policies.listed(is_operators=kind) for kind in (False, True)]
    return _VHostState(
        vhost.name,
        vhost.default_queue_type,
        vhost.limits,
        tuple(policy for kind in policies for policy in kind),
        tuple(_exchange_state(exchange) for exchange in vhost.exchanges.values()),
        tuple(_queue_state(queue, unacked.get(queue, [])) for queue in vhost.queues.values()),
        tuple(_bindings(vhost)),
    )


def _exchange_state(exchange: Exchange) -> _ExchangeState:
    return _ExchangeState(
        exchange.name,
        exchange.type,
        exchange.durable,
        exchange.auto_delete,
        exchange.internal,
        exchange.arguments,
        None if exchange.intake is None else exchange.intake.remember(),
    )


def _queue_state(queue: Queue, unacked: list[tuple[int, Message]]) -> _QueueState:
    if queue.entries is not None:
        raise RuntimeError(f"{queue} keeps its messages on disk, where a snapshot does not reach")
    contents = deepcopy({name: getattr(queue, name) for name in _CONTENTS})
    for position, message in sorted(unacked, key=lambda held: held[0]):
        cast("ReadyOrder", contents["order"]).put_back(position, message)  # (R4)
    return _QueueState(
        queue.name,
        queue.rules.queue_type,
        queue.durable,
        queue.auto_delete,
        queue.arguments,
        queue.exclusive_owner,
        contents,
    )


def _bindings(vhost: VHost) -> Iterator[_BindingState]:
    for exchange in vhost.exchanges.values():
        for binding in exchange.bindings:
            destination = binding.destination
            assert isinstance(destination, Queue | Exchange)
            yield _BindingState(
                exchange.name,
                isinstance(destination, Queue),
                destination.name,
                binding.routing_key,
                binding.identity[2:],
                binding.arguments,
            )


def restore(broker: Broker, snapshot: Snapshot) -> None:
    """Bring a broker back to the state of a snapshot; to be called in its thread."""
    later_ms = broker.now_ms - snapshot.taken_ms
    for connection in list(broker.connections):
        transactions = [channel.transaction for channel in connection.channels.values()]
        if any(one is not None and one.settlements for one in transactions):  # (R1)
            connection.force_close("the broker went back to a snapshot in its transaction")
    names = {state.name for state in snapshot.vhosts}
    for name in broker.vhosts.keys() - names:
        broker.delete_vhost(name)
    _restore_people(broker, snapshot)
    for state in snapshot.vhosts:
        _restore_vhost(broker.add_vhost(state.name), state, later_ms)
    _restore_permissions(broker, snapshot)


def _restore_people(broker: Broker, snapshot: Snapshot) -> None:
    there = {user.name: user for user in snapshot.users}
    for user in list(broker.users):
        if user.name not in there:
            administration.delete_user(broker, user.name)
    for user in snapshot.users:
        if broker.users.get(user.name) is not user:
            broker.users.put(user)
    broker.user_limits.clear()
    broker.user_limits.update(snapshot.user_limits)


def _restore_permissions(broker: Broker, snapshot: Snapshot) -> None:
    permissions = broker.permissions
    for row in set(permissions) - set(snapshot.permissions):
        permissions.clear(row[0], row[1])
    for row in snapshot.permissions:
        permissions.set(*row)
    for topic in set(permissions.topics()) - set(snapshot.topic_permissions):
        permissions.clear_topic(*topic[:3])
    for topic in snapshot.topic_permissions:
        permissions.set_topic(*topic)


def _restore_vhost(vhost: VHost, state: _VHostState, later_ms: int) -> None:
    vhost.default_queue_type, vhost.limits = state.default_queue_type, state.limits
    _restore_policies(vhost, state.policies)
    for exchange in vhost.exchanges.values():
        if exchange.intake is not None:
            exchange.intake.close()  # what it remembers goes nowhere, whatever is bound below
    _remove_others(vhost, state)
    _declare_missing(vhost, state)
    for queue_state in state.queues:
        if queue_state.name not in vhost.queues:
            _declare(vhost, queue_state)
    _restore_bindings(vhost, state)
    _declare_missing(vhost, state)  # some may have gone with bindings that were one too many
    for exchange_state in state.exchanges:
        intake = vhost.exchanges[exchange_state.name].intake
        if intake is not None:
            intake.recall(exchange_state.memory, later_ms)
    for queue_state in state.queues:
        queue = vhost.queues.get(queue_state.name)
        if queue is not None:
            _refill(queue, queue_state.contents, later_ms)


def _restore_policies(vhost: VHost, policies: tuple[Policy, ...]) -> None:
    there = [one for kind in (False, True) for one in vhost.policies.listed(is_operators=kind)]
    for policy in there:
        if policy not in policies:
            vhost.clear_policy(policy.name, is_operators=policy.is_operators)
    for policy in policies:
        if policy not in there:
            vhost.set_policy(policy)


def _remove_others(vhost: VHost, state: _VHostState) -> None:
    """Remove queues and exchanges that were not there, or are declared otherwise now."""
    queues = {one.name: one for one in state.queues}
    for queue in list(vhost.queues.values()):
        if queue.name not in queues or not queues[queue.name].is_declared_as(queue):
            if queue.name in vhost.queues:
                vhost.broker.delete_queue(queue)
    exchanges = {one.name: one for one in state.exchanges}
    for exchange in list(vhost.exchanges.values()):
        if exchange.name not in exchanges or not exchanges[exchange.name].is_declared_as(exchange):
            vhost.delete_exchange(exchange.name)


def _declare_missing(vhost: VHost, state: _VHostState) -> None:
    for one in state.exchanges:
        if one.name not in vhost.exchanges:
            vhost.declare_exchange(
                one.name,
                one.exchange_type,
                durable=one.durable,
                auto_delete=one.auto_delete,
                internal=one.internal,
                arguments=one.arguments,
            )


def _declare(vhost: VHost, state: _QueueState) -> None:
    owner = state.exclusive_owner
    if owner is not None and owner not in vhost.broker.connections:
        return  # (R6)
    queue = Queue(
        vhost.broker,
        vhost,
        state.name,
        durable=state.durable,
        exclusive_owner=owner,
        auto_delete=state.auto_delete,
        arguments=state.arguments,
        definition=vhost.policies.definition_for(state.queue_type, state.name),
    )
    vhost.add_queue(queue)
    if owner is not None:
        owner.exclusive_queues[queue] = None


def _restore_bindings(vhost: VHost, state: _VHostState) -> None:
    wanted = {one[:-1]: one for one in state.bindings}
    there = {one[:-1]: one for one in _bindings(vhost)}
    for key, binding in wanted.items():
        destination = _destination(vhost, binding)
        if key not in there and destination is not None:
            vhost.bind(binding.source_name, destination, binding.routing_key, binding.table)
    for key, binding in there.items():
        destination = _destination(vhost, binding)
        if key not in wanted and destination is not None:
            found = vhost.find_binding(
                binding.source_name, destination, binding.routing_key, binding.table
            )
            if found is not None:
                vhost.unbind(found)


def _destination(vhost: VHost, binding: _BindingState) -> Queue | Exchange | None:
    there = vhost.queues if binding.is_to_queue else vhost.exchanges
    return there.get(binding.destination_name)


def _refill(queue: Queue, contents: Mapping[str, object], later_ms: int) -> None:
    """Give a queue the messages that it had, in the place of those that it has."""
    broker = queue.broker
    if broker.witness is not None:
        broker.witness.discarded(queue)
    _disown(queue)
    broker.held_bytes -= queue.held_bytes
    for name, value in deepcopy(dict(contents)).items():
        if name == "_expires_at":
            times = cast("dict[int, int]", value)
            value = {position: due_ms + later_ms for position, due_ms in times.items()}  # (R5)
        setattr(queue, name, value)
    broker.held_bytes += queue.held_bytes
    entries = list(queue.order.entries())
    if queue.limit is not None:
        queue.limit = LengthLimit(queue.rules)
        queue.limit.added(message for _, message in entries)
    if broker.witness is not None and entries:
        positions, messages = zip(*entries, strict=True)
        broker.witness.enqueued(queue, positions, messages)
    queue.touch()
    queue.consumers_may_receive()
    broker.to_dispatch[queue] = None


def _disown(queue: Queue) -> None:
    """Take away what clients have unacked of a queue (R3)."""
    gone = Queue(
        queue.broker,
        queue.vhost,
        queue.name,
        durable=False,
        exclusive_owner=None,
        auto_delete=False,
        arguments={},
    )
    gone.is_deleted = True
    queue.unacked_count = 0
    for channel in _channels(queue.broker):
        for unacked in channel.unacked.disown(queue, gone):
            if unacked.consumer is not None:
                unacked.consumer.unacked_count -= 1
                channel.limited_count -= 1
        channel.consumers_may_receive()


def _channels(broker: Broker) -> Iterator[Channel]:
    for connection in broker.connections:
        yield from connection.channels.values()
