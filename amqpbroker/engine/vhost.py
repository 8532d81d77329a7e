"""A virtual host: its exchanges and queues by name, the bindings between them, and routing.

(V1) Every binding stands at its source (`Exchange.bindings`) and at its destination
     (`incoming`, `Queue.bindings`), or at neither.
(V2) `generation` changes whenever a remembered route might: with every binding added or removed
     and every exchange declared or deleted.
(V3) Deleting cascades to auto-delete exchanges through a work list, never by recursion.
"""

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Final

from amqpbroker.engine import equivalence, node_limits
from amqpbroker.engine.exchange import ROUTES_MAX, DefaultRouter, Exchange, checked_alternate
from amqpbroker.engine.intake import Verdict
from amqpbroker.engine.intakes import make_intake
from amqpbroker.engine.permissions import UNLIMITED, Operation, Rights
from amqpbroker.engine.policies import Policies, Policy
from amqpbroker.engine.policy_keys import NO_DEFINITION
from amqpbroker.engine.predeclared import EVENT_EXCHANGE, PREDECLARED
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.queue_arguments import TYPE_NAMES, rules_of
from amqpbroker.engine.register import Register
from amqpbroker.engine.routing.one import OneDestinationRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.types import Makings, check_type, make_router
from amqpbroker.engine.usage_limits import NO_LIMITS, Limits
from amqpbroker.spec.errors import access_refused, legible, not_found, precondition_failed
from amqpbroker.spec.message import Message
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import EMPTY_TABLE, Table

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker

RESERVED_PREFIX: Final = "amq."
_NO_LINE_BREAKS: Final = str.maketrans("", "", "\r\n")

Destination = Queue | Exchange


