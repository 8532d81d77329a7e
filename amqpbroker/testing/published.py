"""Assertions about what clients have published.

    broker.published("orders.*", exchange="shop").with_headers(tenant="a").once()

A query is narrowed by its ``with_`` methods and ends in a count: `once`, `times`, `never`.  After a
count the same methods hold for every message that was counted, so that both readings work:

    broker.published("orders.*").once().with_json({"id": 1})    one came, and this is what it says
    broker.published("orders.*").with_json({"id": 1}).once()    of those that came, one says this

What fails lists the messages that came closest, and what each of them lacks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias, cast, overload

import attrs

from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.topic import TopicRouter
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.testing.barriers import TIMEOUT_SECONDS
from amqpbroker.testing.publish_record import PublishedMessage

if TYPE_CHECKING:
    from amqpbroker.testing.local_broker import LocalBroker

#: How many messages a failed assertion lists.
_LISTED_MAX: Final = 10

#: What a message lacks, in words; None where it lacks nothing.
Lack: TypeAlias = Callable[[PublishedMessage], str | None]


class Criterion(NamedTuple):
    """Something that is asked of a message."""

    name: str
    lack: Lack


@attrs.frozen
class Query:
    """What is asked of the broker's record."""

    vhost_name: str | None
    criteria: tuple[Criterion, ...]

    def __str__(self) -> str:
        where = "" if self.vhost_name is None else f" in vhost '{self.vhost_name}'"
        names = ", ".join(criterion.name for criterion in self.criteria)
        return f"published{where}{' with ' + names if names else ''}"

    def lacks(self, message: PublishedMessage) -> list[str]:
        """What the message lacks."""
        return [lack for _, find in self.criteria if (lack := find(message)) is not None]


class Published(Sequence[PublishedMessage]):
    """The messages that were published and that the query is about, oldest first."""

    def __init__(
        self,
        broker: "LocalBroker",
        query: Query,
        record: tuple[Sequence[PublishedMessage], int],
        *,
        is_counted: bool = False,
    ) -> None:
        """*record* is what there is and how many older ones are forgotten."""
        self._broker = broker
        self._query = query
        self._record = record
        self._is_counted = is_counted
        self._messages = [message for message in record[0] if not query.lacks(message)]

    @classmethod
    def now(cls, broker: "LocalBroker", query: Query) -> Self:
        """All that there are now."""
        record = broker.publish_record
        name = query.vhost_name
        return cls(
            broker,
            query,
            broker.look(lambda: (record.messages(name), record.forgotten_count(name))),
        )

    # As a list

    def __len__(self) -> int:
        return len(self._messages)

    @overload
    def __getitem__(self, index: int) -> PublishedMessage: ...

    @overload
    def __getitem__(self, index: slice) -> list[PublishedMessage]: ...

    def __getitem__(self, index: int | slice) -> PublishedMessage | list[PublishedMessage]:
        return self._messages[index]

    def __iter__(self) -> Iterator[PublishedMessage]:
        return iter(self._messages)

    def __repr__(self) -> str:
        return f"<Published {len(self)} {self._query}: {self._messages!r}>"

    def first(self) -> PublishedMessage:
        """The oldest of them; raises `AssertionError` when there is none."""
        __tracebackhide__ = True
        if not self._messages:
            self._fail("at least 1 message")
        return self._messages[0]

    # Counts

    def once(self) -> Self:
        """There is exactly one."""
        __tracebackhide__ = True
        return self.times(1)

    def times(self, count: int) -> Self:
        """There are exactly so many."""
        __tracebackhide__ = True
        if len(self) != count:
            self._fail(f"{count} message{'' if count == 1 else 's'}")
        if self._record[1]:
            raise AssertionError(
                f"{self._record[1]} older messages are forgotten, so nobody can say how many "
                "there were: give each test a vhost of its own, or call forget_published()"
            )
        self._is_counted = True
        return self

    def never(self) -> Self:
        """There is none."""
        __tracebackhide__ = True
        return self.times(0)

    # Criteria

    def with_body(self, body: bytes | str) -> Self:
        """Those with exactly this body."""
        __tracebackhide__ = True
        expected = body.encode() if isinstance(body, str) else body

        def lack(message: PublishedMessage) -> str | None:
            return None if message.body == expected else f"its body is {_shown(message.body)}"

        return self._narrowed(f"body {_shown(expected)}", lack)

    def with_json(self, expected: object) -> Self:
        """Those whose body says this in JSON."""
        __tracebackhide__ = True

        def lack(message: PublishedMessage) -> str | None:
            try:
                found = message.json()
            except ValueError:
                return "its body is not JSON"
            return None if found == expected else f"its body says {_difference(expected, found)}"

        return self._narrowed(f"JSON {expected!r}", lack)

    def with_json_including(self, expected: Mapping[str, object]) -> Self:
        """Those whose body is a JSON object with at least these values, at any depth."""
        __tracebackhide__ = True

        def lack(message: PublishedMessage) -> str | None:
            try:
                found = message.json()
            except ValueError:
                return "its body is not JSON"
            missing = _missing(expected, found)
            return f"its body says {missing}" if missing else None

        return self._narrowed(f"JSON including {expected!r}", lack)

    def with_headers(self, headers: Mapping[str, object] | None = None, /, **more: object) -> Self:
        """Those with at least these headers."""
        __tracebackhide__ = True
        expected = {**(headers or {}), **more}

        def lack(message: PublishedMessage) -> str | None:
            missing = _missing(expected, message.headers)
            return f"of its headers {missing}" if missing else None

        return self._narrowed(f"headers {expected!r}", lack)

    def with_properties(self, **expected: object) -> Self:
        """Those with at least these properties, by their AMQP names with underscores."""
        __tracebackhide__ = True

        def lack(message: PublishedMessage) -> str | None:
            missing = _missing(expected, message.properties)
            return f"of its properties {missing}" if missing else None

        return self._narrowed(f"properties {expected!r}", lack)

    def matching(self, predicate: Callable[[PublishedMessage], bool], name: str = "") -> Self:
        """Those for which *predicate* is true; *name* stands in the error."""
        __tracebackhide__ = True
        called = name or getattr(predicate, "__name__", "the predicate")

        def lack(message: PublishedMessage) -> str | None:
            return None if predicate(message) else f"{called} is not true of it"

        return self._narrowed(called, lack)

    # Waiting

    def wait(self, count: int = 1, *, timeout: float = TIMEOUT_SECONDS) -> Self:
        """Wait until at least so many were published; all that there are then.

        Raises `StillOutstanding`, a `TimeoutError`.
        """
        __tracebackhide__ = True
        self._broker.barriers.wait(f"waiting for {self._query}", self._wish(count), timeout)
        return self._again()

    async def async_wait(self, count: int = 1, *, timeout: float = TIMEOUT_SECONDS) -> Self:
        """As `wait`, for code under asyncio or trio."""
        wanted = f"waiting for {self._query}"
        await self._broker.barriers.async_wait(wanted, self._wish(count), timeout)
        return self._again()

    def _wish(self, count: int) -> Callable[[], list[str]]:
        record, query = self._broker.publish_record, self._query

        def find_missing() -> list[str]:
            found = record.messages(query.vhost_name)
            there = sum(not query.lacks(message) for message in found)
            return [] if there >= count else [f"messages: {there}, not {count}"]

        return find_missing

    # Parts

    def _again(self) -> Self:
        return self.now(self._broker, self._query)

    def _narrowed(self, name: str, lack: Lack) -> Self:
        __tracebackhide__ = True
        criterion = Criterion(name, lack)
        query = attrs.evolve(self._query, criteria=(*self._query.criteria, criterion))
        narrowed = type(self)(self._broker, query, self._record, is_counted=self._is_counted)
        if self._is_counted and len(narrowed) < len(self):
            count = len(self)
            narrowed._fail(f"{'the message' if count == 1 else f'all {count} messages'}")
        return narrowed

    def _fail(self, wanted: str) -> None:
        """Raise with the messages that there are, the nearest first, and what they lack."""
        __tracebackhide__ = True
        published = self._record[0]
        ranked = sorted(published, key=lambda message: len(self._query.lacks(message)))
        lines = [f"expected {wanted} {self._query}; found {len(self)}"]
        if not published:
            lines.append("nothing at all was published there")
        for message in ranked[:_LISTED_MAX]:
            lacks = self._query.lacks(message)
            lines.append(f"  {'-' if lacks else '+'} {message}")
            lines += [f"      {lack}" for lack in lacks]
            story = self._broker.story_of(message)
            if message.is_unroutable and not story:
                lines.append("      it went to no queue")
            lines += [f"      | {line}" for line in story]
        if len(ranked) > _LISTED_MAX:
            lines.append(f"  and {len(ranked) - _LISTED_MAX} more")
        raise AssertionError("\n".join(lines))


