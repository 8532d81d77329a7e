"""The Python that runs the clients: one with pinned versions of them, made once and kept.

The environment lies in the user's cache directory, under a name that holds a digest of
``requirements.txt``: a changed file makes a new one.  It has nothing of ours in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from attrs import define

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
CLIENTS = ("aio-pika", "celery", "kombu", "pika")

_VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def cache_directory() -> Path:
    """Where downloads and environments are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    directory = Path(home) / "amqpbroker" / "interop"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@define(slots=False)
class Environment:
    """A Python interpreter and the clients that it can import."""

    python: Path

    @cached_property
    def versions(self) -> dict[str, str]:
        """{distribution: its version} for each of the clients that is installed."""
        command = [str(self.python), "-c", _VERSIONS, *CLIENTS]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def prepare(say: Callable[[str], None]) -> Environment:
    """Make the environment, unless it is there.

    Raises:
        subprocess.CalledProcessError: pip could not install what is needed; it says why.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(REQUIREMENTS.read_bytes() + version.encode()).hexdigest()[:12]
    directory = cache_directory() / f"python{version}-{digest}"
    python = directory / "bin" / "python"
    finished = directory / "finished"
    if not finished.exists():
        say(f"installing the clients of {REQUIREMENTS.name} into {directory}")
        shutil.rmtree(directory, ignore_errors=True)
        venv.create(directory, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-r", str(REQUIREMENTS)], check=True)
        finished.touch()
    return Environment(python)
