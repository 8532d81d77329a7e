from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from random import Random

import pytest

from amqpbroker.engine.ports import TakingTurns
from amqpbroker.engine.routing.random import LocalRandomRouter, RandomRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import NO_PROPERTIES


def bind(router: RandomRouter, *names: str, key: str = "") -> None:
    for name in names:
        router.bind(Binding("x", name, key, {}))


def queue_type_of(destination: Hashable) -> str | None:
    return {"classic": "rabbit_classic_queue", "quorum": "rabbit_quorum_queue"}.get(
        str(destination)
    )


def test_each_message_goes_where_the_dice_say() -> None:
    router = RandomRouter(TakingTurns())
    bind(router, "a", "b", "c")

    assert [list(router.route("k", NO_PROPERTIES)) for _ in range(4)] == [
        ["a"],
        ["b"],
        ["c"],
        ["a"],
    ]


def test_all_destinations_are_as_likely() -> None:
    random = Random(1)
    router = RandomRouter(random.randrange)
    bind(router, "a", "b")
    counts = Counter(next(iter(router.route("k", NO_PROPERTIES))) for _ in range(1000))

    assert 450 < counts["a"] < 550


def test_who_is_bound_twice_is_chosen_twice() -> None:
    router = RandomRouter(TakingTurns())
    bind(router, "a", "b")
    bind(router, "a", key="again")

    assert Counter(next(iter(router.route("k", NO_PROPERTIES))) for _ in range(3)) == {
        "a": 2,
        "b": 1,
    }


def test_several_keys_are_one_choice() -> None:
    router = RandomRouter(TakingTurns())
    bind(router, "a", "b")

    assert list(router.choose(("k", "l", "m"), NO_PROPERTIES)) == ["a"]
    assert list(router.choose(("k", "l", "m"), NO_PROPERTIES)) == ["b"]


def test_who_is_no_longer_bound_is_not_chosen() -> None:
    router = RandomRouter(TakingTurns())
    bind(router, "a", "b")
    router.unbind(Binding("x", "a", "", {}))
    assert [list(router.route("k", NO_PROPERTIES)) for _ in range(2)] == [["b"], ["b"]]

    router.unbind(Binding("x", "b", "", {}))
    assert list(router.route("k", NO_PROPERTIES)) == []
    assert repr(router) == "<RandomRouter bindings=0>"


def test_no_answer_is_to_be_remembered() -> None:
    assert RandomRouter.uses_properties


def test_a_random_exchange_takes_any_binding() -> None:
    RandomRouter(TakingTurns()).check(Binding("x", "quorum", "any.key", {}))


@pytest.mark.parametrize(
    ("destination", "key", "text"),
    [
        ("classic", "k", "Non empty binding 'k' key not permitted"),
        ("exchange", "k", "Non empty binding 'k' key not permitted"),
        ("exchange", "", "Destination not found"),
        ("quorum", "", "Queue type rabbit_quorum_queue not valid for this exchange type"),
    ],
)
def test_a_local_random_exchange_refuses(destination: str, key: str, text: str) -> None:
    router = LocalRandomRouter(TakingTurns(), queue_type_of)
    with pytest.raises(ChannelException) as caught:
        router.check(Binding("x", destination, key, {}))

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"


def test_a_local_random_exchange_takes_classic_queues() -> None:
    router = LocalRandomRouter(TakingTurns(), queue_type_of)
    router.check(Binding("x", "classic", "", {}))
    bind(router, "classic")

    assert list(router.route("k", NO_PROPERTIES)) == ["classic"]
