"""Why publishers must wait: what the broker runs low on, in RabbitMQ's words (S-069)."""

from collections.abc import Callable

from amqpbroker.engine.broker import Broker


class Alarms:
    """The alarms that are on; `ended` is called when the last one is over."""

    def __init__(self, broker: Broker, ended: Callable[[], object]) -> None:
        self._broker = broker
        self._ended = ended
        self._resources: dict[str, None] = {}  # in the order in which their alarms began
        #: What clients are told: "low on memory", "low on disk", or both; None without alarms.
        self.text: str | None = None

    def __contains__(self, resource_name: str) -> bool:
        return resource_name in self._resources

    def set(self, resource_name: str) -> None:
        """The broker runs low on something, as it did not before."""
        self._resources[resource_name] = None
        self._tell()
        if self._broker.event_witness is not None:
            self._broker.event_witness.alarm_set(resource_name)

    def clear(self, resource_name: str) -> None:
        """There is enough of it again."""
        del self._resources[resource_name]
        self._tell()
        if self._broker.event_witness is not None:
            self._broker.event_witness.alarm_cleared(resource_name)
        if not self._resources:
            self._ended()

    def _tell(self) -> None:
        self.text = " & ".join(f"low on {name}" for name in self._resources) or None
