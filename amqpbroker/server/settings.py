"""What a server is started with."""

from typing import Final

import attrs

from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX

#: RabbitMQ 4's share of the machine's memory that messages may take (S-351).
DEFAULT_MEMORY_SHARE: Final = 0.6


@attrs.frozen
class Settings:
    """The settings of `amqpbroker serve`, checked (`cli/settings_table.py`)."""

    host: str = "127.0.0.1"
    port: int = 5672
    is_in_memory: bool = False  # nothing is kept on disk
    memory_limit_bytes: int = 1024 * 1024 * 1024  # of this process, messages included
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX
    default_user: str = "guest"
    default_password: str = attrs.field(default="guest", repr=False)
    default_vhost: str = "/"
    other_vhosts: tuple[str, ...] = ()
    log_level: str = "warning"
    has_express: bool = True  # the express lane is used (`wire/express.py`)

    @property
    def vhost_names(self) -> tuple[str, ...]:
        """The virtual hosts that exist from the start."""
        return tuple(dict.fromkeys((self.default_vhost, *self.other_vhosts)))
