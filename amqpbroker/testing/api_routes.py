"""The routes of the test API, and what each does with the test kit.

Times are in seconds, or text such as "30m".  Bodies of messages that are not UTF-8 are given and
taken as base64, under `body_base64`.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from amqpbroker.testing.api_table import Parameter, Route, Values, WrongRequest
from amqpbroker.testing.journeys import Journey
from amqpbroker.testing.local_broker import LocalBroker
from amqpbroker.testing.messages import SeenMessage
from amqpbroker.testing.queue_handle import QueueHandle
from amqpbroker.testing.snapshot import Snapshot

#: How many snapshots are kept; the oldest is forgotten first.
SNAPSHOTS_MAX: Final = 100
#: How long a request may wait, in seconds.
WAIT_SECONDS_MAX: Final = 300.0
_TIMEOUT: Final = Parameter("timeout", "number", "how many seconds it may take; else 504")
_FILTER: Final = (
    Parameter("routing_key", "string", "a pattern as in a topic binding"),
    Parameter("exchange", "string", "the exchange; empty for the default one"),
)


class Snapshots:
    """The snapshots that were taken over HTTP, by number."""

    def __init__(self) -> None:
        self._count = 0
        self._kept: dict[str, Snapshot] = {}

    def take(self, broker: LocalBroker, _: Values) -> object:
        """Keep the broker's state."""
        self._count += 1
        name = str(self._count)
        self._kept[name] = broker.snapshot()
        while len(self._kept) > SNAPSHOTS_MAX:
            del self._kept[next(iter(self._kept))]
        return {"id": name}

    def restore(self, broker: LocalBroker, values: Values) -> object:
        """Bring a state back."""
        state = self._kept.get(values["id"])
        if state is None:
            raise WrongRequest(404, f"no snapshot '{values['id']}'; the last {SNAPSHOTS_MAX} stay")
        broker.restore(state)
        return {}


# Time


def _clock(broker: LocalBroker, _: Values) -> object:
    return {"now": broker.clock.now.isoformat(), "frozen": broker.clock.is_frozen}


def _advance(broker: LocalBroker, values: Values) -> object:
    broker.clock.advance(values["by"], reaction_seconds=_limited(values.get("reaction", 0.0)))
    return _clock(broker, values)


def _freeze(broker: LocalBroker, values: Values) -> object:
    broker.clock.freeze()
    return _clock(broker, values)


def _resume(broker: LocalBroker, values: Values) -> object:
    broker.clock.resume()
    return _clock(broker, values)


def _settle(broker: LocalBroker, values: Values) -> object:
    broker.settle(acked=values.get("acked", False), timeout=_timeout(values))
    return {}


# Vhosts and queues


def _vhosts(broker: LocalBroker, _: Values) -> object:
    names = broker.call(lambda: list(broker.engine.vhosts))
    return [{"name": name, "url": broker.url_for(name)} for name in names]


def _add_vhost(broker: LocalBroker, values: Values) -> object:
    vhost = broker.add_vhost(values.get("name"))
    return {"name": vhost.name, "url": vhost.url}


def _delete_vhost(broker: LocalBroker, values: Values) -> object:
    broker.vhost(values["vhost"]).delete()
    return {}


def _leftovers(broker: LocalBroker, values: Values) -> object:
    return broker.vhost(values["vhost"]).leftovers()


def _queues(broker: LocalBroker, values: Values) -> object:
    return [_counts(queue) for queue in broker.vhost(values["vhost"]).queues.values()]


def _queue(broker: LocalBroker, values: Values) -> object:
    queue = _queue_of(broker, values)
    messages = queue.messages
    return {**_counts(queue), "messages": [_shown(message) for message in messages]}


def _publish(broker: LocalBroker, values: Values) -> object:
    queue = _queue_of(broker, values)
    body = values.get("body")
    if "body_base64" in values:
        try:
            body = base64.b64decode(values["body_base64"], validate=True)
        except binascii.Error:
            raise WrongRequest(400, "'body_base64' is no base64") from None
    properties = values.get("properties", {})
    queue.publish(body, json=values.get("json"), headers=values.get("headers"), **properties)
    return {}


def _purge(broker: LocalBroker, values: Values) -> object:
    return {"purged": _queue_of(broker, values).purge()}


def _wait(broker: LocalBroker, values: Values) -> object:
    queue = _queue_of(broker, values)
    queue.wait_for(
        ready=values.get("ready"),
        unacked=values.get("unacked"),
        consumers=values.get("consumers"),
        timeout=_timeout(values),
    )
    return _counts(queue)


def _queue_of(broker: LocalBroker, values: Values) -> QueueHandle:
    return broker.vhost(values["vhost"]).queue(values["queue"])


def _counts(queue: QueueHandle) -> dict[str, object]:
    return {
        "name": queue.name,
        "ready": queue.ready_count,
        "unacked": queue.unacked_count,
        "consumers": queue.consumer_count,
    }


