"""Definitions: what a broker holds besides messages, in the format of RabbitMQ's exports.

    read_definitions(text)                  -> the file as JSON; raises `WrongDefinitions`
    import_definitions(broker, document)    takes all of it in, or nothing; raises likewise

A file of a whole broker has users, vhosts, permissions, parameters (operator policies and limits),
policies, queues, exchanges and bindings; a file of one vhost names none, and is taken into the
vhost that is meant.  What is there already is changed where it can be (users, permissions,
policies, limits), and is left as it is where not (queues, exchanges).

Whether it can be done is tried out first, on a broker that is made for it and holds the same
(`export_definitions`): so everything that is wrong is found at once, in the words in which clients
and operators are told it, and the real one is not touched.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from amqpbroker.engine import administration, passwords, topology
from amqpbroker.engine.access import User, Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import PasswordHash
from amqpbroker.engine.permissions import Permissions, TopicPermissions
from amqpbroker.engine.policies import check_policy
from amqpbroker.engine.vhost import VHost
from amqpbroker.management.definition_items import Findings, Item
from amqpbroker.management.export import export_definitions
from amqpbroker.spec.errors import AMQPException

#: A larger file is not read, in bytes.
DEFINITIONS_BYTES_MAX: Final = 64 * 1024 * 1024
#: So many errors are told; there may be thousands of one kind.
ERRORS_MAX: Final = 20

Document = Mapping[str, object]
MakeSalt = Callable[[int], bytes]  # so many bytes of chance

_ABOUT: Final = (
    "rabbit_version", "rabbitmq_version", "product_name", "product_version", "explanation",
    "rabbitmq_definition_format", "original_cluster_name", "original_vhost_name",
)  # fmt: skip
_OF_ONE_VHOST: Final = ("description", "metadata", "tags", "default_queue_type", "limits")
#: {section: the keys of its objects}, in the order in which they are taken in
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "vhosts": ("name", *_OF_ONE_VHOST, "tracing", "protected_from_deletion"),
    "users": ("name", "password_hash", "hashing_algorithm", "password", "tags", "limits"),
    "permissions": ("user", "vhost", "configure", "write", "read"),
    "topic_permissions": ("user", "vhost", "exchange", "write", "read"),
    "parameters": ("name", "vhost", "component", "value"),
    "policies": ("name", "vhost", "pattern", "definition", "priority", "apply-to"),
    "exchanges": (
        "name", "vhost", "type", "durable", "auto_delete", "internal", "arguments",
    ),
    "queues": ("name", "vhost", "type", "durable", "auto_delete", "arguments"),
    "bindings": (
        "source", "vhost", "destination", "destination_type", "routing_key", "arguments",
        "properties_key",
    ),
    "global_parameters": ("name", "value"),
}  # fmt: skip
#: Keys of policies that mean something to RabbitMQs with other plugins, or of other versions.
_KEYS_ELSEWHERE: Final = frozenset(
    (
        "ha-mode", "ha-params", "ha-sync-mode", "ha-sync-batch-size", "ha-promote-on-shutdown",
        "ha-promote-on-failure", "federation-upstream", "federation-upstream-set",
        "federation-upstream-pattern", "shards-per-node", "routing-key",
    )
)  # fmt: skip


class WrongDefinitions(ValueError):
    """The definitions cannot be taken in.  `errors` says why, a line each."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.shown()))

    def shown(self) -> list[str]:
        """The first of them, and how many more there are."""
        lines = list(self.errors[:ERRORS_MAX])
        if len(self.errors) > ERRORS_MAX:
            lines.append(f"and {len(self.errors) - ERRORS_MAX} more errors")
        return lines


def read_definitions(text: str) -> Document:
    """The object in a definitions file.  Raises `WrongDefinitions`."""
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise WrongDefinitions([f"{place}: this is not JSON: {error.msg}"]) from None
    except RecursionError:
        raise WrongDefinitions(["this is no definitions file: nested too deeply"]) from None
    if not isinstance(document, dict):
        raise WrongDefinitions(
            ["this is no definitions file: it must be an object in braces, "
             'as {"users": [...], "queues": [...]}']
        )  # fmt: skip
    return cast("Document", document)


def import_definitions(
    broker: Broker, document: Document, make_salt: MakeSalt, *, vhost_name: str = "/"
) -> list[str]:
    """Take definitions in; what of them is passed over, a line each.

    *vhost_name* is where the definitions of one vhost go.  Raises `WrongDefinitions`.
    """
    rehearsal = Broker(lambda: "", users=Users(), vhost_names=())
    _Importer(rehearsal, export_definitions(broker), Findings(), make_salt, vhost_name).run()
    findings = Findings()
    _Importer(rehearsal, document, findings, make_salt, vhost_name).run()
    if findings.errors:
        raise WrongDefinitions(findings.errors)
    _Importer(broker, document, Findings(), make_salt, vhost_name).run()
    return findings.notes


