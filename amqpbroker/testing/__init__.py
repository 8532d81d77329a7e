"""What tests are made of: a broker in the same process, with a hand on its time and its state.

    from amqpbroker.testing import broker

    with broker() as b:
        ...

docs/testing.md tells the rest.  Beside that there is a raw client that can also misbehave
(`raw_client.py`), with which the project's own cases are written.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amqpbroker.testing.barriers import StillOutstanding as StillOutstanding
    from amqpbroker.testing.clock import Clock as Clock
    from amqpbroker.testing.durations import Duration as Duration
    from amqpbroker.testing.faults import Faults as Faults
    from amqpbroker.testing.journeys import Journey as Journey
    from amqpbroker.testing.local_broker import LocalBroker as LocalBroker
    from amqpbroker.testing.local_broker import async_broker as async_broker
    from amqpbroker.testing.local_broker import broker as broker
    from amqpbroker.testing.messages import QueuedMessage as QueuedMessage
    from amqpbroker.testing.messages import SeenMessage as SeenMessage
    from amqpbroker.testing.publish_record import PublishedMessage as PublishedMessage
    from amqpbroker.testing.published import Published as Published
    from amqpbroker.testing.queue_handle import QueueHandle as QueueHandle
    from amqpbroker.testing.snapshot import Snapshot as Snapshot
    from amqpbroker.testing.vhost_handle import ExchangeHandle as ExchangeHandle
    from amqpbroker.testing.vhost_handle import VHostHandle as VHostHandle

#: {public name: the module that it stands in}, imported when it is asked for
_HOMES = {
    "Clock": "clock",
    "Duration": "durations",
    "ExchangeHandle": "vhost_handle",
    "Faults": "faults",
    "Journey": "journeys",
    "LocalBroker": "local_broker",
    "Published": "published",
    "PublishedMessage": "publish_record",
    "QueueHandle": "queue_handle",
    "QueuedMessage": "messages",
    "SeenMessage": "messages",
    "Snapshot": "snapshot",
    "StillOutstanding": "barriers",
    "VHostHandle": "vhost_handle",
    "async_broker": "local_broker",
    "broker": "local_broker",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
