"""The numbers of AMQP 0-9-1, and RabbitMQ's limits around them.

Sources: the AMQP 0-9-1 specification, sections 2.3 and 4.2; RabbitMQ's limits are S-031, S-036,
S-062 and S-198 of the behaviour reference.
"""

from enum import IntEnum

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

FRAME_METHOD = 1
FRAME_HEADER = 2
FRAME_BODY = 3
FRAME_HEARTBEAT = 8
FRAME_END = 0xCE
FRAME_HEAD_BYTES = 7  # type, channel, payload size
FRAME_OVERHEAD_BYTES = 8  # the head, and the end octet

#: The least frame-max that may be negotiated, and the limit before it is (RabbitMQ 4.0: 4,096).
FRAME_MIN_BYTES = 4096
#: The server's proposals in connection.tune.
DEFAULT_FRAME_MAX = 131072
DEFAULT_CHANNEL_MAX = 2047
DEFAULT_HEARTBEAT_SECONDS = 60
#: The largest body of one message, in bytes (RabbitMQ 4.x).
DEFAULT_MESSAGE_BYTES_MAX = 16 * 1024 * 1024
#: What no configuration may exceed.
HARD_MESSAGE_BYTES_MAX = 512 * 1024 * 1024

CLASS_BASIC = 60
SHORTSTR_BYTES_MAX = 255


class ReplyCode(IntEnum):
    """Why a channel or a connection was closed, or a message returned (section 1.2)."""

    REPLY_SUCCESS = 200
    CONTENT_TOO_LARGE = 311
    NO_ROUTE = 312
    NO_CONSUMERS = 313
    CONNECTION_FORCED = 320
    INVALID_PATH = 402
    ACCESS_REFUSED = 403
    NOT_FOUND = 404
    RESOURCE_LOCKED = 405
    PRECONDITION_FAILED = 406
    FRAME_ERROR = 501
    SYNTAX_ERROR = 502
    COMMAND_INVALID = 503
    CHANNEL_ERROR = 504
    UNEXPECTED_FRAME = 505
    RESOURCE_ERROR = 506
    NOT_ALLOWED = 530
    NOT_IMPLEMENTED = 540
    INTERNAL_ERROR = 541