class _Importer:
    """Takes one document into one broker."""

    def __init__(
        self,
        broker: Broker,
        document: Document,
        findings: Findings,
        make_salt: MakeSalt,
        vhost_name: str,
    ) -> None:
        self._broker = broker
        self._document = document
        self._findings = findings
        self._make_salt = make_salt
        self._vhost_name = vhost_name
        self._is_of_one_vhost = _is_of_one_vhost(document)

    def run(self) -> None:
        """Take in everything that is right, and note what is not."""
        known = (*_SECTIONS, *_ABOUT)
        if self._is_of_one_vhost:
            known += _OF_ONE_VHOST
        self._findings_of_file().expect_keys(known)
        takers: Mapping[str, Callable[[Item], None]] = {
            "vhosts": self._take_vhost,
            "users": self._take_user,
            "permissions": self._take_permissions,
            "topic_permissions": self._take_topic_permissions,
            "parameters": self._take_parameter,
            "policies": self._take_policy,
            "exchanges": self._take_exchange,
            "queues": self._take_queue,
            "bindings": self._take_binding,
            "global_parameters": lambda item: item.note("is passed over: it is of a cluster"),
        }
        if self._is_of_one_vhost:
            self._try(self._take_vhost, self._whole_vhost())
        for section, keys in _SECTIONS.items():
            for item in self._items(section):
                item.expect_keys(keys)
                self._try(takers[section], item)

    def _findings_of_file(self) -> Item:
        return Item("the file", self._document, self._findings)

    def _whole_vhost(self) -> Item:
        values = {key: self._document.get(key) for key in _OF_ONE_VHOST}
        values["name"] = self._vhost_name
        return Item(f"vhost '{self._vhost_name}'", values, self._findings)

    def _items(self, section: str) -> Iterator[Item]:
        """The objects of a section, each with what it is called."""
        objects = self._document.get(section, [])
        if not isinstance(objects, list):
            self._findings_of_file().wrong(f"'{section}' must be a list of objects")
            return
        for index, values in enumerate(cast("list[object]", objects)):
            if not isinstance(values, dict):
                self._findings.errors.append(f"{section}[{index}]: must be an object in braces")
                continue
            place = _place_of(section, index, cast("Mapping[str, object]", values))
            yield Item(place, cast("Mapping[str, object]", values), self._findings)

    def _try(self, take: Callable[[Item], None], item: Item) -> None:
        try:
            take(item)
        except OperatorError as error:
            item.wrong(str(error))
        except AMQPException as error:
            item.wrong(str(error).partition(" - ")[2] or str(error))

    def _vhost(self, item: Item) -> VHost | None:
        """The vhost that an object is in; None when there is no such one."""
        name = self._vhost_name if self._is_of_one_vhost else item.text("vhost")
        vhost = self._broker.vhosts.get(name)
        if vhost is None and item.is_good:
            item.wrong(f"there is no vhost '{name}': add it to 'vhosts'")
        return vhost

    # The sections

    def _take_vhost(self, item: Item) -> None:
        name, metadata = item.text("name"), item.mapping("metadata")
        queue_type = item.raw("default_queue_type") or metadata.get("default_queue_type")
        if queue_type == "undefined":  # RabbitMQ 3: there is none
            queue_type = None
        limits = item.mapping("limits")
        if not isinstance(queue_type, str | None):
            item.wrong("'default_queue_type' must be a text")
        elif item.is_good:
            administration.add_vhost(self._broker, name, default_queue_type=queue_type)
            if limits:
                administration.set_vhost_limits(self._broker, name, limits)

    def _take_user(self, item: Item) -> None:
        name, tags, limits = item.text("name"), item.words("tags"), item.mapping("limits")
        password_hash = self._password_hash(item)
        if item.is_good:
            administration.put_user(self._broker, User(name, password_hash, tags))
            if limits:
                administration.set_user_limits(self._broker, name, limits)

    def _password_hash(self, item: Item) -> PasswordHash | None:
        if item.has("password"):
            password = item.text("password")
            return passwords.hashed(password, self._make_salt(passwords.SALT_BYTES))
        if not item.has("password_hash"):
            item.wrong(
                "'password_hash' is missing: give it with its 'hashing_algorithm', a 'password', "
                'or "" for a user who cannot log in with one'
            )
            return None
        text = item.text("password_hash")
        algorithm = item.text("hashing_algorithm", "rabbit_password_hashing_sha256")
        if not text:
            return None
        if algorithm == "amqpbroker":
            return PasswordHash.from_text(text)
        return PasswordHash.from_rabbitmq(algorithm, text)

    def _take_permissions(self, item: Item) -> None:
        user_name, vhost = item.text("user"), self._vhost(item)
        row = Permissions(item.text("configure"), item.text("write"), item.text("read"))
        if vhost is not None and item.is_good:
            administration.set_permissions(self._broker, user_name, vhost.name, row)

    def _take_topic_permissions(self, item: Item) -> None:
        user_name, vhost = item.text("user"), self._vhost(item)
        exchange_name, row = item.text("exchange"), TopicPermissions(
            item.text("write"), item.text("read")
        )  # fmt: skip
        if vhost is not None and item.is_good:
            administration.set_topic_permissions(
                self._broker, user_name, vhost.name, exchange_name, row
            )

    def _take_parameter(self, item: Item) -> None:
        vhost, component = self._vhost(item), item.text("component")
        if vhost is None or not item.is_good:
            return
        value = item.mapping("value")
        if component == "vhost-limits":
            administration.set_vhost_limits(self._broker, vhost.name, value)
        elif component in ("policy", "operator_policy"):
            place = f"{component.replace('_', ' ')} '{item.text('name')}' in vhost '{vhost.name}'"
            policy = Item(place, {**value, "name": item.text("name")}, self._findings)
            is_operators = component == "operator_policy"
            self._try(lambda one: self._put_policy(one, vhost, is_operators=is_operators), policy)
        else:
            item.note(f"is passed over: there is no {component}")

    def _take_policy(self, item: Item) -> None:
        vhost = self._vhost(item)
        if vhost is not None:
            self._put_policy(item, vhost, is_operators=False)

    def _put_policy(self, item: Item, vhost: VHost, *, is_operators: bool) -> None:
        name, definition = item.text("name"), dict(item.mapping("definition"))
        for key in sorted(_KEYS_ELSEWHERE & definition.keys()):
            item.note(f"'{key}' is passed over: it means nothing to a single broker")
            del definition[key]
        if not definition and item.mapping("definition"):
            return
        policy = check_policy(
            name,
            item.raw("pattern", ""),
            definition,
            apply_to=item.raw("apply-to", "all"),
            priority=item.raw("priority", 0),
            is_operators=is_operators,
        )
        if item.is_good:
            administration.set_policy(self._broker, vhost.name, policy)

    def _take_exchange(self, item: Item) -> None:
        vhost, name, type_ = self._vhost(item), item.text("name"), item.text("type")
        flags: dict[str, Any] = {
            "durable": item.flag("durable", default=True),
            "auto_delete": item.flag("auto_delete", default=False),
            "internal": item.flag("internal", default=False),
        }
        arguments = item.table("arguments")
        if vhost is not None and item.is_good and name not in vhost.exchanges:
            vhost.declare_exchange(name, type_, **flags, arguments=arguments)

    def _take_queue(self, item: Item) -> None:
        vhost, name = self._vhost(item), item.text("name")
        durable = item.flag("durable", default=True)
        auto_delete = item.flag("auto_delete", default=False)
        arguments = item.table("arguments")
        if not name and item.is_good:
            item.wrong("'name' must not be empty")
        if vhost is not None and item.is_good and name not in vhost.queues:
            topology.make_queue(
                vhost, name, durable=durable, auto_delete=auto_delete, arguments=arguments
            )

    def _take_binding(self, item: Item) -> None:
        vhost, source, destination = (
            self._vhost(item), item.text("source"), item.text("destination"),
        )  # fmt: skip
        kind, routing_key = item.text("destination_type"), item.text("routing_key", "")
        arguments = item.table("arguments")
        if kind not in ("queue", "exchange") and item.is_good:
            item.wrong(f"'destination_type' must be \"queue\" or \"exchange\", not '{kind}'")
        if vhost is None or not item.is_good:
            return
        if source == "":
            item.note("is passed over: every queue is bound to the default exchange")
            return
        found = vhost.queue(destination) if kind == "queue" else vhost.exchange(destination)
        vhost.bind(source, found, routing_key, arguments)


