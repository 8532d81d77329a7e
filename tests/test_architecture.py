"""Imports go downwards, and the lower layers touch nothing of the world.

The table below is the one of docs/architecture.md.  Every import counts, also one inside a
function or under ``TYPE_CHECKING``: a name in an annotation is a dependency of the reader.

(A1) A layer imports only the layers that its row names.
(A2) `spec`, `wire` and `engine` see no clock, dice, file, socket, log, thread or event loop: the
     same calls give the same broker, byte for byte.
(A3) Nothing that is needed only in tests is imported at run time.
(A4) Every module says in its docstring what it knows.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "amqpbroker"

LAYERS: dict[str, set[str]] = {
    "spec": set(),
    "wire": {"spec"},
    "engine": {"spec"},
    "storage": {"spec", "engine"},
    "server": {"spec", "wire", "engine", "storage"},
    "management": {"spec", "engine", "server"},
    "testing": {"spec", "wire", "engine", "storage", "server", "management"},
    "cli": {"spec", "wire", "engine", "storage", "server", "management", "testing"},
}
"""{layer: the layers it may import besides itself}"""

NARROWED = {
    ("storage", "engine"): {"ports"},
    ("cli", "testing"): {
        "conversation",
        "fuzz",
        "http_api",
        "local_broker",
        "recorder",
        "replayer",
    },
}
"""{(layer, imported layer): the only modules of it that may be imported}"""

PURE_LAYERS = {"spec", "wire", "engine"}

ALLOWED_LIBRARIES: dict[str, set[str]] = {
    "spec": {"attr", "attrs"},
    "wire": {"attr", "attrs"},
    "engine": {"attr", "attrs"},
    "storage": {"attr", "attrs"},
    "server": {"attr", "attrs", "trio"},
    "management": {"attr", "attrs", "trio"},
    "testing": {"attr", "attrs", "trio", "pytest"},
    "cli": {"attr", "attrs", "trio"},
}
"""{layer: libraries outside the standard library it may import}; new ones: docs/decisions first"""

WORLDLY = set(
    """
    asyncio concurrent contextvars ctypes datetime fcntl getpass glob http importlib io logging
    mmap multiprocessing os pathlib platform queue random resource sched secrets select selectors
    shutil signal socket socketserver sqlite3 ssl subprocess tempfile threading time urllib uuid
    warnings
    """.split()
)
"""Standard modules through which a clock, dice, files, sockets, logs or threads come in."""

WORLDLY_BUILTINS = {"breakpoint", "input", "open", "print"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    """Tell the layer that *path* belongs to; "" for the package's own top level."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, full dotted name) for everything that *path* imports, at any depth."""
    package = ["amqpbroker", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{stem}.{alias.name}"


def upward_imports(path: Path) -> Iterator[str]:
    """Yield a sentence for each import of *path* that its layer's row does not allow."""
    layer = layer_of(path)
    if not layer:
        return
    place = path.relative_to(ROOT)
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "amqpbroker":
            if parts[0] not in sys.stdlib_module_names | ALLOWED_LIBRARIES[layer]:
                yield f"{place}:{line}: {layer}/ may not import the library {parts[0]}"
            continue
        target = parts[1] if len(parts) > 1 else ""
        if target in {layer, "__version__"}:
            continue
        only = NARROWED.get((layer, target))
        if target not in LAYERS[layer]:
            allowed = ", ".join(sorted(LAYERS[layer])) or "nothing"
            yield f"{place}:{line}: {layer}/ imports {name}; besides itself it may import {allowed}"
        elif only is not None and (len(parts) < 3 or parts[2] not in only):
            yield f"{place}:{line}: of {target}/, {layer}/ may import only {', '.join(only)}"


def worldly_uses(path: Path) -> Iterator[str]:
    """Yield a sentence for each way in which *path*, of a pure layer, touches the world."""
    place = path.relative_to(ROOT)
    for line, name in imports_of(path):
        if name.split(".")[0] in WORLDLY:
            yield f"{place}:{line}: imports {name}; it is given by the caller instead (A2)"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor):
            yield f"{place}:{node.lineno}: is async; only server/ waits (A2)"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in WORLDLY_BUILTINS:
                yield f"{place}:{node.lineno}: calls {node.func.id}() (A2)"


def sentences(faults: Iterator[str]) -> str:
    return "".join(f"\n  {fault}" for fault in faults)


def test_every_directory_of_the_package_is_a_layer_of_the_table() -> None:
    expected = set(LAYERS)

    assert {layer_of(path) for path in MODULES} - {""} <= expected


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_downwards(layer: str) -> None:
    faults = sentences(
        fault for path in MODULES if layer_of(path) == layer for fault in upward_imports(path)
    )

    assert not faults, f"imports that the table of layers does not allow (A1):{faults}"


@pytest.mark.parametrize("layer", sorted(PURE_LAYERS))
def test_the_lower_layers_touch_nothing_of_the_world(layer: str) -> None:
    faults = sentences(
        fault for path in MODULES if layer_of(path) == layer for fault in worldly_uses(path)
    )

    assert not faults, f"{layer}/ must give the same answers to the same calls:{faults}"


def test_the_independent_codec_stays_a_witness() -> None:
    faults = sentences(
        f"{path.relative_to(ROOT)}:{line}: imports {name} (docs/decisions/002)"
        for path in MODULES
        for line, name in imports_of(path)
        if name.split(".")[0] in {"pamqp", "pika", "aio_pika", "aiormq", "hypothesis"}
    )

    assert not faults, f"needed only in tests (A3):{faults}"


def test_every_module_says_what_it_knows() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert silent == [], "modules without a docstring: " + ", ".join(silent)


def test_every_package_directory_is_a_package() -> None:
    missing = [
        str(path.parent.relative_to(ROOT))
        for path in MODULES
        if not (path.parent / "__init__.py").exists()
    ]

    assert missing == [], "directories without __init__.py: " + ", ".join(missing)
