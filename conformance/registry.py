"""Which cases there are: functions of one `Peer`, found in the modules of `conformance.cases`.

A case is named by its module and function.  Its docstring's first line is its title; what follows
says more, also where RabbitMQ does not do what the reference says.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from attrs import frozen

from conformance import cases
from conformance.features import features_named
from conformance.peers import Peer

CaseFunction: TypeAlias = Callable[[Peer], None]

_ITEM = re.compile(r"S-\d{3}$")


@frozen
class Case:
    """A dialogue to have with a broker."""

    name: str  # module.function: unique, and the recording's file name
    title: str
    items: tuple[str, ...]  # of the behaviour reference: S-042
    function: CaseFunction
    is_slow: bool  # takes more than a second, because RabbitMQ waits for time to pass
    needs: frozenset[str]  # features that a broker may do without; mostly empty


_registered: dict[str, Case] = {}


def case(
    *items: str, slow: bool = False, needs: str = ""
) -> Callable[[CaseFunction], CaseFunction]:
    """Register the decorated function as a case that covers *items* of the reference.

    *needs* names the features that the case is about and a broker may do without, separated by
    blanks (see `conformance.features`); such cases can be left out.
    """
    for item in items:
        assert _ITEM.match(item), f"not an item of the reference: {item}"

    def register(function: CaseFunction) -> CaseFunction:
        module = function.__module__.rpartition(".")[2]
        name = f"{module}.{function.__name__}"
        title = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
        assert title, f"{name} has no docstring"
        assert name not in _registered, f"two cases are called {name}"
        _registered[name] = Case(name, title, items, function, slow, features_named(needs))
        return function

    return register


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case: modules in alphabetical order, cases in the order of their file."""
    for module in sorted(module.name for module in pkgutil.iter_modules(cases.__path__)):
        importlib.import_module(f"{cases.__name__}.{module}")
    return tuple(_registered.values())


def cases_matching(pattern: str) -> list[Case]:
    """The cases whose name, title or items contain *pattern* (a regular expression)."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return [
        one
        for one in all_cases()
        if wanted.search(one.name) or wanted.search(one.title) or pattern in one.items
    ]
