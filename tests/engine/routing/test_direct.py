from __future__ import annotations

from amqpbroker.engine.routing.direct import DirectRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import longstr


def binding(queue_name: str, key: str, tag: str = "") -> Binding:
    return Binding("x", queue_name, key, {"tag": longstr(tag)} if tag else {})


def routed(router: DirectRouter, key: str) -> list[object]:
    return list(router.route(key, NO_PROPERTIES))


def test_a_message_goes_where_the_binding_key_is_its_routing_key() -> None:
    router = DirectRouter()
    router.bind(binding("q1", "a"))
    router.bind(binding("q2", "b"))

    assert routed(router, "a") == ["q1"]


def test_keys_are_compared_byte_by_byte() -> None:
    router = DirectRouter()
    router.bind(binding("q", "a.*"))

    assert [routed(router, key) for key in ("A.*", "a.b", "a.", "")] == [[], [], [], []]


def test_an_empty_key_is_a_key_like_others() -> None:
    router = DirectRouter()
    router.bind(binding("q", ""))

    assert routed(router, "") == ["q"]
    assert routed(router, "a") == []


def test_destinations_come_in_the_order_in_which_they_were_bound() -> None:
    router = DirectRouter()
    for queue_name in ("q3", "q1", "q2"):
        router.bind(binding(queue_name, "a"))
    router.unbind(binding("q3", "a"))
    router.bind(binding("q3", "a"))

    assert routed(router, "a") == ["q1", "q2", "q3"]


def test_a_destination_stays_until_its_last_binding_is_gone() -> None:
    router = DirectRouter()
    router.bind(binding("q", "a", "one"))
    router.bind(binding("q", "a", "two"))

    router.unbind(binding("q", "a", "one"))
    assert routed(router, "a") == ["q"]

    router.unbind(binding("q", "a", "two"))
    assert routed(router, "a") == []
    assert repr(router) == "<DirectRouter keys=0>"


def test_a_route_that_was_given_out_does_not_change_with_the_bindings() -> None:
    router = DirectRouter()
    router.bind(binding("q1", "a"))
    route = router.route("a", NO_PROPERTIES)
    router.bind(binding("q2", "a"))

    assert list(route) == ["q1"]


def test_no_binding_is_refused() -> None:
    router = DirectRouter()
    router.check(binding("q", "x" * 255))

    assert not router.uses_properties
