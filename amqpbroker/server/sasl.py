"""Login mechanisms: what the response of connection.start-ok says (S-018, S-022, S-023)."""

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, NamedTuple

from amqpbroker.spec.table import ARGUMENT_FIELDS_MAX, MalformedTable, decode_table


class Credentials(NamedTuple):
    """Who somebody says to be."""

    user_name: str
    password: str


class MalformedResponse(ValueError):
    """A response that its mechanism does not allow."""


def _read_plain(response: bytes) -> Credentials:
    """NUL, user name, NUL, password; acting for somebody else is not offered."""
    parts = response.split(b"\0")
    if len(parts) != 3 or parts[0]:
        raise MalformedResponse("not of the form NUL user NUL password")
    return Credentials(_text(parts[1]), _text(parts[2]))


def _read_amqplain(response: bytes) -> Credentials:
    """A field table without its length, with LOGIN and PASSWORD."""
    counted = Struct(">I").pack(len(response)) + response
    try:
        table, _ = decode_table(counted, 0, len(counted), fields_max=ARGUMENT_FIELDS_MAX)
    except MalformedTable as error:
        raise MalformedResponse(str(error)) from None
    login, password = table.get("LOGIN"), table.get("PASSWORD")
    if login is None or password is None or login.kind != "S" or password.kind != "S":
        raise MalformedResponse("LOGIN and PASSWORD are not both there")
    return Credentials(login.text, password.text)


def _read_anonymous(response: bytes) -> Credentials:
    """Whatever the response says, it is guest (S-030)."""
    return ANONYMOUS_CREDENTIALS


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


#: The mechanism by which a client's TLS certificate logs it in; its response says nothing.
ANONYMOUS: Final = "ANONYMOUS"
EXTERNAL: Final = "EXTERNAL"
#: Whom an anonymous client logs in as, if there is such a user (RabbitMQ's default).
ANONYMOUS_CREDENTIALS: Final = Credentials("guest", "guest")
#: {mechanism: how its response is read}, in the order in which they are offered
MECHANISMS: Final[Mapping[str, Callable[[bytes], Credentials]]] = {
    "PLAIN": _read_plain,
    "AMQPLAIN": _read_amqplain,
    ANONYMOUS: _read_anonymous,
}
