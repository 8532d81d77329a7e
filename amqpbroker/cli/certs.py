"""`amqpbroker certs DIR`: a certificate authority of one's own, and what it vouches for.

    ca.pem      ca-key.pem        kept if they are there, so that those who trust them go on
    server.pem  server-key.pem    for the broker: --tls-cert, --tls-key
    client.pem  client-key.pem    for a client that shows a certificate

Keys are P-256, and readable for their owner alone.  Needs the package `cryptography`.
"""

import argparse
import datetime
import ipaddress
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

#: Who stands in every subject as the organization.
ORGANIZATION: Final = "amqpbroker development"
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_CA_DAYS: Final = 3650
#: Clocks differ: a certificate is good from this long ago.
_BEFORE: Final = datetime.timedelta(hours=1)


class Toolbox:
    """What is used of `cryptography`, an extra; raises `ModuleNotFoundError` without it."""

    def __init__(self) -> None:
        self.x509: Any = import_module("cryptography.x509")
        self.names: Any = import_module("cryptography.x509.oid").NameOID
        self.usages: Any = import_module("cryptography.x509.oid").ExtendedKeyUsageOID
        self.hashes: Any = import_module("cryptography.hazmat.primitives.hashes")
        self.serialization: Any = import_module("cryptography.hazmat.primitives.serialization")
        self.curves: Any = import_module("cryptography.hazmat.primitives.asymmetric.ec")


class Authority:
    """A development CA: its key and certificate, as `cryptography` has them."""

    def __init__(self, tools: Toolbox, key: Any, certificate: Any) -> None:
        self._tools = tools
        self._key = key
        self.certificate = certificate

    @classmethod
    def new(cls, tools: Toolbox, *, days: int = _CA_DAYS) -> "Authority":
        """One that nobody knows yet."""
        x509 = tools.x509
        key = tools.curves.generate_private_key(tools.curves.SECP256R1())
        name = _name(tools, "amqpbroker development CA")
        builder = (
            _builder(tools, name, name, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(tools, signs_certificates=True), critical=True)
        )
        return cls(tools, key, builder.sign(key, tools.hashes.SHA256()))

    @classmethod
    def read(cls, tools: Toolbox, raw_certificate: bytes, raw_key: bytes) -> "Authority":
        """One from its PEM files; raises `ValueError` for others."""
        key = tools.serialization.load_pem_private_key(raw_key, None)
        return cls(tools, key, tools.x509.load_pem_x509_certificate(raw_certificate))

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(self._tools.serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key."""
        return _key_pem(self._tools, self._key)

    def for_server(self, hosts: Sequence[str], *, days: int = 365) -> tuple[bytes, bytes]:
        """A certificate for a server by all of its names and addresses; its PEM, and the key's."""
        x509 = self._tools.x509
        names = x509.SubjectAlternativeName([self._host(host) for host in hosts])
        return self._issue(hosts[0], self._tools.usages.SERVER_AUTH, days, names)

    def for_client(self, name: str, *, days: int = 365) -> tuple[bytes, bytes]:
        """A certificate for a client, whose CN is *name*; its PEM, and the key's."""
        return self._issue(name, self._tools.usages.CLIENT_AUTH, days)

    def _host(self, host: str) -> Any:
        try:
            return self._tools.x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return self._tools.x509.DNSName(host)

    def _issue(self, name: str, usage: Any, days: int, *extensions: Any) -> tuple[bytes, bytes]:
        tools, x509 = self._tools, self._tools.x509
        key = tools.curves.generate_private_key(tools.curves.SECP256R1())
        subject, issuer = _name(tools, name), self.certificate.subject
        builder = (
            _builder(tools, subject, issuer, key.public_key(), days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(tools), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, tools.hashes.SHA256())
        pem = certificate.public_bytes(tools.serialization.Encoding.PEM)
        return pem, _key_pem(tools, key)


def _builder(tools: Toolbox, subject: Any, issuer: Any, public_key: Any, days: int) -> Any:
    now = datetime.datetime.now(datetime.UTC)
    return (
        tools.x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(tools.x509.random_serial_number())
        .not_valid_before(min(now, now + datetime.timedelta(days=days)) - _BEFORE)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(tools.x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(tools: Toolbox, common_name: str) -> Any:
    x509, names = tools.x509, tools.names
    return x509.Name([
        x509.NameAttribute(names.ORGANIZATION_NAME, ORGANIZATION),
        x509.NameAttribute(names.COMMON_NAME, common_name),
    ])  # fmt: skip


def _key_usage(tools: Toolbox, *, signs_certificates: bool = False) -> Any:
    return tools.x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(tools: Toolbox, key: Any) -> bytes:
    serialization = tools.serialization
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


# The command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe the command and its options."""
    parser.description = (
        "Make a certificate authority for development, and certificates for a broker and a "
        "client. A CA that is there already is kept, and the others are made anew."
    )
    add = parser.add_argument
    add("directory", metavar="DIR", type=Path, help="where to put them")
    add(
        "--host", action="append", metavar="NAME",
        help="a name or address by which clients know the broker; may be given several times "
        f"(default: {', '.join(_LOCAL_HOSTS)})",
    )  # fmt: skip
    add(
        "--client", default="guest", metavar="NAME",
        help="the user that the client's certificate names (default: %(default)s)",
    )  # fmt: skip
    add(
        "--days", type=_days, default=365, metavar="DAYS",
        help="how long the broker's and the client's are good (default: %(default)s)",
    )  # fmt: skip


def run(values: argparse.Namespace) -> int:
    """Make the files; the exit status."""
    try:
        tools = Toolbox()
    except ModuleNotFoundError:
        return _failed("this needs the package 'cryptography': pip install 'amqpbroker[certs]'")
    directory: Path = values.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        authority = _authority(tools, directory)
        server = authority.for_server(values.host or _LOCAL_HOSTS, days=values.days)
        client = authority.for_client(values.client, days=values.days)
        for name, pems in (("server", server), ("client", client)):
            _write(directory, name, *pems)
    except OSError as error:
        return _failed(f"{error.filename or directory}: {error.strerror}")
    except ValueError as error:
        return _failed(f"cannot make these certificates: {error}")
    print(
        f"Certificates are in {directory}. Start the broker with\n"
        f"  amqpbroker serve --tls-cert {directory}/server.pem "
        f"--tls-key {directory}/server-key.pem --tls-ca {directory}/ca.pem\n"
        f"Clients trust {directory}/ca.pem, and may show {directory}/client.pem."
    )
    return 0


def _authority(tools: Toolbox, directory: Path) -> Authority:
    certificate, key = directory / "ca.pem", directory / "ca-key.pem"
    if certificate.exists() and key.exists():
        try:
            return Authority.read(tools, certificate.read_bytes(), key.read_bytes())
        except (TypeError, ValueError):
            raise ValueError(f"{certificate} and {key} are no CA; move them away") from None
    authority = Authority.new(tools)
    _write(directory, "ca", authority.pem, authority.key_pem)
    return authority


def _write(directory: Path, name: str, pem: bytes, key_pem: bytes) -> None:
    """Write a certificate and its key; the key's file is never open to others."""
    key = directory / f"{name}-key.pem"
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key_pem)
    (directory / f"{name}.pem").write_bytes(pem)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= _CA_DAYS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of days from 1 to {_CA_DAYS}")
    return int(text)


def _failed(reason: str) -> int:
    print(f"amqpbroker certs: {reason}", file=sys.stderr)
    return 1
