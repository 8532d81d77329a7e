"""TLS: certificates, a transport over a socket that never waits, and whom a certificate names.

OpenSSL keeps no decrypted bytes between two reads (a selector would not tell of them): it is
asked only while a whole record has room, and it reads ahead of no record.

TLS 1.2 and later.  Renegotiation is refused, and sessions are not resumed: connections live
long, and a reloaded CA decides about every client that comes after it.
"""

import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, cast

import attrs

from amqpbroker.server.transport import NeedsRoom

#: What one TLS record carries at most.
RECORD_BYTES_MAX: Final = 16384

_VERIFY: Final = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
#: {OpenSSL's name of an attribute: the name that RabbitMQ's user names have for it}
_SHORT_NAMES: Final = {
    "surname": "SN",
    "givenName": "GIVENNAME",
    "initials": "INITIALS",
    "generationQualifier": "GENERATIONQUALIFIER",
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "title": "TITLE",
    "countryName": "C",
    "serialNumber": "SERIALNUMBER",
    "pseudonym": "PSEUDONYM",
    "domainComponent": "DC",
    "emailAddress": "EMAILADDRESS",
    "streetAddress": "STREET",
    "userId": "UID",
}
#: {OpenSSL's reason: what it means here}
_REASONS: Final = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate, and tls-verify requires one",
    "CERTIFICATE_VERIFY_FAILED": "its certificate does not hold",
    "UNSUPPORTED_PROTOCOL": "it offers nothing newer than TLS 1.1",
    "NO_SHARED_CIPHER": "it offers no cipher that we take",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the CA of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not trust our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not trust our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired",
    "WRONG_VERSION_NUMBER": "this is not TLS",
    "HTTP_REQUEST": "this is plain HTTP",
}


class WrongCertificate(ValueError):
    """A sentence about a file with a certificate or a key that cannot be used."""


@attrs.frozen
class Certificates:
    """The files that make a server's side of TLS, and what is asked of clients."""

    certificate_file: str  # PEM: the server's, and those between it and its CA
    key_file: str = ""  # PEM; empty: in the same file
    key_password: str = attrs.field(default="", repr=False)
    ca_file: str = ""  # PEM: who vouches for clients
    verify: str = "none"  # none, optional, required: whether clients show a certificate

    def load(self) -> ssl.SSLContext:
        """What new connections are made with.  Raises `WrongCertificate`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
        context.num_tickets = 0
        key_file = self.key_file or self.certificate_file
        for path in dict.fromkeys(filter(None, (self.certificate_file, key_file, self.ca_file))):
            _check_readable(path)
        try:
            context.load_cert_chain(
                self.certificate_file, key_file, password=lambda: self.key_password
            )
        except ssl.SSLError as error:
            raise WrongCertificate(self._explain(error, key_file)) from None
        if self.ca_file:
            try:
                context.load_verify_locations(self.ca_file)
            except ssl.SSLError:
                raise WrongCertificate(f"tls-ca: {self.ca_file} holds no certificate") from None
        context.verify_mode = _VERIFY[self.verify]
        return context

    def _explain(self, error: ssl.SSLError, key_file: str) -> str:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"tls-key: {key_file} is not the key of {self.certificate_file}"
        if not _has_pem(self.certificate_file, b"CERTIFICATE-----"):
            return f"tls-cert: {self.certificate_file} holds no certificate (PEM is needed)"
        if not _has_pem(key_file, b"PRIVATE KEY-----"):
            return f"tls-key: {key_file} holds no private key (PEM is needed)"
        if _has_pem(key_file, b"ENCRYPTED"):
            return f"tls-key: {key_file} needs a password, or another one: tls-key-password"
        reason = error.reason or error.strerror or str(error)
        return f"tls-cert: {self.certificate_file} with {key_file}: {reason}"


def _check_readable(path: str) -> None:
    try:
        with open(path, "rb"):  # noqa: PTH123  # as OpenSSL will
            pass
    except OSError as error:
        raise WrongCertificate(f"cannot read {path}: {error.strerror}") from None


def _has_pem(path: str, words: bytes) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123
        return words in file.read(1 << 20)


class TLSTransport:
    """`transport.Transport` over a socket whose TLS handshake is done."""

    __slots__ = ("_tls",)

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls

    def fileno(self) -> int:
        return self._tls.fileno()

    def getsockname(self) -> object:
        return self._tls.getsockname()

    def setblocking(self, flag: bool, /) -> None:
        self._tls.setblocking(flag)

    def recv_into(self, buffer: memoryview, /) -> int:
        """Read all records that are there and have room."""
        filled = 0
        try:
            while len(buffer) - filled >= RECORD_BYTES_MAX:
                byte_count = self._tls.recv_into(buffer[filled:])
                if not byte_count:
                    break
                filled += byte_count
        except ssl.SSLWantReadError:
            if not filled:
                raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            if not filled:
                raise NeedsRoom from None
        except OSError:
            if not filled:
                raise
        return filled

    def send(self, data: bytes | memoryview, /) -> int:
        """Write a record at a time, as many as there is room for.

        A record that did not fit is kept by OpenSSL, which wants to see the same bytes again.
        """
        view = memoryview(data)
        sent = 0
        with suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while sent < len(view):
                sent += self._tls.send(view[sent : sent + RECORD_BYTES_MAX])
        return sent

    def sendmsg(self, buffers: Iterable[memoryview], /) -> int:
        return self.send(b"".join(buffers))

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._tls.unwrap()  # says goodbye, and does not wait for an answer
        self._tls.close()


def common_names(tls: ssl.SSLSocket) -> str | None:
    """The user whom a client's certificate names, by its CN; None without a certificate.

    Several are joined by commas, as RabbitMQ does with `ssl_cert_login_from = common_name`.
    """
    names = [value for rdn in _subject(tls) for name, value in rdn if name == "commonName"]
    return ",".join(names) or None


def distinguished_name(tls: ssl.SSLSocket) -> str | None:
    """The user whom a client's certificate names: its subject as RFC 4514 writes it.

    None without a certificate.  The types' names and the escapes are those of RabbitMQ's
    auth mechanism plugin, so that its users can be taken over.
    """
    return (
        ",".join(
            "+".join(f"{_SHORT_NAMES.get(name, name)}={_escaped(value)}" for name, value in rdn)
            for rdn in reversed(_subject(tls))
        )
        or None
    )


#: {tls-login-from: how a certificate names a user}
LOGIN_NAMES: Final = {"distinguished-name": distinguished_name, "common-name": common_names}


def _subject(tls: ssl.SSLSocket) -> Sequence[Sequence[tuple[str, str]]]:
    """The subject of the client's certificate, if it has shown one and it was verified."""
    certificate = tls.getpeercert() or {}
    return cast("Sequence[Sequence[tuple[str, str]]]", certificate.get("subject", ()))


def _escaped(value: str) -> str:
    pieces: list[str] = []
    last = len(value) - 1
    for index, character in enumerate(value):
        if character in '"+,;<>\\' or (
            (character == " " and index in {0, last}) or (character == "#" and index == 0)
        ):
            pieces.append("\\" + character)
        elif " " <= character <= "}":
            pieces.append(character)
        else:
            pieces.extend(f"\\{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
    return "".join(pieces)


def explain(error: OSError) -> str:
    """Why a TLS handshake failed."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    reason = error.reason or error.strerror or str(error)
    text = _REASONS.get(reason, reason)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{text}: {error.verify_message}"
    return text
