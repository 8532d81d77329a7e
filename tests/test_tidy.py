"""Sizes, words and names that are kept by a test, so that reviews can be about the code.

(T1) A file tells one story: 600 lines at most.  A function fits a screen: 70 lines at most.
(T2) No note to self stands in the code: what is left to do is an issue.
(T3) No test waits for time to pass, and none patches what it tests.
(T4) Nothing names the machine that it was written on.
(T5) A name says what a thing is: no helpers, managers, utilities.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE_DIRECTORIES = ("amqpbroker", "bench", "conformance", "interop", "scripts", "tests")
TEST_DIRECTORIES = ("conformance", "tests")

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# Written so that this file passes too.
NOTES_TO_SELF = re.compile(r"\b(TO[D]O|FIX[M]E|X{3}|HA[C]K)\b")
MACHINE_PATHS = re.compile(r"/(work|root|home|Users)/|/(opt/venv|var/tmp)\b")
WAITS = {"time.sleep", "trio.sleep", "asyncio.sleep", "sleep", "trio.sleep_until"}
EMPTY_CLASS_NAMES = re.compile(r"^(Base[A-Z]\w*|\w+(Manager|Helper|Utils))$")
EMPTY_MODULE_NAMES = {"utils", "util", "common", "misc", "helpers", "helper"}


def python_files(*directories: str) -> list[Path]:
    return [path for name in directories for path in sorted((ROOT / name).rglob("*.py"))]


def text_files() -> Iterator[Path]:
    """Yield all that a reader of the project meets, not only Python."""
    yield from python_files(*CODE_DIRECTORIES)
    for pattern in ("*.md", "*.toml", "Makefile", "docs/**/*.md", "scripts/*", ".ci/*"):
        found = sorted(ROOT.glob(pattern))
        yield from (path for path in found if path.is_file() and path.suffix != ".py")
    for name in ("conformance", "interop", "bench"):
        yield from sorted((ROOT / name).rglob("*.md"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def places_of(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def listed(faults: list[str]) -> str:
    return "".join(f"\n  {fault}" for fault in faults)


def test_every_file_tells_one_story() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in python_files(*CODE_DIRECTORIES)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]

    assert too_long == [], listed(too_long)


def test_every_function_fits_a_screen() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {count} lines"
        for path in python_files(*CODE_DIRECTORIES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (count := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]

    assert too_long == [], listed(too_long)


def test_nothing_is_left_as_a_note_to_self() -> None:
    places = places_of(NOTES_TO_SELF)

    assert places == [], listed(places)


def test_nothing_names_the_machine_it_was_written_on() -> None:
    places = places_of(MACHINE_PATHS)

    assert places == [], listed(places)


def test_no_test_waits_for_time_to_pass() -> None:
    waits = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in python_files(*TEST_DIRECTORIES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WAITS
    ]

    assert waits == [], listed(waits)


def test_no_test_patches_what_it_tests() -> None:
    patches = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in python_files(*TEST_DIRECTORIES)
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any(a.name.startswith("unittest") for a in node.names))
    ]

    assert patches == [], listed(patches)


def test_names_say_what_a_thing_is() -> None:
    classes = [
        f"{path.relative_to(ROOT)}:{node.lineno}: class {node.name}"
        for path in python_files(*CODE_DIRECTORIES)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and EMPTY_CLASS_NAMES.match(node.name)
    ]
    modules = [
        str(path.relative_to(ROOT))
        for path in python_files(*CODE_DIRECTORIES)
        if path.stem in EMPTY_MODULE_NAMES
    ]

    assert classes + modules == [], listed(classes + modules)


def test_every_test_is_a_sentence_that_asserts() -> None:
    """A test without an assertion passes whatever the code does."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in python_files("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not any(_asserts(inner) for inner in ast.walk(node))
    ]

    assert silent == [], listed(silent)


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    verb = ast.unparse(node.func).rsplit(".", 1)[-1]
    return verb.startswith(("assert_", "check", "expect", "raises", "run_state_machine"))


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert (ROOT / "amqpbroker" / "py.typed").exists()
