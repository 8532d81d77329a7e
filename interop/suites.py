"""The clients' own tests, unmodified, and what it takes to point them at the broker under test.

aio-pika's come with its source distribution, which pip downloads; they ask Docker for a broker, so
``docker.py`` stands in for Docker.  pika's are in its repository only, so a checkout is given;
they connect to 127.0.0.1:5672, so ``redirect/`` sends them elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from interop.broker import Broker
from interop.docker import container_maker, docker_stand_in
from interop.environment import Environment, cache_directory
from interop.pytest_suite import PLUGIN, Suite, perform
from interop.results import Result, Verdict
from interop.run import Entry, Run

REDIRECT = Path(__file__).parent / "redirect"
AIO_PIKA_SECONDS_MAX = 1500.0
PIKA_SECONDS_MAX = 300.0

# The RabbitMQ that aio-pika's tests ask for takes messages of this size.
_AIO_PIKA_BROKER_OPTIONS = ("--max-message-size", "128MiB")
_LOOPBACK = {"127.0.0.1", "localhost"}


def entries() -> list[Entry]:
    return [
        Entry("pika", "pika", "pika's acceptance tests, from a checkout: --suite DIR", run_pika),
        Entry("aio-pika", "aio-pika", "aio-pika's own tests, downloaded with pip", run_aio_pika),
    ]


def run_aio_pika(run: Run) -> Result:
    """Run the tests of the very version of aio-pika that the programs use."""
    result = Result("aio-pika", run.client("aio-pika"), Verdict.SKIPPED)
    if (remark := _unusable(run)) is not None:
        result.remark = remark
        return result
    if "aio-pika" not in run.environment.versions:
        result.remark = f"{run.environment.python} cannot import aio-pika"
        return result
    directory = _aio_pika_source(run.environment)
    given = run.url is not None
    # Two processes, for the tests mostly sleep.  Each has a broker of its own if that is ours; one
    # that is given they share, and some files use the same names of queues in all their tests.
    dealt_out = "loadfile" if given else "worksteal"
    make_container = container_maker(run.url, _AIO_PIKA_BROKER_OPTIONS)
    with docker_stand_in(make_container) as (stand_in, docker_host):
        suite = Suite(
            "aio-pika",
            run.environment.python,
            directory,
            "tests",
            options=("-o", "log_cli=false"),
            parallel=("-n", "2", "--dist", dealt_out),
            environment={"DOCKER_HOST": docker_host, "PYTHONPATH": str(PLUGIN)},
            seconds_max=AIO_PIKA_SECONDS_MAX,
        )
        perform(suite, given=given, say=run.say, result=result)
    _add_faults(result, stand_in.faults)
    return result


def run_pika(run: Run) -> Result:
    """Run the acceptance tests of the checkout, against the pika that is in it."""
    directory = run.suite_directory
    result = Result("pika", "pika of the checkout", Verdict.SKIPPED)
    if directory is None:
        result.client = "pika"
        result.remark = "needs a checkout of pika's repository: --suite DIR"
    elif (remark := _unusable(run)) is not None:
        result.remark = remark
    else:
        with run.broker() as broker:
            suite = _pika_suite(run.environment, directory.resolve(), broker)
            perform(suite, given=run.url is not None, say=run.say, result=result)
        _add_faults(result, broker.faults())
    return result


def _pika_suite(python: Environment, directory: Path, broker: Broker) -> Suite:
    address = urlsplit(broker.url)
    return Suite(
        "pika",
        python.python,
        directory,
        "tests/acceptance",
        options=(),
        parallel=(),
        environment={
            "PYTHONPATH": f"{REDIRECT}:{PLUGIN}",
            "INTEROP_HOST": address.hostname or "127.0.0.1",
            "INTEROP_PORT": str(address.port or 5672),
        },
        seconds_max=PIKA_SECONDS_MAX,
    )


def _aio_pika_source(python: Environment) -> Path:
    """Unpack the source distribution, downloading it if that was not done before.

    Raises:
        subprocess.CalledProcessError: pip could not download it.
    """
    release = f"aio_pika-{python.versions['aio-pika']}"
    directory = cache_directory() / release
    if not directory.exists():
        with tempfile.TemporaryDirectory(dir=cache_directory()) as scratch:
            command = [str(python.python), "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--disable-pip-version-check", "--no-binary", "aio-pika", "-d", scratch]
            command.append(f"aio-pika=={python.versions['aio-pika']}")
            subprocess.run(command, check=True)
            (archive,) = Path(scratch).glob("*.tar.gz")
            # Not tarfile with a filter: Debian 12's Python, 3.11.2, does not know filters.
            shutil.unpack_archive(archive, scratch)
            shutil.move(Path(scratch) / release, directory)
    return directory


def _unusable(run: Run) -> str | None:
    """Tell why the suites, which have an address written into them, cannot use a given broker."""
    if run.url is None:
        return None
    url = urlsplit(run.url)
    if url.hostname not in _LOOPBACK or url.path not in {"", "/", "/%2f", "/%2F"}:
        return "its tests use guest at 127.0.0.1, virtual host /, and no other broker"
    return None


def _add_faults(result: Result, faults: Sequence[str]) -> None:
    if faults:
        result.verdict = Verdict.FAILED
        result.details += faults