def query_of(vhost_name: str | None, routing_key: str | None, exchange: str | None) -> Query:
    """The query for a pattern of routing keys and an exchange, where they are given."""
    criteria: list[Criterion] = []
    if routing_key is not None:
        criteria.append(Criterion(f"routing key {routing_key!r}", _key_lack(routing_key)))
    if exchange is not None:

        def lack(message: PublishedMessage) -> str | None:
            found = message.exchange
            return None if found == exchange else f"its exchange is {found!r}"

        criteria.append(Criterion(f"exchange {exchange!r}", lack))
    return Query(vhost_name, tuple(criteria))


def _key_lack(pattern: str) -> Lack:
    """What a message lacks to be routed by *pattern*, as topic exchanges understand it."""
    router = TopicRouter()
    router.bind(Binding("", pattern, pattern, EMPTY_TABLE))

    def lack(message: PublishedMessage) -> str | None:
        key = message.routing_key
        is_match = key == pattern or any(True for _ in router.route(key, NO_PROPERTIES))
        return None if is_match else f"its routing key is {key!r}"

    return lack


def _missing(expected: Mapping[str, object], found: object, path: str = "") -> str | None:
    """The first of the expected values that is not there, in words."""
    if not isinstance(found, Mapping):
        return f"{path[:-1] or 'it'} is {found!r}"
    values = cast("Mapping[str, object]", found)
    for name, value in expected.items():
        if name not in values:
            return f"{path}{name} is missing"
        if isinstance(value, Mapping):
            inner = _missing(cast("Mapping[str, object]", value), values[name], f"{path}{name}.")
            if inner is not None:
                return inner
        elif values[name] != value:
            return f"{path}{name} is {values[name]!r}"
    return None


def _difference(expected: object, found: object) -> str:
    """What differs first between two values of JSON."""
    if not isinstance(expected, Mapping) or not isinstance(found, Mapping):
        return repr(found)
    wanted = cast("Mapping[str, object]", expected)
    there = cast("Mapping[str, object]", found)
    missing = _missing(wanted, there)
    surplus = ", ".join(repr(name) for name in there if name not in wanted)
    return missing or (f"also {surplus}" if surplus else repr(there))


def _shown(body: bytes) -> str:
    try:
        return repr(body.decode())
    except UnicodeDecodeError:
        return repr(body)
