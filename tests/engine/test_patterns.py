from __future__ import annotations

import pytest

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.patterns import PATTERN_CHARACTERS_MAX, Pattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        (".*", "", True),
        (".*", "jobs\n", True),
        ("", "", True),
        ("", "jobs", False),
        ("", "\n", False),
        ("^$", "", True),
        ("^$", "jobs", False),
        ("ob", "jobs", True),  # found anywhere
        ("^ob", "jobs", False),
        ("^(jobs|mail)-[0-9]+$", "mail-17", True),
        ("^(jobs|mail)-[0-9]+$", "mail-17-x", False),
        ("jobs", "JOBS", False),
        (r"\.", "a.b", True),
        ("é$", "café", True),
        ("^[^.]*$", "caf\udce9", True),  # bytes that are no text
    ],
)
def test_a_pattern_is_found_anywhere_and_the_empty_one_in_nothing(
    pattern: str, name: str, expected: bool
) -> None:
    assert Pattern(pattern).matches(name) is expected


@pytest.mark.parametrize(("name", "expected"), [("a.b-in-v", True), ("axb-in-v", False)])
def test_variables_stand_for_themselves(name: str, expected: bool) -> None:
    pattern = Pattern("^{username}-in-{vhost}$", {"username": "a.b", "vhost": "v"})

    assert pattern.matches(name) is expected
    assert repr(pattern) == "<Pattern '^{username}-in-{vhost}$'>"


@pytest.mark.parametrize("pattern", ["(", "*", "[a", "a{2,1}", "(?P<1>a)", "\\"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(OperatorError, match="is not a regular expression"):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["a" * (PATTERN_CHARACTERS_MAX + 1), "(" * 1000 + ")" * 1000])
def test_a_pattern_that_is_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(OperatorError, match="at most 1024 characters"):
        Pattern(pattern)


def test_a_pattern_that_is_nested_too_deeply_is_refused_or_read() -> None:
    pattern = "(?:" * 240 + "a" + ")" * 240

    assert Pattern(pattern).matches("a")


# Patterns of policies


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("an", "banana", True),
        ("^an", "banana", False),
        ("", "", True),
        ("(?i)BAN", "banana", True),
        ("^[[:alpha:]]+$", "banana", True),
        ("^[[:digit:]_]+$", "12_3", True),
        ("^[^[:space:]]+$", "a b", False),
        ("^[a[]$", "[", True),
        ("^[]a]$", "]", True),
        ("^[^]a]$", "]", False),
        (r"^\[a\]$", "[a]", True),
        (r"^[\]x]$", "]", True),
        ("^[a&&b||c~~d]$", "&", True),
        ("^[+--]$", ",", True),
        ("^[[:alpha:][:digit:]-]+$", "a-1", True),
    ],
)
def test_what_a_pattern_of_a_policy_is_found_in(pattern: str, name: str, expected: bool) -> None:
    assert (compile_pattern(pattern).search(name) is not None) == expected


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("ä(", '"missing )",3'),
        ("a)", '"unmatched parentheses",1'),
        ("[a", '"missing terminating ] for character class",2'),
        ("a**", '"nothing to repeat",2'),
        ("a\\", r'"\\ at end of pattern",2'),
        ("a{9999999999}", '"the repetition number is too large",0'),
        ("[[:nobody:]]", '"unknown POSIX class name",0'),
        (r"\K", r'"bad escape \K",0'),
    ],
)
def test_a_pattern_that_is_none_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(OperatorError) as caught:
        compile_pattern(pattern)

    assert str(caught.value) == (
        f"pattern should be regular expression but is invalid: {{{reason}}}"
    )
