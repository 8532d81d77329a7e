"""What a broker holds besides messages, as RabbitMQ would export it.

Not exported are what every vhost has from the start, what the default exchange does by itself,
and queues that are exclusive or not durable: they end with a connection or with the broker.
"""

from collections.abc import Iterable, Mapping
from itertools import chain

from amqpbroker import __version__
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.policies import Policy
from amqpbroker.engine.ports import Json
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.vhost import RESERVED_PREFIX, VHost
from amqpbroker.management.json_tables import json_of


def export_definitions(broker: Broker, vhost_name: str | None = None) -> dict[str, Json]:
    """The definitions of a broker, or of one of its vhosts."""
    if vhost_name is not None:
        return _export_vhost(broker.vhosts[vhost_name])
    document: dict[str, Json] = {
        "product_name": "amqpbroker",
        "product_version": __version__,
        "rabbitmq_definition_format": "cluster",
        "users": [_user(broker, user) for user in broker.users],
        "vhosts": [
            {
                "name": vhost.name,
                "default_queue_type": vhost.default_queue_type,
                "metadata": {"default_queue_type": vhost.default_queue_type},
            }
            for vhost in broker.vhosts.values()
        ],
        "permissions": [
            {
                "user": user, "vhost": vhost, "configure": row.configure, "write": row.write,
                "read": row.read,
            }
            for user, vhost, row in broker.permissions
        ],
        "topic_permissions": [
            {
                "user": user, "vhost": vhost, "exchange": exchange, "write": row.write,
                "read": row.read,
            }
            for user, vhost, exchange, row in broker.permissions.topics()
        ],
        "global_parameters": [],
    }  # fmt: skip
    parts = [_parts(vhost) for vhost in broker.vhosts.values()]
    for section in ("parameters", "policies", "exchanges", "queues", "bindings"):
        document[section] = list(chain.from_iterable(part[section] for part in parts))
    return document


def _export_vhost(vhost: VHost) -> dict[str, Json]:
    document: dict[str, Json] = {
        "product_name": "amqpbroker",
        "product_version": __version__,
        "rabbitmq_definition_format": "single_virtual_host",
        "original_vhost_name": vhost.name,
        "default_queue_type": vhost.default_queue_type,
        "metadata": {"default_queue_type": vhost.default_queue_type},
        "limits": dict(vhost.limits),
    }
    for section, items in _parts(vhost).items():
        document[section] = [
            {key: value for key, value in item.items() if key != "vhost"} for item in items
        ]
    return document


def _parts(vhost: VHost) -> dict[str, list[dict[str, Json]]]:
    """What belongs to a vhost, by section."""
    exchanges = [one for one in vhost.exchanges.values() if one.durable and _is_own(one)]
    queues = [one for one in vhost.queues.values() if one.durable and one.exclusive_owner is None]
    parameters: list[dict[str, Json]] = [
        {
            "vhost": vhost.name,
            "component": "operator_policy",
            "name": policy.name,
            "value": _policy(policy),
        }
        for policy in vhost.policies.listed(is_operators=True)
    ]
    if vhost.limits:
        limits: dict[str, Json] = dict(vhost.limits)
        parameters.append(
            {"vhost": vhost.name, "component": "vhost-limits", "name": "limits", "value": limits}
        )
    return {
        "parameters": parameters,
        "policies": [
            {"vhost": vhost.name, "name": policy.name, **_policy(policy)}
            for policy in vhost.policies.listed(is_operators=False)
        ],
        "exchanges": [_exchange(one) for one in exchanges],
        "queues": [_queue(one) for one in queues],
        "bindings": _bindings(vhost, (*exchanges, *queues)),
    }


def _user(broker: Broker, user: User) -> Json:
    algorithm, text = "rabbit_password_hashing_sha256", ""
    if user.password_hash is not None:
        rabbits = user.password_hash.to_rabbitmq()
        algorithm, text = rabbits or ("amqpbroker", user.password_hash.text)
    return {
        "name": user.name,
        "password_hash": text,
        "hashing_algorithm": algorithm,
        "tags": list(user.tags),
        "limits": dict(broker.user_limits.get(user.name, {})),
    }


def _policy(policy: Policy) -> dict[str, Json]:
    return {
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }


def _exchange(exchange: Exchange) -> dict[str, Json]:
    return {
        "name": exchange.name,
        "vhost": exchange.vhost.name,
        "type": exchange.type,
        "durable": exchange.durable,
        "auto_delete": exchange.auto_delete,
        "internal": exchange.internal,
        "arguments": json_of(exchange.arguments),
    }


def _queue(queue: Queue) -> dict[str, Json]:
    return {
        "name": queue.name,
        "vhost": queue.vhost.name,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "arguments": json_of(queue.arguments),
    }


def _bindings(vhost: VHost, destinations: Iterable[Exchange | Queue]) -> list[dict[str, Json]]:
    """The bindings to what is exported, from what is there when it is."""
    return [
        {
            "source": binding.source_name,
            "vhost": vhost.name,
            "destination": destination.name,
            "destination_type": "queue" if isinstance(destination, Queue) else "exchange",
            "routing_key": binding.routing_key,
            "arguments": json_of(binding.arguments),
        }
        for destination in destinations
        for binding in _incoming(destination)
        if vhost.exchanges[binding.source_name].durable
    ]


def _incoming(destination: Exchange | Queue) -> Mapping[Binding, None]:
    return destination.bindings if isinstance(destination, Queue) else destination.incoming


def _is_own(exchange: Exchange) -> bool:
    return bool(exchange.name) and not exchange.name.startswith(RESERVED_PREFIX)
