"""What an exchange type is: a `Router`, which holds an exchange's bindings and chooses among them.

A router knows nothing of queues, exchanges or vhosts: destinations are opaque and hashable.  It
may name a destination more than once; the exchange removes doubles.  The exchange makes sure that
a binding is added once and removed only when it is there.

To add an exchange type: write a module beside this one with a class that fits `Router`, and put
it into `types.py`.
"""

from collections.abc import Hashable, Iterable
from typing import ClassVar, Protocol

import attrs

from amqpbroker.engine.routing.equality import comparable_with_type
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import Table


@attrs.frozen(eq=False)
class Binding:
    """A rule by which an exchange, its source, passes messages to a destination.

    Two bindings are the same when destination, routing key and arguments are, the latter in any
    order (S-114); `identity` is what to compare.  The types of arguments count: 1 as signedint
    and 1 as long make two bindings, as in RabbitMQ 4.0.5.
    """

    source_name: str
    destination: Hashable  # a Queue or an Exchange
    routing_key: str
    arguments: Table

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """A key that is equal for equal bindings of one exchange."""
        arguments = frozenset(
            (name, comparable_with_type(field)) for name, field in self.arguments.items()
        )
        return (self.destination, self.routing_key, arguments)


class Router(Protocol):
    """The bindings of one exchange, arranged so that its type finds the matching ones fast."""

    #: Whether messages with the same key may be routed differently, since `route` looks at the
    #: properties, or rolls dice.  If not, its answer depends on the key alone, and may be
    #: remembered until the next `bind` or `unbind`.
    uses_properties: ClassVar[bool]

    def check(self, binding: Binding) -> None:
        """Refuse a binding that this type cannot have, before it is added.

        Raises `ChannelException`, 406 with RabbitMQ's text.
        """
        ...

    def bind(self, binding: Binding) -> None:
        """Add a binding that is not there."""
        ...

    def unbind(self, binding: Binding) -> None:
        """Remove a binding that is there."""
        ...

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        """The destinations for a message published with this key and these properties."""
        ...
