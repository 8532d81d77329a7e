"""Programs for other languages: copied to the cache, built there once, then run as any other.

Each does the ten core scenarios that README.md lists.  Where the language's tools are not
installed it is skipped, and the table says which are missing.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from functools import partial
from pathlib import Path

from attrs import frozen

from interop import process
from interop.environment import cache_directory
from interop.results import Result, Verdict
from interop.run import Entry, Run, run_command

HERE = Path(__file__).parent
BUILD_SECONDS_MAX = 300.0


@frozen
class Toolchain:
    """A directory of this one, and how what is in it is built and run."""

    name: str
    client: str
    pinned: tuple[str, str]  # file, and the regular expression of the client's version in it
    tools: tuple[str, ...]  # programs that must be on the path
    build: tuple[str, ...]
    run: tuple[str, ...]  # the broker's URL follows


TOOLCHAINS = (
    Toolchain(
        "node",
        "amqplib",
        ("package.json", r'"amqplib": "([^"]+)"'),
        ("node", "npm"),
        ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"),
        ("node", "core.mjs"),
    ),
    Toolchain(
        "go",
        "amqp091-go",
        ("go.mod", r"amqp091-go v(\S+)"),
        ("go",),
        ("go", "build", "-o", "core", "."),
        ("./core",),
    ),
    Toolchain(
        "java",
        "amqp-client",
        ("pom.xml", r"amqp-client</artifactId>\s*<version>([^<]+)"),
        ("java", "javac", "mvn"),
        ("mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"),
        ("java", "-cp", "lib/*", "Core.java"),
    ),
)


def entries() -> list[Entry]:
    return [
        Entry(
            toolchain.name,
            toolchain.client,
            f"The core scenarios with {toolchain.client}.",
            partial(_perform, toolchain),
        )
        for toolchain in TOOLCHAINS
    ]


def _perform(toolchain: Toolchain, run: Run) -> Result:
    client = f"{toolchain.client} {_version(toolchain)}"
    missing = [tool for tool in toolchain.tools if shutil.which(tool) is None]
    if missing:
        remark = f"needs {' and '.join(missing)}, not on the path"
        return Result(toolchain.name, client, Verdict.SKIPPED, remark=remark)
    directory = _directory(toolchain)
    finished = directory / ".finished"
    if not finished.exists():
        run.say(f"building {toolchain.name} in {directory}")
        built = process.run(toolchain.build, seconds_max=BUILD_SECONDS_MAX, directory=directory)
        if not built.succeeded:
            remark = f"not built: {built.reason()}"
            details = [built.last_lines()]
            return Result(toolchain.name, client, Verdict.FAILED, built.seconds, remark, details)
        finished.touch()
    return run_command(run, toolchain.name, client, toolchain.run, directory)


def _version(toolchain: Toolchain) -> str:
    file, expression = toolchain.pinned
    found = re.search(expression, (HERE / toolchain.name / file).read_text(encoding="utf-8"))
    return found[1] if found else "(unpinned)"


def _directory(toolchain: Toolchain) -> Path:
    """The program's directory in the cache, made anew when the program or its tools change."""
    digest = hashlib.sha256()
    files = sorted(path for path in (HERE / toolchain.name).iterdir() if path.is_file())
    for file in files:
        digest.update(file.read_bytes())
    for tool in toolchain.tools:
        digest.update(str(shutil.which(tool)).encode())
    directory = cache_directory() / f"{toolchain.name}-{digest.hexdigest()[:12]}"
    directory.mkdir(exist_ok=True)
    for file in files:
        shutil.copy2(file, directory)
    return directory