# Messages


def _published(broker: LocalBroker, values: Values) -> object:
    found = broker.vhost(values["vhost"]).published(
        values.get("routing_key"), exchange=values.get("exchange")
    )
    return [
        {
            **_shown(message),
            "user": message.user_name,
            "queues": list(message.queue_names),
            "unroutable": message.is_unroutable,
            "returned": message.was_returned,
        }
        for message in found
    ]


def _forget(broker: LocalBroker, values: Values) -> object:
    broker.forget_published(broker.vhost(values["vhost"]).name)
    return {}


def _journeys(broker: LocalBroker, values: Values) -> object:
    vhost = broker.vhost(values["vhost"])
    wanted = {
        id(message.content)
        for message in vhost.published(values.get("routing_key"), exchange=values.get("exchange"))
    }
    return [
        _told(journey)
        for journey in broker.journeys(vhost=vhost.name)
        if id(journey.message.content) in wanted
    ]


def _told(journey: Journey) -> dict[str, object]:
    return {
        "message": _shown(SeenMessage(journey.message)),
        "steps": [
            {"ms": at_ms - journey.began_ms, "verb": verb, "text": text}
            for at_ms, verb, text in journey.steps
        ],
        "queues": journey.queue_names,
        "story": str(journey),
    }


def _shown(message: SeenMessage) -> dict[str, object]:
    shown: dict[str, object] = {
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "headers": _plain(message.headers),
        "properties": _plain(message.properties),
    }
    try:
        shown["body"] = message.text
    except UnicodeDecodeError:
        shown["body_base64"] = base64.b64encode(message.body).decode()
    return shown


