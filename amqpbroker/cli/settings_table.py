"""Every setting of `amqpbroker serve`, once: whatever names them is made from this table.

    memory-limit                the key in a configuration file
    --memory-limit              the option
    AMQPBROKER_MEMORY_LIMIT     the environment variable
    Settings.memory_limit_bytes where the server finds it (`server/settings.py`)

To add a setting, add a row here and a field there, and run `make docs`.  Where a value comes from
is the part of `cli/sources.py`, what may be typed that of `cli/options.py`.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from amqpbroker.cli import options


class Shape(Enum):
    """How a setting is given."""

    VALUE = "one value"
    FLAG = "on or off; as an option it stands alone and means on"
    LIST = "values; the option may be given several times"


class Setting(NamedTuple):
    """One row of the table."""

    name: str
    field: str
    """Its field of `server.settings.Settings`, or with a dot that of one of its parts."""
    parse: Callable[[str], object]
    """From what was typed to the value; raises `argparse.ArgumentTypeError`."""
    default: str
    """As it would be typed; of a list, with commas; empty: none."""
    metavar: str
    help: str
    unit: str = ""
    """What a bare number means."""
    shape: Shape = Shape.VALUE
    environment: tuple[str, ...] = ()
    """Other variables than our own, which are RabbitMQ's."""
    is_secret: bool = False
    can_reload: bool = False
    """SIGHUP changes it in a running broker."""

    @property
    def option(self) -> str:
        """As it stands on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """As it stands in the environment."""
        return f"AMQPBROKER_{self.name.upper().replace('-', '_')}"

    @property
    def key(self) -> str:
        """As argparse keeps it."""
        return self.name.replace("-", "_")


_LISTENING: Final = (
    Setting(
        "host", "host", str, "127.0.0.1", "HOST",
        "address to listen on; empty for every address",
    ),
    Setting(
        "port", "port", options.port_or_off, "5672", "PORT",
        "port to listen on; 0 takes a free one, off leaves only TLS",
        environment=("RABBITMQ_NODE_PORT",),
    ),
)  # fmt: skip
_TLS: Final = (
    Setting(
        "tls-cert", "tls_certificate_file", str, "", "FILE",
        "the broker's certificate in PEM, and those between it and its CA; turns TLS on",
        can_reload=True,
    ),
    Setting(
        "tls-key", "tls_key_file", str, "", "FILE",
        "its private key in PEM, unless it stands in the same file",
        can_reload=True,
    ),
    Setting(
        "tls-key-password", "tls_key_password", str, "", "PASSWORD",
        "what the key is encrypted with; better set in the environment",
        is_secret=True, can_reload=True,
    ),
    Setting(
        "tls-port", "tls_port", options.port_or_off, "5671", "PORT",
        "port for TLS; 0 takes a free one, off speaks none",
    ),
    Setting(
        "tls-ca", "tls_ca_file", str, "", "FILE",
        "certificates in PEM of whoever vouches for clients",
        can_reload=True,
    ),
    Setting(
        "tls-verify", "tls_verify", options.tls_verify, "auto", "HOW",
        "whether clients show a certificate: none, optional or required; auto is optional with "
        "tls-ca, none without",
        can_reload=True,
    ),
    Setting(
        "tls-login-from", "tls_login_from", options.tls_login_from, "distinguished-name", "PART",
        "which part of its certificate names the user that a client logs in as with EXTERNAL: "
        "distinguished-name or common-name",
        can_reload=True,
    ),
)  # fmt: skip
_BEFORE_LOGIN: Final = (
    Setting(
        "handshake-timeout", "handshake_seconds", options.duration, "10s", "TIME",
        "how long a client may take from its first packet until it is logged in, TLS included",
        unit="seconds", can_reload=True,
    ),
    Setting(
        "initial-frame-max", "wire.initial_frame_max", options.whole(4096, 8192), "4096", "BYTES",
        "the largest frame before login, 4096 to 8192",
        unit="bytes", can_reload=True,
    ),
    Setting(
        "half-open-max", "half_open_max", options.count, "1000", "COUNT",
        "how many clients may be connected and not logged in; others wait for one of them",
        unit="connections", can_reload=True,
    ),
)  # fmt: skip
_STORE: Final = (
    Setting(
        "memory", "is_in_memory", options.on_or_off, "off", "on|off",
        "keep everything in memory, nothing on disk",
        shape=Shape.FLAG,
    ),
    Setting(
        "data-dir", "data_dir", str, "", "DIR",
        "where durable queues and their messages are kept; empty for amqpbroker/default in the "
        "user's state directory ($XDG_STATE_HOME, or ~/.local/state)",
    ),
    Setting(
        "fsync", "syncs", options.on_or_off, "on", "on|off",
        "confirm a message when the disk has it; off confirms when the operating system has it, "
        "and a power cut loses what was confirmed just before",
    ),
    Setting(
        "disk-free-limit", "disk_free_limit_bytes", options.size, "50MiB", "SIZE",
        "when the disk has less free than this, publishers wait",
        unit="bytes",
    ),
)  # fmt: skip
_MESSAGES: Final = (
    Setting(
        "memory-limit", "memory_limit_bytes", options.memory_limit, "60%", "SIZE",
        "when messages make the broker larger than this, publishers wait: bytes, with KiB, MiB "
        "or GiB, or a share of the machine's memory",
        unit="bytes",
    ),
    Setting(
        "max-message-size", "message_bytes_max", options.message_size, "16MiB", "SIZE",
        "the largest message body, at most 512MiB",
        unit="bytes",
    ),
)  # fmt: skip
_LOGIN: Final = (
    Setting(
        "default-user", "default_user", str, "guest", "NAME",
        "the user who may log in; guest may from this machine only",
        environment=("RABBITMQ_DEFAULT_USER",),
    ),
    Setting(
        "default-password", "default_password", str, "guest", "PASSWORD",
        "that user's password; better set in the environment",
        environment=("RABBITMQ_DEFAULT_PASS",), is_secret=True,
    ),
    Setting(
        "default-vhost", "default_vhost", str, "/", "NAME",
        "the virtual host that exists from the start",
        environment=("RABBITMQ_DEFAULT_VHOST",),
    ),
    Setting(
        "vhost", "other_vhosts", str, "", "NAME",
        "another virtual host; may be given several times",
        shape=Shape.LIST,
    ),
    Setting(
        "definitions", "definitions_file", str, "", "FILE",
        "users, virtual hosts, permissions, policies, exchanges, queues and bindings to have from "
        "the start, in JSON as RabbitMQ exports them",
    ),
)  # fmt: skip
_ADMINISTERING: Final = (
    Setting(
        "control", "control_path", str, "", "PATH",
        "the Unix socket over which 'amqpbroker user' and 'amqpbroker vhost' reach the broker; "
        "without it control.sock in the data directory, or a socket in XDG_RUNTIME_DIR",
    ),
)  # fmt: skip
_AFTER_LOGIN: Final = (
    Setting(
        "frame-max", "wire.frame_max", options.whole(4096, 131072), "131072", "BYTES",
        "the largest frame that is offered to clients, 4096 to 131072",
        unit="bytes", can_reload=True,
    ),
    Setting(
        "channel-max", "wire.channel_max", options.whole(1, 65535), "2047", "COUNT",
        "how many channels a connection may have, as offered to clients, at most 65535",
        unit="channels", can_reload=True,
    ),
    Setting(
        "heartbeat", "wire.heartbeat_seconds", options.whole(0, 65535), "60", "SECONDS",
        "the heartbeat that is offered to clients; 0 is none",
        unit="seconds", can_reload=True,
    ),
    Setting(
        "max-header-size", "node.header_bytes_max", options.header_size, "128KiB", "SIZE",
        "the largest properties of a message, headers included; a frame has no more",
        unit="bytes",
    ),
    Setting(
        "output-max", "output_bytes_max", options.output_size, "4MiB", "SIZE",
        "what a client may leave unread: from then on it is not read from, and from an eighth of "
        "it on it is given no messages; at least 64KiB",
        unit="bytes", can_reload=True,
    ),
    Setting(
        "connection-max", "node.connection_max", options.count_or_infinity, "100000", "COUNT",
        "how many connections may be open; infinity for no limit, here and below",
        unit="connections", can_reload=True,
    ),
    Setting(
        "channel-max-per-node", "node.channel_max_per_node", options.count_or_infinity,
        "1000000", "COUNT",
        "how many channels all connections together may have",
        unit="channels", can_reload=True,
    ),
    Setting(
        "consumer-max-per-channel", "node.consumer_max_per_channel", options.count_or_infinity,
        "100000", "COUNT",
        "how many consumers a channel may have",
        unit="consumers", can_reload=True,
    ),
    Setting(
        "consumer-timeout", "node.consumer_timeout_ms", options.count_or_infinity, "1800000",
        "MILLISECONDS",
        "how long a consumer may leave a message without an ack; then its channel is closed",
        unit="milliseconds", can_reload=True,
    ),
    Setting(
        "queue-max", "node.queue_max", options.count_or_infinity, "100000", "COUNT",
        "how many queues all virtual hosts together may have",
        unit="queues", can_reload=True,
    ),
    Setting(
        "exchange-max", "node.exchange_max", options.count_or_infinity, "100000", "COUNT",
        "how many exchanges all virtual hosts together may have, seven of each always there",
        unit="exchanges", can_reload=True,
    ),
    Setting(
        "binding-max", "node.binding_max", options.count_or_infinity, "1000000", "COUNT",
        "how many bindings all virtual hosts together may have",
        unit="bindings", can_reload=True,
    ),
    Setting(
        "topic-word-max", "node.topic_word_max", options.count_or_infinity, "256", "COUNT",
        "how many words a binding key of a topic exchange may have; its 255 bytes have no more "
        "than 256",
        unit="words", can_reload=True,
    ),
)  # fmt: skip
_WATCHING: Final = (
    Setting(
        "log-level", "log_level", options.log_level, "warning", "LEVEL",
        "what goes to standard error: debug, info, warning or error",
        can_reload=True,
    ),
    Setting(
        "event-exchange", "has_event_exchange", options.on_or_off, "off", "on|off",
        "tell in the exchange amq.rabbitmq.event of the default virtual host what comes and goes",
        shape=Shape.FLAG,
    ),
    Setting(
        "trace", "traced_vhosts", str, "", "VHOST",
        "copy every message of this virtual host to its exchange amq.rabbitmq.trace; may be given "
        "several times",
        shape=Shape.LIST,
    ),
    Setting(
        "emulate", "emulated", options.one_of("4.0", "3.13"), "4.0", "VERSION",
        "the RabbitMQ to answer like where versions differ: 4.0 or 3.13",
    ),
    Setting(
        "express", "has_express", options.on_or_off, "on", "on|off",
        "read what repeats by a shortcut; off is slower and must give the same answers, for "
        "finding out where they differ",
    ),
)  # fmt: skip

#: {title: its settings}, in the order in which help and documentation show them
SECTIONS: Final[Mapping[str, tuple[Setting, ...]]] = {
    "Listening": _LISTENING,
    "TLS": _TLS,
    "Store": _STORE,
    "Messages": _MESSAGES,
    "Users and virtual hosts": _LOGIN,
    "Administering it": _ADMINISTERING,
    "Limits before login": _BEFORE_LOGIN,
    "Limits after login": _AFTER_LOGIN,
    "Watching it": _WATCHING,
}
#: {name: its row}
SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name: setting for settings in SECTIONS.values() for setting in settings
}
