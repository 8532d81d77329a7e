"""The clients' own tests, unmodified, and what it takes to point them at the broker under test.

aio-pika's come with its source distribution, which pip downloads; they ask Docker for a broker, so
``docker.py`` stands in for Docker.  pika's are in its repository only, so a checkout is given;
they connect to 127.0.0.1:5672, so ``redirect/`` sends them elsewhere.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from interop import manifest, process
from interop.broker import Broker
from interop.docker import container_maker, docker_stand_in
from interop.environment import Environment, cache_directory
from interop.results import Result, Verdict
from interop.run import Entry, Run

HERE = Path(__file__).parent
AIO_PIKA_SECONDS_MAX = 1500.0
PIKA_SECONDS_MAX = 300.0
TEST_SECONDS_MAX = 60  # none needs a third of that on an idle machine

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
    try:
        directory = _aio_pika_source(run.environment)
    except subprocess.CalledProcessError as error:
        result.verdict = Verdict.FAILED
        result.remark = f"its source could not be downloaded: {error}"
        return result
    make_container = container_maker(run.url, _AIO_PIKA_BROKER_OPTIONS)
    with docker_stand_in(make_container) as (stand_in, docker_host):
        suite = _Suite(
            "aio-pika",
            directory,
            ("tests", "-n", "2", "--dist", "loadfile", "-o", "log_cli=false"),
            {"DOCKER_HOST": docker_host, "PYTHONPATH": str(HERE / "plugin")},
            AIO_PIKA_SECONDS_MAX,
        )
        _perform(run, suite, result)
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
            suite = _pika_suite(directory.resolve(), broker)
            _perform(run, suite, result)
        _add_faults(result, broker.faults())
    return result


@frozen
class _Suite:
    """How to start a suite of tests, and for how long it may run."""

    name: str
    directory: Path
    arguments: tuple[str, ...]  # for pytest
    environment: Mapping[str, str]
    seconds_max: float


def _pika_suite(directory: Path, broker: Broker) -> _Suite:
    address = urlsplit(broker.url)
    return _Suite(
        "pika",
        directory,
        ("tests/acceptance",),
        {
            "PYTHONPATH": f"{HERE / 'redirect'}:{HERE / 'plugin'}",
            "INTEROP_HOST": address.hostname or "127.0.0.1",
            "INTEROP_PORT": str(address.port or 5672),
        },
        PIKA_SECONDS_MAX,
    )


def _perform(run: Run, suite: _Suite, result: Result) -> None:
    """Run *suite*, hold its outcomes against the manifest, and put that into *result*."""
    entries = manifest.load(suite.name, given=run.url is not None)
    limits = {entry.expression: entry.seconds_max for entry in entries if entry.seconds_max}
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report"
        noted = {"INTEROP_REPORT": str(report), "INTEROP_TIME_LIMITS": json.dumps(limits)}
        outcome = process.run(
            _pytest(run.environment, suite.arguments),
            seconds_max=suite.seconds_max,
            directory=suite.directory,
            environment={**suite.environment, **noted},
            on_progress=lambda seconds: run.say(_progress(_read(report), seconds)),
        )
        outcomes = _read(report)
    judgement = manifest.judge(outcomes, entries, finished=outcome.status in {0, 1})
    if outcome.status not in {0, 1}:
        judgement.faults.insert(0, f"the suite did not run to its end: {outcome.reason()}")
        result.details.append(outcome.last_lines())
    result.seconds = outcome.seconds
    result.verdict = Verdict.FAILED if judgement.faults else Verdict.PASSED
    result.remark = judgement.remark()
    result.details += judgement.faults


def _pytest(python: Environment, arguments: Sequence[str]) -> list[str | Path]:
    options = ["-q", "-p", "interop_report", "-p", "no:cacheprovider"]
    # Rendering source lines while aio-pika's tests trace memory takes a second each.
    options += ["--timeout", str(TEST_SECONDS_MAX), "--tb", "native"]
    return [python.python, "-m", "pytest", *options, *arguments]


def _read(report: Path) -> list[manifest.TestOutcome]:
    """Read what the plugin noted: the last note on each test counts."""
    if not report.exists():
        return []
    lines = report.read_text(encoding="utf-8").splitlines()
    notes = {note["test"]: manifest.TestOutcome(**note) for note in map(json.loads, lines)}
    return list(notes.values())


def _progress(outcomes: Sequence[manifest.TestOutcome], seconds: float) -> str:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for outcome in outcomes:
        if outcome.outcome in counts:
            counts[outcome.outcome] += 1
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"  {seconds:.0f} s: {told}"


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
