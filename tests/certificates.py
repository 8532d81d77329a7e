"""Certificates for tests, made anew for each run: a CA, what it vouches for, and strangers."""

from __future__ import annotations

import ssl
from pathlib import Path

from amqpbroker.cli.certs import Authority, Toolbox


class Certificates:
    """PEM files in a directory.

    ``server`` and ``client`` (CN guest) are vouched for by ``ca``, ``expired`` was; ``stranger``
    (CN guest too) is a client whom ``other-ca`` vouches for.
    """

    def __init__(self, directory: Path) -> None:
        tools = Toolbox()
        ours, other = Authority.new(tools), Authority.new(tools)
        self.directory = directory
        self._write("ca", ours.pem, ours.key_pem)
        self._write("other-ca", other.pem, other.key_pem)
        self._write("server", *ours.for_server(["localhost", "127.0.0.1"]))
        self._write("server-2", *ours.for_server(["second.example", "localhost", "127.0.0.1"]))
        self._write("client", *ours.for_client("guest"))
        self._write("expired", *ours.for_client("guest", days=-1))
        self._write("stranger", *other.for_client("guest"))

    def _write(self, name: str, pem: bytes, key_pem: bytes) -> None:
        (self.directory / f"{name}.pem").write_bytes(pem)
        (self.directory / f"{name}-key.pem").write_bytes(key_pem)

    def __getitem__(self, name: str) -> str:
        """The path of a certificate, or with ``-key`` of a key."""
        return str(self.directory / f"{name}.pem")

    def client_context(self, shown: str | None = None, *, ca: str = "ca") -> ssl.SSLContext:
        """What a client connects with: it trusts *ca*, and may show a certificate."""
        context = ssl.create_default_context(cafile=self[ca])
        if shown is not None:
            context.load_cert_chain(self[shown], self[f"{shown}-key"])
        return context
