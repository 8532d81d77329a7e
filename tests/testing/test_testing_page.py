"""docs/testing.md keeps its promises: each of its examples is a test module that passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_pytest_plugin import PLUGIN, QUIET

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "docs" / "testing.md", ROOT / "README.md"]
EXAMPLE = re.compile(
    r"^<!-- test:[^\n]*-->\n```python\n(?P<code>.*?)^```\n", re.MULTILINE | re.DOTALL
)
FIXTURES = re.compile(r"^\| `(amqp_\w+)` \|", re.MULTILINE)

EXAMPLES = [
    pytest.param(found["code"], id=f"{page.name}-{number}")
    for page in PAGES
    for number, found in enumerate(EXAMPLE.finditer(page.read_text(encoding="utf-8")), start=1)
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_passes_as_it_stands(pytester: pytest.Pytester, code: str) -> None:
    expected = len(re.findall(r"^def test_", code, re.MULTILINE))
    rows = re.findall(r"parametrize\(\"\w+\", \[([^\]]*)\]", code)
    expected += sum(row.count(",") for row in rows)
    pytester.makepyfile(test_example=code)
    result = pytester.runpytest_inprocess(*PLUGIN, *QUIET, "--amqp-leaks=error")

    result.assert_outcomes(passed=expected)


def test_both_pages_have_examples() -> None:
    assert len(EXAMPLES) >= 7
    assert EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_page_names_every_fixture() -> None:
    plugin = (ROOT / "amqpbroker" / "testing" / "pytest_plugin.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")

    fixtures = set(re.findall(r"^def (amqp_\w+)", plugin, re.MULTILINE))
    assert fixtures - set(FIXTURES.findall(page)) == set()
