"""A work queue: with a prefetch of one a busy worker waits for nobody, and loses nothing."""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.spec import Basic, BasicProperties

JOB_COUNT = 20
PATIENCE_SECONDS = 15.0

Work = Callable[[bytes], bool]  # returns whether this worker goes on


class Worker(threading.Thread):
    """Takes jobs one by one until told to stop; what went wrong is in ``error``."""

    def __init__(self, url: str, queue: str, work: Work) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.queue = queue
        self.work = work
        self.error: BaseException | None = None
        self.is_consuming = threading.Event()

    def run(self) -> None:
        try:
            with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
                channel = connection.channel()
                channel.basic_qos(prefetch_count=1)
                channel.basic_consume(self.queue, self.on_job)
                self.is_consuming.set()
                channel.start_consuming()
        except Exception as error:  # noqa: BLE001 - told to the main thread
            self.error = error

    def on_job(
        self,
        channel: BlockingChannel,
        method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        goes_on = self.work(body)
        channel.basic_ack(method.delivery_tag)
        if not goes_on:
            channel.stop_consuming()


def main(url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        queue = f"interop-work-{uuid.uuid4().hex}"
        channel.queue_declare(queue, durable=True)
        share_the_work(url, channel, queue)
        give_back_what_a_dead_worker_held(url, channel, queue)
        channel.queue_delete(queue)


def share_the_work(url: str, channel: BlockingChannel, queue: str) -> None:
    """One worker holds its first job until the other has done all the rest."""
    slow_jobs: list[bytes] = []
    quick_jobs: list[bytes] = []
    slow_has_a_job = threading.Event()
    rest_is_done = threading.Event()

    def work_slowly(body: bytes) -> bool:
        slow_jobs.append(body)
        slow_has_a_job.set()
        assert rest_is_done.wait(PATIENCE_SECONDS), "the quick worker never finished"
        return False

    def work_quickly(body: bytes) -> bool:
        quick_jobs.append(body)
        return len(quick_jobs) < JOB_COUNT - 1

    slow = Worker(url, queue, work_slowly)
    slow.start()
    channel.basic_publish("", queue, b"job 0")
    assert slow_has_a_job.wait(PATIENCE_SECONDS), f"no job reached the first worker: {slow.error}"

    quick = Worker(url, queue, work_quickly)
    quick.start()
    for number in range(1, JOB_COUNT):
        channel.basic_publish("", queue, f"job {number}".encode())
    quick.join(PATIENCE_SECONDS)
    rest_is_done.set()
    slow.join(PATIENCE_SECONDS)

    assert (slow.error, quick.error) == (None, None), (slow.error, quick.error)
    assert slow_jobs == [b"job 0"], f"the busy worker was given {slow_jobs}"
    assert quick_jobs == [f"job {number}".encode() for number in range(1, JOB_COUNT)], quick_jobs


def give_back_what_a_dead_worker_held(url: str, channel: BlockingChannel, queue: str) -> None:
    doomed = pika.BlockingConnection(pika.URLParameters(url))
    channel.basic_publish("", queue, b"unlucky job")
    method, _, _ = next(doomed.channel().consume(queue, inactivity_timeout=PATIENCE_SECONDS))
    assert method is not None, "the doomed worker got no job"
    doomed.close()

    for method, _, body in channel.consume(queue, inactivity_timeout=PATIENCE_SECONDS):
        assert method is not None, "a dead worker's job never came back"
        assert (method.redelivered, body) == (True, b"unlucky job"), (method, body)
        channel.basic_ack(method.delivery_tag)
        break
    channel.cancel()


if __name__ == "__main__":
    main(sys.argv[1])
