"""Receipts, sent by a Celery task some minutes after the payment."""

from queue import Queue

from celery import Celery

#: Customers may change their mind for so long, in seconds.
GRACE_SECONDS = 600


def make_app(url: str, outbox: Queue[int]) -> Celery:
    """The Celery application, and its task `send_receipt`, which puts mail into *outbox*."""
    app = Celery("shop", broker=url)
    app.conf.update(
        task_default_queue="receipts",
        task_ignore_result=True,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=False,
    )

    @app.task(name="send_receipt")
    def send_receipt(order_id: int) -> None:
        outbox.put(order_id)

    return app
