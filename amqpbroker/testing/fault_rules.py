"""When a fault strikes: the next few times, or by chance from a seed; and what it looks for.

A rule is asked once for everything that it might strike.  It keeps count, so that a test can show
that its faults did happen.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from random import Random
from typing import Final

from attrs import define, field, frozen

from amqpbroker.engine.queue import Queue
from amqpbroker.spec.message import Message
from amqpbroker.testing.messages import SeenMessage

#: What a rule's place may be asked for besides the names: the message.
Predicate = Callable[[SeenMessage], bool]

#: How many rules there may be about one subject, those that are used up included.
RULES_MAX: Final = 1000

#: A rule that strikes for ever.
FOR_EVER: Final = None


@frozen
class Publication:
    """A publish whose confirm is to be told, and where it went."""

    message: Message
    queue_names: tuple[str, ...]


@frozen
class Target:
    """What a rule looks for.  None: anything.  Names may have `*` and `?` in them."""

    queue: str | None = None
    exchange: str | None = None
    connection: str | None = None
    where: Predicate | None = None

    def __str__(self) -> str:
        names = {"queue": self.queue, "exchange": self.exchange, "connection": self.connection}
        words = [f"{word} '{name}'" for word, name in names.items() if name is not None]
        if self.where is not None:
            words.append(getattr(self.where, "__name__", "the predicate"))
        return " of " + ", ".join(words) if words else ""

    def fits(
        self, message: Message | None, queue_names: tuple[str, ...], connection_name: str
    ) -> bool:
        """Whether something is meant.  What is not known of it is not what was asked for."""
        if not name_fits(self.connection, connection_name):
            return False
        if self.queue is not None and not any(name_fits(self.queue, one) for one in queue_names):
            return False
        if message is None:
            return self.exchange is None and self.where is None
        if not name_fits(self.exchange, message.publish.exchange_name):
            return False
        return self.where is None or self.where(SeenMessage(message))


@define(eq=False)
class Rule:
    """One fault, and when it strikes."""

    verb: str  # what it does: nack, drop, delay, ...
    subject: str  # what to: confirms, deliveries, ...
    target: Target
    left: int | None = FOR_EVER  # how often it still strikes
    probability: float = 1.0
    skip: int = 0  # how many it lets through first
    delay_ms: int = 0
    window: int = 0
    fired: int = field(default=0, init=False)

    def __str__(self) -> str:
        when = "" if self.left is None else f" {self.left} more times"
        if self.probability < 1:
            when += f" with probability {self.probability:g}"
        return f"{self.verb} {self.subject}{self.target}{when}, fired {self.fired} times"

    def strikes(self, dice: Random) -> bool:
        """Whether it strikes what fits its target; it is counted."""
        if self.left == 0:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.probability < 1 and dice.random() >= self.probability:
            return False
        self.fired += 1
        if self.left is not None:
            self.left -= 1
        return True


@define
class Rules:
    """The rules about one subject, in the order in which they were made."""

    dice: Random
    _rules: list[Rule] = field(factory=list[Rule], init=False)

    def __bool__(self) -> bool:
        return any(rule.left != 0 for rule in self._rules)

    def __iter__(self):
        return iter(self._rules)

    def add(self, rule: Rule) -> None:
        """Make a rule; raises `ValueError` when there are too many."""
        if len(self._rules) >= RULES_MAX:
            raise ValueError(f"there are {RULES_MAX} faults already: clear() ends them")
        self._rules.append(rule)

    def clear(self) -> None:
        """Forget them all."""
        self._rules.clear()

    def strike(
        self, message: Message | None, queue_names: tuple[str, ...], connection_name: str
    ) -> Rule | None:
        """The first rule that strikes; None when none does."""
        for rule in self._rules:
            if rule.left != 0 and rule.target.fits(message, queue_names, connection_name):
                if rule.strikes(self.dice):
                    return rule
        return None


def name_fits(pattern: str | None, name: str) -> bool:
    """Whether a name is meant; no pattern means every name."""
    return pattern is None or fnmatchcase(name, pattern)


def queue_names_of(queue: Queue | None) -> tuple[str, ...]:
    """A queue's name, if there is a queue."""
    return () if queue is None else (queue.name,)
