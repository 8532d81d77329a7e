"""The Celery application of celery_chord.py, imported by its worker and by its caller.

Both learn from the environment which broker, which queue and which directory for results.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, Task

app: Any = Celery("_celery_tasks", broker=os.environ["INTEROP_CELERY_URL"])
app.conf.update(
    # A chord needs a result backend that all processes share; files need no further server.
    result_backend=f"file://{os.environ['INTEROP_CELERY_RESULTS']}",
    result_chord_retry_interval=0.2,
    task_default_queue=os.environ["INTEROP_CELERY_QUEUE"],
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
)


@app.task
def add(left: int, right: int) -> int:
    return left + right


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def succeed_at_last(self: Task) -> int:
    """Fail twice, be retried, then tell how often that was."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return int(self.request.retries)


@app.task
def fail() -> None:
    raise ValueError("as it should")
