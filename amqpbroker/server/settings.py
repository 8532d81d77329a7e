"""What a server is started with."""

from typing import Final

import attrs

from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX

#: RabbitMQ 4's share of the machine's memory that messages may take (S-351).
DEFAULT_MEMORY_SHARE: Final = 0.6


@attrs.frozen
class Settings:
    """The options of `amqpbroker serve`, checked."""

    host: str = "127.0.0.1"
    port: int = 5672
    memory_limit_bytes: int = 1024 * 1024 * 1024  # of this process, messages included
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX
    has_express: bool = True  # the express lane is used (`wire/express.py`)
    default_user: str = "guest"
    default_password: str = attrs.field(default="guest", repr=False)
    vhost_names: tuple[str, ...] = ("/",)