def _plain(value: Any) -> object:
    """A value of a table as JSON can say it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, bool | int | float | str | None) else str(value)


# Faults


def _report(broker: LocalBroker, _: Values) -> object:
    return [{"fault": one.text, "fired": one.fired} for one in broker.faults.report()]


def _clear(broker: LocalBroker, _: Values) -> object:
    broker.faults.clear()
    return {}


def _rule(name: str) -> "Any":
    def act(broker: LocalBroker, values: Values) -> object:
        try:
            getattr(broker.faults, name)(**values)
        except AssertionError as error:
            raise WrongRequest(400, str(error)) from None
        return {}

    return act


def _to_connections(name: str) -> "Any":
    def act(broker: LocalBroker, values: Values) -> object:
        meant = broker.faults.connection(values.pop("name", None), user=values.pop("user", None))
        return {"connections": getattr(meant, name)(**values)}

    return act


_TARGET: Final = (
    Parameter("queue", "string", "only of this queue; * and ? stand for others"),
    Parameter("exchange", "string", "only of this exchange"),
    Parameter("connection", "string", "only of connections of this name"),
)
_WHO: Final = (
    Parameter("name", "string", "the connections of this name (connection_name); else all"),
    Parameter("user", "string", "the connections of this user"),
)
_BY: Final = Parameter("by", "any", 'how much later: seconds, or text such as "30s"')
_CLOSE: Final = (
    Parameter("code", "integer", "the reply code"),
    Parameter("text", "string", "the reply text"),
)


def _chances(*verbs: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(verb, "number", f"the probability of {verb}") for verb in verbs)


def _counted(*verbs: str) -> tuple[Parameter, ...]:
    skip = Parameter("skip", "integer", "how many to let through first")
    return (*(Parameter(verb, "integer", f"how many to {verb}") for verb in verbs), skip)


_FAULTS: Final = (
    ("next-confirms", "next_confirms", "Nack, drop or delay the next confirms",
     (*_counted("nack", "drop", "delay"), _BY, *_TARGET)),
    ("some-confirms", "some_confirms", "Nack, drop or delay confirms by chance",
     (*_chances("nack", "drop", "delay"), _BY, *_TARGET)),
    ("next-deliveries", "next_deliveries", "Duplicate, drop or delay the next deliveries",
     (*_counted("duplicate", "drop", "delay"), _BY, *_TARGET)),
    ("some-deliveries", "some_deliveries", "Duplicate, drop or delay deliveries by chance",
     (*_chances("duplicate", "drop", "delay"), _BY, *_TARGET)),
    ("next-acks", "next_acks", "Lose the next acks: what they were for is redelivered",
     (*_counted("redeliver"), *_TARGET)),
    ("some-acks", "some_acks", "Lose acks by chance", (*_chances("redeliver"), *_TARGET)),
    ("reorder-deliveries", "reorder_deliveries", "Mix deliveries within a window",
     (Parameter("window", "integer", "how many are mixed", True), _TARGET[0], _TARGET[2])),
    ("cancel-consumers", "cancel_consumers", "Cancel the consumers of a queue",
     (Parameter("queue", "string", "the queue", True), Parameter("vhost", "string", "its vhost"))),
    ("refuse-connections", "refuse_connections", "Let nobody in",
     (Parameter("times", "integer", "how many; else from now on"), _WHO[0])),
    ("restart", "restart", "Restart the broker: what is durable and persistent stays", ()),
    ("power-cut", "power_cut", "Lose what a real broker may lose when the power fails", ()),
)  # fmt: skip
_CONNECTION_FAULTS: Final = (
    ("drop", "drop", "End TCP connections without a word", ()),
    ("close", "close", "Close connections with a code and a text", _CLOSE),
    ("close-channels", "close_channels", "Close channels with a code and a text",
     (*_CLOSE, Parameter("number", "integer", "the channel; else all"))),
    ("blackhole", "blackhole", "Read nothing and send nothing any more", ()),
    ("slow", "slow", "Read no faster, and send later",
     (Parameter("bytes_per_second", "number", "how fast to read"),
      Parameter("latency", "any", 'how much later to send: seconds, or text such as "50ms"'))),
    ("heal", "heal", "End a blackhole, and be fast again", ()),
    ("block", "block", "Tell connection.blocked, and read nothing more",
     (Parameter("reason", "string", "why"),)),
    ("unblock", "unblock", "Tell connection.unblocked, and go on", ()),
)  # fmt: skip


def routes() -> list[Route]:
    """All routes; each list has snapshots of its own."""
    snapshots = Snapshots()
    queue, vhost = "/vhosts/{vhost}/queues/{queue}", "/vhosts/{vhost}"
    count = "that many"
    return [
        Route("GET", "/clock", "What time it is for the broker", _clock),
        Route(
            "POST", "/clock/advance", "Let time pass, and all happen that is due in it", _advance,
            (Parameter("by", "any", 'how long: seconds, or text such as "1h 30m"', True),
             Parameter("reaction", "number", "how many seconds clients have to react, each time")),
        ),
        Route("POST", "/clock/freeze", "Let the clock stand still", _freeze),
        Route("POST", "/clock/resume", "Let the clock go on", _resume),
        Route(
            "POST", "/settle", "Wait until nothing is in flight", _settle,
            (Parameter("acked", "boolean", "also until all deliveries are settled"), _TIMEOUT),
        ),
        Route("GET", "/vhosts", "The vhosts, with the URLs for clients", _vhosts),
        Route(
            "POST", "/vhosts", "Make a vhost", _add_vhost,
            (Parameter("name", "string", "its name; else a new one is found"),),
        ),
        Route("DELETE", vhost, "Delete a vhost and all that it has", _delete_vhost),
        Route("GET", f"{vhost}/leftovers", "What a test has left behind", _leftovers),
        Route("GET", f"{vhost}/queues", "The queues", _queues),
        Route("GET", queue, "A queue and its messages, which are not disturbed", _queue),
        Route(
            "POST", f"{queue}/publish", "Publish a message to a queue", _publish,
            (Parameter("body", "string", "the body"),
             Parameter("body_base64", "string", "the body, in base64"),
             Parameter("json", "any", "what the body says in JSON"),
             Parameter("headers", "object", "the headers"),
             Parameter("properties", "object", "the properties, by their AMQP names")),
        ),
        Route("POST", f"{queue}/purge", "Drop a queue's ready messages", _purge),
        Route(
            "POST", f"{queue}/wait", "Wait until a queue has what is given", _wait,
            (Parameter("ready", "integer", f"{count} ready messages"),
             Parameter("unacked", "integer", f"{count} unacked messages"),
             Parameter("consumers", "integer", f"{count} consumers"), _TIMEOUT),
        ),
        Route("GET", f"{vhost}/published", "What clients have published", _published, _FILTER),
        Route("DELETE", f"{vhost}/published", "Forget what was published", _forget),
        Route("GET", f"{vhost}/journeys", "What became of it", _journeys, _FILTER),
        Route("POST", "/snapshots", "Keep the whole broker's state", snapshots.take),
        Route("POST", "/snapshots/{id}/restore", "Bring a state back", snapshots.restore),
        Route("GET", "/faults", "All faults, and how often each struck", _report),
        Route("DELETE", "/faults", "End all faults", _clear),
        *(
            Route("POST", f"/faults/{path}", summary, _rule(name), parameters)
            for path, name, summary, parameters in _FAULTS
        ),
        *(
            Route(
                "POST", f"/faults/connections/{path}", summary, _to_connections(name),
                (*_WHO, *parameters),
            )
            for path, name, summary, parameters in _CONNECTION_FAULTS
        ),
    ]  # fmt: skip


def _timeout(values: Values) -> float:
    return _limited(values.get("timeout", 5.0))


def _limited(seconds: float) -> float:
    if not 0 <= seconds <= WAIT_SECONDS_MAX:
        raise WrongRequest(400, f"a request waits for {WAIT_SECONDS_MAX:g} seconds at most")
    return seconds
