"""A Celery worker in a process of its own: tasks, a retry, a chord, and remote control."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import chain, chord, group

PATIENCE_SECONDS = 30.0


@contextmanager
def worker(directory: Path) -> Generator[str]:
    """Run a worker until the block ends; gives its node name."""
    node = f"interop-{uuid.uuid4().hex}@localhost"
    log = directory / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "_celery_tasks", "worker"]
    options = ["--pool=prefork", "--concurrency=2", "--loglevel=INFO", "-n", node]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command + options, cwd=Path(__file__).parent, stdout=output, stderr=output
        )
    try:
        yield node
    except BaseException:
        print(log.read_text(), file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)
    assert process.returncode == 0, f"the worker ended with {process.returncode}"


def use_the_worker(node: str) -> None:
    from _celery_tasks import add, app, fail, succeed_at_last, total

    assert add.delay(2, 3).get(PATIENCE_SECONDS) == 5
    chained: Any = chain(add.s(1, 2), add.s(4))
    assert chained().get(PATIENCE_SECONDS) == 7
    added = group(add.s(number, number) for number in range(10))().get(PATIENCE_SECONDS)
    assert added == [2 * number for number in range(10)], added
    assert succeed_at_last.delay().get(PATIENCE_SECONDS) == 2
    assert chord([add.s(n, n) for n in range(5)])(total.s()).get(PATIENCE_SECONDS) == 20
    try:
        fail.delay().get(PATIENCE_SECONDS)
    except ValueError as error:
        assert str(error) == "as it should", error
    else:
        raise AssertionError("a task that raises has a result")

    pong = app.control.ping(destination=[node], timeout=PATIENCE_SECONDS, limit=1)
    assert pong == [{node: {"ok": "pong"}}], pong
    registered = app.control.inspect([node], timeout=PATIENCE_SECONDS, limit=1).registered()
    assert registered is not None, "the worker did not answer"
    assert "_celery_tasks.add" in registered[node], registered


def delete_the_queue(queue: str) -> None:
    from _celery_tasks import app

    with app.connection_for_write() as connection:
        channel = connection.channel()
        channel.queue_delete(queue)
        channel.exchange_delete(queue)


def main(url: str) -> None:
    queue = f"interop-celery-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as directory:
        results = Path(directory) / "results"
        results.mkdir()
        os.environ |= {
            "INTEROP_CELERY_URL": url,
            "INTEROP_CELERY_QUEUE": queue,
            "INTEROP_CELERY_RESULTS": str(results),
        }
        with worker(Path(directory)) as node:
            use_the_worker(node)
        delete_the_queue(queue)


if __name__ == "__main__":
    main(sys.argv[1])
