"""What a server is started with."""

from typing import Final

import attrs

from amqpbroker.engine.node_limits import DEFAULT_NODE_LIMITS, NodeLimits
from amqpbroker.server.outbox import DEFAULT_OVERFULL_BYTES
from amqpbroker.server.tls import Certificates
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX
from amqpbroker.wire.limits import DEFAULT_WIRE_LIMITS, WireLimits

#: RabbitMQ 4's share of the machine's memory that messages may take (S-351).
DEFAULT_MEMORY_SHARE: Final = 0.6


@attrs.frozen
class Settings:
    """The settings of `amqpbroker serve`, checked (`cli/settings_table.py`)."""

    host: str = "127.0.0.1"
    port: int | None = 5672  # None: nothing but TLS
    tls_port: int | None = 5671  # None: no TLS, whatever certificates there are
    tls_certificate_file: str = ""  # empty: no TLS
    tls_key_file: str = ""
    tls_key_password: str = attrs.field(default="", repr=False)
    tls_ca_file: str = ""
    tls_verify: str = "auto"
    tls_login_from: str = "distinguished-name"
    handshake_seconds: float = 10.0  # from accept to an open connection (S-017)
    half_open_max: int = 1000  # clients between accept and an open connection
    wire: WireLimits = DEFAULT_WIRE_LIMITS  # of each connection
    node: NodeLimits = DEFAULT_NODE_LIMITS  # of the whole broker
    output_bytes_max: int = DEFAULT_OVERFULL_BYTES  # what a client may leave unread
    is_in_memory: bool = False  # nothing is kept on disk
    data_dir: str = ""  # where it is kept otherwise; empty: in the user's state directory
    syncs: bool = True  # a confirm waits until the disk has the message
    disk_free_limit_bytes: int = 50 * 1024 * 1024  # with less, publishers wait
    memory_limit_bytes: int = 1024 * 1024 * 1024  # of this process, messages included
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX
    default_user: str = "guest"
    default_password: str = attrs.field(default="guest", repr=False)
    default_vhost: str = "/"
    other_vhosts: tuple[str, ...] = ()
    control_path: str = ""  # of the control socket; empty: where it mostly is
    has_event_exchange: bool = False  # amq.rabbitmq.event tells what comes and goes
    emulated: str = "4.0"  # the RabbitMQ that it answers like: `engine/emulation.py`
    traced_vhosts: tuple[str, ...] = ()  # of which the firehose tells from the start
    definitions_file: str = ""  # what there is from the start besides; empty: nothing
    log_level: str = "warning"
    has_express: bool = True  # the express lane is used (`wire/express.py`)

    @property
    def certificates(self) -> Certificates | None:
        """The files for TLS; None when it is not spoken."""
        if not self.tls_certificate_file or self.tls_port is None:
            return None
        verify = self.tls_verify
        if verify == "auto":
            verify = "optional" if self.tls_ca_file else "none"
        return Certificates(
            self.tls_certificate_file,
            self.tls_key_file,
            self.tls_key_password,
            self.tls_ca_file,
            verify,
        )

    @property
    def vhost_names(self) -> tuple[str, ...]:
        """The virtual hosts that exist from the start."""
        return tuple(dict.fromkeys((self.default_vhost, *self.other_vhosts, *self.traced_vhosts)))