class VHost:
    """One namespace of exchanges and queues."""

    def __init__(self, broker: "Broker", name: str) -> None:
        self.broker = broker
        self.name = name
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {}
        self.policies = Policies()
        self.limits: Limits = NO_LIMITS
        self.default_queue_type = "classic"
        self.generation = 0
        self.binding_count = 0
        self._register = Register(broker.journal, name)
        self._register.opened()
        self.default_exchange = self._make_exchange("", "direct", router=DefaultRouter(self.queues))
        for exchange_name, (type_, internal) in PREDECLARED.items():
            self._make_exchange(exchange_name, type_, internal=internal)

    def __repr__(self) -> str:
        return f"<VHost {self.name!r} exchanges={len(self.exchanges)} queues={len(self.queues)}>"

    def close(self) -> None:
        """The vhost is deleted, and whatever is in it; its connections have ended before."""
        for queue in list(self.queues.values()):
            self.broker.delete_queue(queue)
        for name in list(self.exchanges):
            if (exchange := self.exchanges.get(name)) is not None:  # it may have gone with others
                self._remove_exchanges([exchange])
        self._register.closed()

    def leave(self) -> None:
        """The broker comes to its end in peace."""
        for queue in self.queues.values():
            self._register.left(queue)

    # Policies

    def set_policy(self, policy: Policy) -> None:
        """Add a policy, or replace the one of its kind and name; it holds at once (S-345)."""
        self.policies.put(policy)
        self._apply_policies()

    def clear_policy(self, name: str, *, is_operators: bool = False) -> None:
        """Remove a policy.  Raises `OperatorError` when it is not there."""
        self.policies.remove(name, is_operators=is_operators)
        self._apply_policies()

    def _apply_policies(self) -> None:
        for queue in self.queues.values():
            definition = self.policies.definition_for(queue.rules.queue_type, queue.name)
            queue.apply(rules_of(queue.arguments, definition))
        for exchange in self.exchanges.values():
            if exchange is not self.default_exchange and exchange.apply(
                self.policies.definition_for("exchange", exchange.name)
            ):
                self.generation += 1

    # Finding

    def exchange(self, name: str) -> Exchange:
        """The exchange of that name; raises 404."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise not_found(f"no exchange '{legible(name)}' in vhost '{self.name}'")
        return exchange

    def queue(self, name: str) -> Queue:
        """The queue of that name; raises 404."""
        queue = self.queues.get(name)
        if queue is None:
            raise not_found(f"no queue '{name}' in vhost '{self.name}'")
        return queue

    # Exchanges

    def declare_exchange(
        self,
        name: str,
        type_: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Table = EMPTY_TABLE,
        rights: Rights = UNLIMITED,
    ) -> Exchange:
        """Make an exchange, or check that the one of that name is what is asked for.

        Raises 403 for the default exchange, reserved names and what the *rights* do not allow,
        406 for an unknown type and for any difference, in RabbitMQ's order of checks (S-096).
        """
        name = plain_name(name)
        check_type(type_)
        refuse_default(name)
        rights.check(Operation.CONFIGURE, "exchange", name)
        exchange = self.exchanges.get(name)
        if exchange is not None:
            for property_name, received, current in (
                ("type", type_, exchange.type),
                ("durable", durable, exchange.durable),
                ("auto_delete", auto_delete, exchange.auto_delete),
                ("internal", internal, exchange.internal),
            ):
                equivalence.check_property(exchange, property_name, received, current)
            equivalence.check_arguments(
                exchange, ("alternate-exchange",), arguments, exchange.arguments
            )
            return exchange
        if name.startswith(RESERVED_PREFIX):
            raise access_refused(f"exchange name '{name}' contains reserved prefix 'amq.*'")
        node_limits.check_exchange(self.broker, f"exchange '{name}' in vhost '{self.name}'")
        alternate_name = checked_alternate(name, self.name, arguments)
        if alternate_name is not None:
            rights.check(Operation.READ, "exchange", name)
            rights.check(Operation.WRITE, "exchange", alternate_name)
        exchange = self._make_exchange(
            name, type_, durable=durable, auto_delete=auto_delete, internal=internal,
            arguments=arguments,
        )  # fmt: skip
        self.generation += 1
        self._register.declared(exchange)
        if (witness := self.broker.event_witness) is not None:
            witness.exchange_created(exchange)
        return exchange

    def add_event_exchange(self) -> Exchange:
        """The exchange that tells of events, which is made if it is not there (S-350)."""
        exchange = self.exchanges.get(EVENT_EXCHANGE)
        return exchange or self._make_exchange(EVENT_EXCHANGE, "topic", internal=True)

    def check_exchange(self, name: str) -> Exchange:
        """A passive declaration: the exchange must be there, nothing else counts (S-102)."""
        name = plain_name(name)
        refuse_default(name)
        return self.exchange(name)

    def delete_exchange(
        self, name: str, *, if_unused: bool = False, rights: Rights = UNLIMITED
    ) -> None:
        """Delete an exchange and every binding from and to it; nothing when it is not there.

        Raises 403 for the default exchange, reserved names and what the *rights* do not allow,
        406 when `if_unused` and it is the source of a binding.
        """
        name = plain_name(name)
        refuse_default(name)
        if name.startswith(RESERVED_PREFIX):
            raise access_refused(
                f"deletion of system exchange '{name}' in vhost '{self.name}' not allowed"
            )
        rights.check(Operation.CONFIGURE, "exchange", name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise precondition_failed(f"{exchange} in use")
        self._remove_exchanges([exchange])

    # Queues

    def add_queue(self, queue: Queue) -> None:
        """Take in a new queue."""
        self.queues[queue.name] = queue
        self._register.declared(queue)
        if self.broker.event_witness is not None:
            self.broker.event_witness.queue_created(queue)

    def note_expirations(self, queue: Queue) -> None:
        """A durable queue has a message with an expiration of its own, as it had none before."""
        self._register.declared(queue)

    def remove_queue(self, queue: Queue) -> None:
        """Remove a queue, its messages and its bindings; its consumers are the caller's part."""
        del self.queues[queue.name]
        queue.forget_messages()
        self._remove_bindings(list(queue.bindings))
        self._register.deleted(queue)

    # Bindings

    def bind(
        self, source_name: str, destination: Destination, routing_key: str, arguments: Table
    ) -> None:
        """Let messages pass from an exchange to *destination*; nothing when they do already."""
        source = self.exchange(plain_name(source_name))
        binding = Binding(source.name, destination, routing_key, arguments)
        node_limits.check_binding(source, binding)
        if source.add(binding):
            self.binding_count += 1
            _incoming(destination)[binding] = None
            self.generation += 1
            self._register.bound(source, binding)
            if (witness := self.broker.event_witness) is not None:
                witness.binding_created(self, binding)
            if source.intake is not None:
                source.intake.bound(destination)

    def find_binding(
        self, source_name: str, destination: Destination, routing_key: str, arguments: Table
    ) -> Binding | None:
        """The binding that `bind` made of the same arguments, if it is there."""
        source = self.exchanges.get(plain_name(source_name))
        if source is None:
            return None
        return source.find(Binding(source.name, destination, routing_key, arguments))

    def unbind(self, binding: Binding) -> None:
        """Remove a binding that `find_binding` gave."""
        self._remove_bindings([binding])

    # Routing

    def route(self, exchange: Exchange, routing_key: str) -> tuple[Queue, ...] | None:
        """The queues for a key, if the key alone decides and the answer is remembered."""
        if exchange.routes_generation != self.generation:
            return None
        return exchange.routes.get(routing_key)

    def find_route(
        self,
        exchange: Exchange,
        routing_keys: Iterable[str],
        properties: Properties,
        message: Message | None = None,
    ) -> tuple[Queue, ...]:
        """The queues that a message goes to, each once, however many ways lead there.

        Follows bindings between exchanges, each exchange once (S-118), and alternate exchanges
        where an exchange has no destination at all (S-121).  Remembers the answer when there is
        one key and it alone decided.  Without a *message*, which exchanges with an intake want
        to see, the answer is only good for being remembered.
        """
        keys = tuple(routing_keys)
        queues: dict[Queue, None] = {}
        seen = {exchange: None}
        depends_on_properties = False
        to_visit = [exchange]
        for current in to_visit:
            router = current.router
            verdict = Verdict.ROUTE
            if current.intake is not None:
                depends_on_properties = True
                verdict = Verdict.KEPT if message is None else current.intake.take(message)
            if verdict is Verdict.KEPT:
                continue
            depends_on_properties |= router.uses_properties
            if verdict is Verdict.REFUSED:
                destinations = ()
            elif isinstance(router, OneDestinationRouter):
                destinations = router.choose(keys, properties)
            elif len(keys) == 1:
                destinations = router.route(keys[0], properties)
            else:  # each once: thousands of keys (CC) may lead to the same thousands of queues
                destinations = dict.fromkeys(
                    one for key in keys for one in router.route(key, properties)
                )
            if not destinations and current.alternate_name:  # RabbitMQ: never the default one
                alternate = self.exchanges.get(current.alternate_name)
                destinations = [] if alternate is None else [alternate]
            for destination in destinations:
                if isinstance(destination, Queue):
                    queues[destination] = None
                elif isinstance(destination, Exchange) and destination not in seen:
                    seen[destination] = None
                    to_visit.append(destination)
        found = tuple(queues)
        if len(keys) == 1 and not depends_on_properties:
            if exchange.routes_generation != self.generation or len(exchange.routes) >= ROUTES_MAX:
                exchange.routes = {}
                exchange.routes_generation = self.generation
            exchange.routes[keys[0]] = found
        return found

    def pass_on(self, destination: Hashable, message: Message) -> None:
        """Give a message that nobody publishes now to a queue, or to where an exchange routes it.

        Who has published it was answered before.
        """
        if isinstance(destination, Queue):
            destination.accept(message)
            return
        assert isinstance(destination, Exchange), destination
        keys, properties = message.routing_keys, message.properties
        queues = self.find_route(destination, keys, properties, message)
        if self.broker.witness is not None:
            self.broker.witness.routed(None, (message,), queues)
        for queue in queues:
            queue.accept(message)

    # Parts

    def _make_exchange(
        self,
        name: str,
        type_: str,
        *,
        router: DefaultRouter | None = None,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Table = EMPTY_TABLE,
    ) -> Exchange:
        makings = Makings(arguments, self.broker.dice, _queue_type_of)
        exchange = Exchange(
            self, name, type_, router or make_router(type_, makings), durable=durable,
            auto_delete=auto_delete, internal=internal, arguments=arguments,
            definition=self.policies.definition_for("exchange", name) if name else NO_DEFINITION,
        )  # fmt: skip
        exchange.intake = make_intake(exchange, type_)
        self.exchanges[name] = exchange
        return exchange

    def _remove_bindings(self, bindings: Iterable[Binding]) -> None:
        """Remove bindings, and the auto-delete exchanges that lose their last one by it."""
        emptied: list[Exchange] = []
        for binding in bindings:
            source = self.exchanges[binding.source_name]
            self._remove_binding(source, binding)
            if source.auto_delete and not source.bindings:
                emptied.append(source)
            self.generation += 1
        self._remove_exchanges(emptied)

    def _remove_exchanges(self, exchanges: list[Exchange]) -> None:
        """Remove exchanges and all that falls with them (V3)."""
        to_remove = list(exchanges)
        for exchange in to_remove:
            del self.exchanges[exchange.name]
            self.generation += 1
            if exchange.intake is not None:
                exchange.intake.close()
                exchange.intake = None  # some know their exchange, and no cycle must stay
            for binding in exchange.take_bindings():
                self._forget_binding(exchange, binding)
            for binding in list(exchange.incoming):
                source = self.exchanges[binding.source_name]
                self._remove_binding(source, binding)
                if source.auto_delete and not source.bindings:
                    to_remove.append(source)
            self._register.deleted(exchange)
            if self.broker.event_witness is not None:
                self.broker.event_witness.exchange_deleted(exchange)

    def _remove_binding(self, source: Exchange, binding: Binding) -> None:
        """Remove a binding at its source and at its destination (V1)."""
        source.remove(binding)
        self._forget_binding(source, binding)

    def _forget_binding(self, source: Exchange, binding: Binding) -> None:
        """Remove a binding, which its source has let go, at its destination."""
        self.binding_count -= 1
        del _incoming(binding.destination)[binding]
        self._register.unbound(source, binding)
        if self.broker.event_witness is not None:
            self.broker.event_witness.binding_deleted(self, binding)


def plain_name(name: str) -> str:
    """The name without the line breaks that RabbitMQ removes (S-090)."""
    return name.translate(_NO_LINE_BREAKS)


def refuse_default(name: str) -> None:
    """Refuse what nobody may do to the default exchange: 403 (S-098)."""
    if name == "":
        raise access_refused("operation not permitted on the default exchange")


def _queue_type_of(destination: Hashable) -> str | None:
    """A queue's type in RabbitMQ's words; None for an exchange."""
    is_queue = isinstance(destination, Queue)
    return TYPE_NAMES[destination.rules.queue_type] if is_queue else None


def _incoming(destination: object) -> dict[Binding, None]:
    if isinstance(destination, Queue):
        return destination.bindings
    assert isinstance(destination, Exchange)
    return destination.incoming
