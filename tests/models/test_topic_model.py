"""The topic router against the obvious matcher, over any history of bindings."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from strategies import routing_keys, topic_patterns

from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.routing.topic import TopicRouter
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import longstr


def words_of(key: str) -> list[str]:
    return key.split(".") if key else []


def is_match(pattern: list[str], key: list[str]) -> bool:
    """Tell whether the words of *pattern* match the words of *key* (S-126)."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return is_match(pattern[1:], key) or (bool(key) and is_match(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and is_match(pattern[1:], key[1:])


class TopicModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.router = TopicRouter()
        self.expected_bindings: list[Binding] = []

    @rule(
        queue_name=st.sampled_from(["q1", "q2", "q3"]),
        pattern=topic_patterns,
        tag=st.sampled_from(["", "", "other arguments"]),
    )
    def bind(self, queue_name: str, pattern: str, tag: str) -> None:
        binding = Binding("x", queue_name, pattern, {"tag": longstr(tag)} if tag else {})
        if binding.identity in [bound.identity for bound in self.expected_bindings]:
            return
        self.router.check(binding)
        self.router.bind(binding)
        self.expected_bindings.append(binding)

    @precondition(lambda self: self.expected_bindings)
    @rule(data=st.data())
    def unbind(self, data: st.DataObject) -> None:
        binding = data.draw(st.sampled_from(self.expected_bindings))
        self.router.unbind(binding)
        self.expected_bindings.remove(binding)

    @rule(key=routing_keys)
    def route(self, key: str) -> None:
        expected_queue_names = {
            binding.destination
            for binding in self.expected_bindings
            if is_match(words_of(binding.routing_key), words_of(key))
        }

        routed = list(self.router.route(key, NO_PROPERTIES))

        assert set(routed) == expected_queue_names
        assert len(routed) == len(expected_queue_names)

    @invariant()
    def what_was_unbound_leaves_nothing_behind(self) -> None:
        """(T3): the trie is as small as one that never had the others."""
        small = TopicRouter()
        for binding in self.expected_bindings:
            small.bind(binding)

        assert repr(self.router) == repr(small)


TestTopicModel = TopicModel.TestCase
