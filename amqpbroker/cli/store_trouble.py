"""Why a store cannot be opened, and what to do about it, in one line."""

from amqpbroker.server.run import StoreError
from amqpbroker.storage.disk import StoreLocked
from amqpbroker.storage.scan import StoreDamaged


def explain(error: StoreError) -> str:
    """What is wrong with a store."""
    cause, path = error.__cause__, error.path
    if isinstance(cause, StoreLocked):
        return (
            f"another broker has the store {path} open: stop it, or give this one its own "
            "--data-dir, or --memory"
        )
    if isinstance(cause, StoreDamaged):
        return (
            f"the store {path} is damaged: {cause}. 'amqpbroker store check {path}' lists all that "
            f"is wrong; 'amqpbroker store repair {path}' keeps what can be read and drops the rest"
        )
    reason = cause.strerror if isinstance(cause, OSError) else cause
    return (
        f"cannot keep the store in {path}: {reason} (--data-dir takes a directory, --memory none)"
    )
