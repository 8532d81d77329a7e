"""A peer's mistakes: what closes a channel, what closes a connection, and with which words.

Two kinds of failure never meet in this code.  A peer's mistake is one of the exceptions here and
becomes a close frame; a mistake of ours is an assertion and becomes a traceback in the log.

The reply text is RabbitMQ's: the constant's name, a dash, and the explanation (S-001 to S-006).
"""

import re
from typing import Self

from amqpbroker.spec.constants import SHORTSTR_BYTES_MAX, ReplyCode

#: The errors whose texts quote bytes as they came, as Erlang writes them, and where these stand.
_QUOTING = (ReplyCode.FRAME_ERROR, ReplyCode.UNEXPECTED_FRAME)
_QUOTED = re.compile(r"<<.*>>|<<.*", re.DOTALL)
_SHORTENED_CHARACTERS = SHORTSTR_BYTES_MAX - 3


class AMQPException(Exception):
    """Something that a peer did and may not do.

    `class_id` and `method_id` name the offending method; 0 and 0 when the error is not tied to
    one (S-004).  Whoever executes the method fills them in with `caused_by`.
    """

    def __init__(self, reply_code: ReplyCode, explanation: str | None = None) -> None:
        text = reply_code.name if explanation is None else f"{reply_code.name} - {explanation}"
        if not text.isascii():
            text = _without_escapes(text)
        super().__init__(text)
        self.reply_code = reply_code
        self.reply_text = shortened(text)
        self.class_id = 0
        self.method_id = 0
        self._is_tied = False

    @property
    def log_text(self) -> str:
        """The reply text without the bytes that it quotes: a message's, perhaps, or a secret."""
        if self.reply_code in _QUOTING:
            return _QUOTED.sub("<<...>>", self.reply_text)
        return self.reply_text

    def caused_by(self, class_id: int, method_id: int) -> None:
        """Name the offending method, unless the error has named one or said that there is none."""
        if not self._is_tied:
            self.class_id, self.method_id = class_id, method_id
            self._is_tied = True

    def caused_by_no_method(self) -> Self:
        """Say that the error is not tied to a method: 0 and 0 stay in the close frame."""
        self._is_tied = True
        return self


class ChannelException(AMQPException):
    """A soft error: it closes the channel that made it (S-001)."""


class ConnectionException(AMQPException):
    """A hard error: it closes the whole connection (S-002)."""


def legible(name: str) -> str:
    """A name as it may stand in a reply text, which must be UTF-8.

    The exchange of a basic.publish may be any bytes (S-056): what is not UTF-8 is read as Latin-1
    (RabbitMQ 4.0.5; 3.10.8 sends the bytes as they are, and clients fail to read them).
    """
    raw = name.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _without_escapes(text: str) -> str:
    """The text with bytes that are no UTF-8 read as Latin-1, one by one."""
    return "".join(chr(ord(one) & 0xFF) if "\udc80" <= one <= "\udcff" else one for one in text)


def shortened(text: str) -> str:
    """Cut *text* to what a reply text may hold: 255 characters, and 255 bytes of UTF-8 (S-005)."""
    if len(text) > SHORTSTR_BYTES_MAX:
        text = text[:_SHORTENED_CHARACTERS] + "..."
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > SHORTSTR_BYTES_MAX:
        text = raw[:_SHORTENED_CHARACTERS].decode("utf-8", "ignore") + "..."
    return text


def access_refused(explanation: str) -> ChannelException:
    """403: not allowed to this user, or to anybody."""
    return ChannelException(ReplyCode.ACCESS_REFUSED, explanation)


def not_found(explanation: str) -> ChannelException:
    """404: no such queue, exchange or vhost."""
    return ChannelException(ReplyCode.NOT_FOUND, explanation)


def resource_locked(explanation: str) -> ChannelException:
    """405: exclusive to another connection."""
    return ChannelException(ReplyCode.RESOURCE_LOCKED, explanation)


def precondition_failed(explanation: str) -> ChannelException:
    """406: the request contradicts what exists, or itself."""
    return ChannelException(ReplyCode.PRECONDITION_FAILED, explanation)


def connection_forced(explanation: str) -> ConnectionException:
    """320: the operator closed the connection."""
    return ConnectionException(ReplyCode.CONNECTION_FORCED, explanation)


def login_refused(explanation: str) -> ConnectionException:
    """403 on channel 0: the login failed (S-025)."""
    return ConnectionException(ReplyCode.ACCESS_REFUSED, explanation)


def frame_error(explanation: str) -> ConnectionException:
    """501: bytes that are no frame, or a frame whose payload cannot be decoded."""
    return ConnectionException(ReplyCode.FRAME_ERROR, explanation)


def command_invalid(explanation: str) -> ConnectionException:
    """503: a method that a client may not send."""
    return ConnectionException(ReplyCode.COMMAND_INVALID, explanation)


def channel_error(explanation: str) -> ConnectionException:
    """504: a method on a channel that is not open, or in the wrong state."""
    return ConnectionException(ReplyCode.CHANNEL_ERROR, explanation)


def unexpected_frame(explanation: str) -> ConnectionException:
    """505: a well-formed frame that may not stand here."""
    return ConnectionException(ReplyCode.UNEXPECTED_FRAME, explanation)


def not_allowed(explanation: str) -> ConnectionException:
    """530: forbidden by negotiation, a limit or the choice of vhost."""
    return ConnectionException(ReplyCode.NOT_ALLOWED, explanation)


def not_implemented(explanation: str) -> ConnectionException:
    """540: part of AMQP that RabbitMQ does not offer."""
    return ConnectionException(ReplyCode.NOT_IMPLEMENTED, explanation)


def internal_error() -> ConnectionException:
    """541: RabbitMQ's answer where one of its processes crashed (S-006)."""
    return ConnectionException(ReplyCode.INTERNAL_ERROR)