def _is_of_one_vhost(document: Document) -> bool:
    """Whether a file is of one vhost, and not of a whole broker."""
    if document.get("rabbitmq_definition_format") == "single_virtual_host":
        return True
    if any(section in document for section in ("vhosts", "users", "permissions")):
        return False
    for sections in (("exchanges", "queues", "bindings"), ("policies", "parameters")):
        found = [document.get(section) for section in sections]
        objects = [
            one
            for section in found
            if isinstance(section, list)  # what is none is refused later
            for one in cast("list[object]", section)
        ]
        if objects:  # RabbitMQ 3.10 names the vhost in a vhost's policies, but in nothing else
            return not any(isinstance(one, dict) and "vhost" in one for one in objects)
    return False


def _place_of(section: str, index: int, values: Mapping[str, object]) -> str:
    """What an object is called in messages: queue 'jobs' in vhost '/'."""
    vhost = f" in vhost '{values['vhost']}'" if values.get("vhost") is not None else ""
    if section in ("permissions", "topic_permissions"):
        return f"{section.replace('_', ' ')} of user '{values.get('user')}'{vhost}"
    if section == "bindings":
        ends = f"'{values.get('source')}' to '{values.get('destination')}'"
        return f"binding from {ends}{vhost}"
    kind = {"policies": "policy"}.get(section, section.removesuffix("s").replace("_", " "))
    name = values.get("name")
    return f"{section}[{index}]" if name is None else f"{kind} '{name}'{vhost}"
