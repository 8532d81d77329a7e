"""An exchange: a name, a type, and the bindings by which it passes messages on."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from amqpbroker.engine.intake import Intake
from amqpbroker.engine.policy_keys import NO_DEFINITION, Definition
from amqpbroker.engine.routing.router import Binding, Router
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.properties import Properties
from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.queue import Queue
    from amqpbroker.engine.vhost import VHost

_ALTERNATE: Final = "alternate-exchange"
#: How many routing keys an exchange remembers the queues of.
ROUTES_MAX: Final = 8192


class Exchange:
    """An exchange and its bindings.  Following them to the queues is the vhost's part."""

    __slots__ = (
        "_bindings",
        "alternate_name",
        "arguments",
        "auto_delete",
        "durable",
        "incoming",
        "intake",
        "internal",
        "name",
        "router",
        "routes",
        "routes_generation",
        "type",
        "vhost",
    )

    def __init__(
        self,
        vhost: "VHost",
        name: str,
        type_: str,
        router: Router,
        *,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
        definition: Definition = NO_DEFINITION,
    ) -> None:
        """`definition` is what policies lay down for it."""
        self.vhost = vhost
        self.name = name
        self.type = type_
        self.router = router
        self.intake: Intake | None = None  # what is done before it routes; `VHost` sets it
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.alternate_name: str | None = None  # that of who gets what has no destination here
        self.apply(definition)
        self._bindings: dict[Hashable, Binding] = {}  # {Binding.identity: Binding}
        self.incoming: dict[Binding, None] = {}  # those that lead here, in the order they came
        # Speed: the queues that a routing key leads to, as long as the vhost's bindings stay as
        # they are (`VHost.generation`).  A miss costs a walk through the routers.
        self.routes: dict[str, tuple[Queue, ...]] = {}
        self.routes_generation = -1

    def __str__(self) -> str:
        return f"exchange '{self.name}' in vhost '{self.vhost.name}'"

    def __repr__(self) -> str:
        return f"<Exchange {self.name!r} type={self.type} bindings={len(self._bindings)}>"

    def apply(self, definition: Definition) -> bool:
        """Go by what policies lay down; whether that changes anything."""
        before = self.alternate_name
        field, value = self.arguments.get(_ALTERNATE), definition.get(_ALTERNATE)
        ours = None if field is None else field.text
        theirs = value if isinstance(value, str) else None
        self.alternate_name = theirs if ours is None else ours
        return self.alternate_name != before

    @property
    def bindings(self) -> Collection[Binding]:
        """The bindings of which this exchange is the source."""
        return self._bindings.values()

    def add(self, binding: Binding) -> bool:
        """Add a binding; False when an equal one is there already.

        Raises `ChannelException` when the exchange's type cannot have it.
        """
        self.router.check(binding)
        if binding.identity in self._bindings:
            return False
        self._bindings[binding.identity] = binding
        self.router.bind(binding)
        return True

    def find(self, binding: Binding) -> Binding | None:
        """The binding equal to *binding*, if it is there."""
        return self._bindings.get(binding.identity)

    def take_bindings(self) -> Collection[Binding]:
        """All bindings, of an exchange that is gone.

        Speed: its router goes with it, and need not be told of each: with 100,000 bindings to a
        topic exchange that would keep everybody waiting for 1.6 s.
        """
        bindings, self._bindings = self._bindings, {}
        return bindings.values()

    def remove(self, binding: Binding) -> None:
        """Remove a binding that `find` gave."""
        del self._bindings[binding.identity]
        self.router.unbind(binding)


class DefaultRouter:
    """The default exchange's way: each queue under its own name (S-119)."""

    #: It does not, but its answer is a lookup already, and changes with every queue.
    uses_properties: ClassVar[bool] = True

    def __init__(self, queues: "Mapping[str, Queue]") -> None:
        self._queues = queues

    def check(self, binding: Binding) -> None:
        """Never asked: nobody may bind here."""
        raise AssertionError(binding)

    def bind(self, binding: Binding) -> None:
        """Never asked: nobody may bind here."""
        raise AssertionError(binding)

    def unbind(self, binding: Binding) -> None:
        """Never asked: nobody may bind here."""
        raise AssertionError(binding)

    def route(self, routing_key: str, properties: Properties) -> Iterable[Hashable]:
        """The queue of that name."""
        queue = self._queues.get(routing_key)
        return () if queue is None else (queue,)


def checked_alternate(name: str, vhost_name: str, arguments: Table) -> str | None:
    """The alternate exchange in the arguments; refuses one that is not a string (S-103)."""
    field = arguments.get(_ALTERNATE)
    if field is None:
        return None
    if field.kind != "S":
        raise precondition_failed(
            f"invalid type '{field.kind_name}' for arg 'alternate-exchange' in "
            f"exchange '{name}' in vhost '{vhost_name}'"
        )
    return field.text
