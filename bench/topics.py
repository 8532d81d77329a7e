"""A topic exchange as applications have them: a thousand bindings, thousands of routing keys.

Keys are three words, ``a17.b03.c88``, all of one length, so that deliveries can be counted by
their bytes.  Of ten bindings four are exact, two have a star in the middle, two begin with one,
one is ``a17.#`` and one ``#.c88``; a message matches two or three of them, as a rule in different
queues.  All comes from a fixed seed: the publisher, the consumers and the one who counts make the
same table.
"""

from __future__ import annotations

import random
from collections import defaultdict
from functools import cache

import attrs

WORD_COUNT = 100  # different words in each of the three places
KEY_BYTES = 11

_SEED = 20_091  # any number, but always the same


@attrs.frozen
class TopicTable:
    """Bindings, the keys that are published, and how many queues each key reaches."""

    #: (queue index, binding key)
    bindings: tuple[tuple[int, str], ...]
    routing_keys: tuple[str, ...]
    #: of the routing key at the same index; at least 1
    copies: tuple[int, ...]


@cache
def topic_table(queue_count: int, binding_count: int, key_count: int) -> TopicTable:
    """Draw *binding_count* different bindings, dealt to the queues in turn, and keys for them."""
    dice = random.Random(_SEED)
    patterns: dict[str, None] = {}
    while len(patterns) < binding_count:
        patterns[_draw_pattern(dice, len(patterns) % 10)] = None
    bindings = tuple((index % queue_count, key) for index, key in enumerate(patterns))
    queues_of: dict[str, set[int]] = defaultdict(set)
    for queue_index, key in bindings:
        queues_of[key].add(queue_index)
    drawn: dict[str, None] = {}
    while len(drawn) < key_count:
        drawn[_draw_key(dice, dice.choice(bindings)[1])] = None
    keys = list(drawn)
    dice.shuffle(keys)
    copies = (len(_reached(key, queues_of)) for key in keys)
    return TopicTable(bindings, tuple(keys), tuple(copies))


def _draw_pattern(dice: random.Random, place: int) -> str:
    a, b, c = (f"{letter}{dice.randrange(WORD_COUNT):02d}" for letter in "abc")
    if place < 4:
        return f"{a}.{b}.{c}"
    if place < 6:
        return f"{a}.*.{c}"
    if place < 8:
        return f"*.{b}.{c}"
    return f"{a}.#" if place == 8 else f"#.{c}"


def _draw_key(dice: random.Random, pattern: str) -> str:
    """Fill the wildcards of *pattern*, so that the key matches it at least."""
    words = {word[0]: word for word in pattern.split(".")}
    return ".".join(
        words.get(letter, f"{letter}{dice.randrange(WORD_COUNT):02d}") for letter in "abc"
    )


def _reached(key: str, queues_of: dict[str, set[int]]) -> set[int]:
    """Match by looking up the five shapes that a binding of this table can have."""
    a, b, c = key.split(".")
    shapes = (key, f"{a}.*.{c}", f"*.{b}.{c}", f"{a}.#", f"#.{c}")
    return set[int]().union(*(queues_of.get(shape, ()) for shape in shapes))
