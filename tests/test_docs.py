"""What the documents say is true: their examples run, their links lead somewhere.

An example is a fenced block of Python after a line ``<!-- example: ... -->``.  It runs as it
stands, but for the port, in a Python of its own against a broker of its own; what it prints is
what the line ``<!-- prints: ... -->`` after it says.  ``<!-- example: ..., serve --trace / -->``
names options that the broker is to be started with.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
URL_IN_PAGES = "amqp://guest:guest@127.0.0.1:5672/"
TLS_PORT_IN_PAGES = ":5671/"
EXAMPLE = re.compile(
    r"^<!-- example:[^\n]*?(?:, serve (?P<options>[^\n]*))? -->\n"
    r"```python\n(?P<code>.*?)^```\n(?:<!-- prints: (?P<output>.*?) -->)?",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)#]+)(?:#[^)]*)?\)")
NAMED_IN_FILE = re.compile(r"`(\w+)` in `((?:cli|engine|server|spec|wire)/\w+\.py)`")
RUN_SECONDS_MAX = 60

EXAMPLES = [
    pytest.param(
        found["code"],
        found["output"] or "",
        (found["options"] or "").split(),
        id=f"{page.name}-{number}",
    )
    for page in PAGES
    for number, found in enumerate(EXAMPLE.finditer(page.read_text(encoding="utf-8")), start=1)
]


@contextmanager
def serving(*options: str) -> Generator[list[str]]:
    """The URLs of a broker as the README starts it, on a free port."""
    command = [sys.executable, "-m", "amqpbroker", "serve", "--memory", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if "Server startup complete" in line:
                break
        urls = re.findall(r"amqps?://\S+", seen)
        assert urls, f"the broker did not say where it listens: {seen!r}"
        yield urls
        process.send_signal(signal.SIGTERM)
        assert process.wait(RUN_SECONDS_MAX) == 0


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands reach the broker."""
    return tmp_path_factory.mktemp("control") / "c"


@pytest.fixture(scope="module")
def broker_url(control: Path) -> Iterator[str]:
    """A broker as the README starts it, on a free port."""
    with serving("--control", str(control)) as urls:
        yield urls[0]


@pytest.fixture(scope="module")
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The port of a broker as docs/tls.md starts it, and the directory that has its certs/."""
    pytest.importorskip("cryptography")
    from amqpbroker.cli.main import main

    directory = tmp_path_factory.mktemp("tls")
    certs = directory / "certs"
    assert main(["certs", str(certs)]) == 0
    with serving(
        "--tls-cert", f"{certs}/server.pem", "--tls-key", f"{certs}/server-key.pem",
        "--tls-ca", f"{certs}/ca.pem", "--tls-port", "0", "--tls-login-from", "common-name",
    ) as urls:  # fmt: skip
        yield urls[1].rstrip("/").rpartition(":")[2], directory


def run_program(
    program: str, directory: Path, control: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in *directory*, in a Python of its own, that may use *control*."""
    environment = {name: value for name, value in os.environ.items() if name != "AMQPBROKER_MEMORY"}
    if control is not None:
        environment["AMQPBROKER_CONTROL"] = str(control)
    return subprocess.run(
        [sys.executable, "-"],
        input=program,
        capture_output=True,
        text=True,
        cwd=directory,
        env=environment,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )


@pytest.mark.parametrize(("code", "expected", "options"), EXAMPLES)
def test_an_example_runs_as_it_stands(
    code: str,
    expected: str,
    options: list[str],
    request: pytest.FixtureRequest,
    control: Path,
) -> None:
    if "aio_pika" in code:
        pytest.importorskip("aio_pika")
    if TLS_PORT_IN_PAGES in code:
        port, directory = request.getfixturevalue("tls_port")
        program = code.replace(TLS_PORT_IN_PAGES, f":{port}/")
        run = run_program(program, directory)
    elif options:
        with serving(*options) as urls:
            run = run_program(code.replace(URL_IN_PAGES, urls[0]), ROOT)
    else:
        url = request.getfixturevalue("broker_url")
        has_own_broker = '"serve"' in code  # the control socket is the other one's
        program = code.replace(URL_IN_PAGES, url)
        run = run_program(program, ROOT, None if has_own_broker else control)

    assert (run.returncode, run.stdout.strip()) == (0, expected), run.stderr


def test_the_readme_has_an_example() -> None:
    assert EXAMPLE.search((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [found["target"] for found in LINK.finditer(page.read_text(encoding="utf-8"))]
    broken = [
        target
        for target in targets
        if not re.match(r"\w+:", target) and not (page.parent / target).exists()
    ]

    assert broken == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}

    assert {found["target"] for found in LINK.finditer(index)} & pages == pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_limits_that_a_page_names_exist(page: Path) -> None:
    """A name in capitals, or a setting, before the file that it stands in."""
    named = NAMED_IN_FILE.findall(page.read_text(encoding="utf-8"))
    missing = [
        (name, file)
        for name, file in named
        if not re.search(rf"\b{name}\b", (ROOT / "amqpbroker" / file).read_text(encoding="utf-8"))
    ]

    assert missing == []


def test_the_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^(scripts/\S+)", text, re.MULTILINE)

    assert commands == ["scripts/serve", "scripts/test"]
    assert [command for command in commands if not (ROOT / command).exists()] == []


@pytest.mark.parametrize("script", ["summaries.py", "settings_pages.py"])
def test_what_is_made_from_something_else_is_up_to_date(script: str) -> None:
    check = [sys.executable, ROOT / "scripts" / script, "--check"]
    run = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (run.returncode, run.stderr) == (0, "")
