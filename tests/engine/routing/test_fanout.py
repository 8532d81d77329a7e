from __future__ import annotations

from amqpbroker.engine.routing.fanout import FanoutRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.properties import NO_PROPERTIES


def routed(router: FanoutRouter, key: str = "") -> list[object]:
    return list(router.route(key, NO_PROPERTIES))


def test_every_key_leads_to_every_destination() -> None:
    router = FanoutRouter()
    router.bind(Binding("x", "q2", "a", {}))
    router.bind(Binding("x", "q1", "", {}))

    assert [routed(router, key) for key in ("a", "", "b.c")] == [["q2", "q1"]] * 3


def test_a_destination_that_is_bound_twice_is_named_once() -> None:
    router = FanoutRouter()
    for key in ("a", "b"):
        router.bind(Binding("x", "q", key, {}))

    assert routed(router) == ["q"]


def test_a_destination_stays_until_its_last_binding_is_gone() -> None:
    router = FanoutRouter()
    for key in ("a", "b"):
        router.bind(Binding("x", "q", key, {}))

    router.unbind(Binding("x", "q", "b", {}))
    assert routed(router) == ["q"]

    router.unbind(Binding("x", "q", "a", {}))
    assert routed(router) == []
    assert repr(router) == "<FanoutRouter destinations=0>"


def test_no_binding_is_refused() -> None:
    router = FanoutRouter()
    router.check(Binding("x", "q", "*.#", {}))

    assert not router.uses_properties
