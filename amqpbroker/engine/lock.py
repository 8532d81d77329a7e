"""What is answered to who asks for a queue that is exclusive to another connection."""

from amqpbroker.spec.errors import resource_locked


def locked(queue: object) -> Exception:
    """405, for a queue that is exclusive to another connection (S-160)."""
    return resource_locked(
        f"cannot obtain exclusive access to locked {queue}. It could be originally declared on "
        "another connection or the exclusive property value does not match that of the original "
        "declaration."
    )
