"""Everything that can be run: the programs for Python, the clients' suites, other languages.

A program is a file ``programs/CLIENT_SUBJECT.py``; that it is there is all that is needed.  Its
docstring's first line is its summary, and CLIENT the distribution that it uses.
"""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

from interop import suites, toolchains
from interop.environment import CLIENTS
from interop.results import Result, Verdict
from interop.run import Entry, Run, run_command

PROGRAMS = Path(__file__).parent / "programs"


def entries() -> list[Entry]:
    """All that there is, the quick ones first."""
    return [*programs(), *toolchains.entries(), *suites.entries()]


def programs() -> list[Entry]:
    """The Python programs; a file whose name begins with ``_`` is part of another."""
    return [_program(path) for path in sorted(PROGRAMS.glob("[a-z]*.py"))]


def _program(path: Path) -> Entry:
    summary = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    client = next(name for name in CLIENTS if path.stem.startswith(name.replace("-", "_") + "_"))
    return Entry(path.stem, client, summary.partition("\n")[0], partial(_run_program, path, client))


def _run_program(path: Path, client: str, run: Run) -> Result:
    if client not in run.environment.versions:
        remark = f"{run.environment.python} cannot import {client}"
        return Result(path.stem, client, Verdict.SKIPPED, remark=remark)
    command = [run.environment.python, path]
    return run_command(run, path.stem, run.client(client), command, path.parent)
