"""Clients with TLS, for a stage: on socket pairs, as if they had come in by the TLS port."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import trio
from certificates import Certificates
from server_stage import CAPABILITIES, Client, Stage, a_stage, client_properties

from amqpbroker.server.entrance import Greeting
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER


class TLSClient(Client):
    """A client whose stream speaks TLS."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self._stream = trio.SSLStream(self._stream, context, server_hostname="localhost")

    async def shake_hands(self) -> None:
        """Finish the TLS handshake; raises `trio.BrokenResourceError` when it is refused."""
        await self._stream.do_handshake()

    def server_names(self) -> list[str]:
        """The names in the server's certificate."""
        certificate = self._stream.getpeercert()
        return [name for _, name in certificate["subjectAltName"]]

    async def is_refused(self) -> bool:
        """Whether the TLS handshake fails, or with TLS 1.3 what comes after it."""
        try:
            await self.shake_hands()
            await self._stream.send_all(PROTOCOL_HEADER)
            await self._stream.receive_some(1000)
        except (trio.BrokenResourceError, ssl.SSLError):
            return True
        return False

    async def mechanisms(self) -> list[str]:
        """What connection.start offers."""
        await self.send_bytes(PROTOCOL_HEADER)
        return (await self.expect(m.ConnectionStart)).mechanisms.decode().split()

    async def log_in_by_certificate(self) -> None:
        properties = client_properties(CAPABILITIES)
        await self.send(m.ConnectionStartOk(properties, "EXTERNAL", b"", "en_US"))


class TLSStage:
    """A stage whose clients come by the TLS port."""

    def __init__(self, stage: Stage, certificates: Certificates) -> None:
        self.stage = stage
        self.server = stage.server
        self._certificates = certificates

    def connect(self, shown: str | None = None, context: ssl.SSLContext | None = None) -> TLSClient:
        """A client that has not spoken yet; *shown* is the certificate that it has."""
        client = TLSClient(self.knock(), context or self._certificates.client_context(shown))
        self.stage.clients.append(client)
        return client

    async def greeted(self, shown: str | None = None) -> TLSClient:
        """A client whose TLS handshake is done."""
        client = self.connect(shown)
        await client.shake_hands()
        return client

    def knock(self) -> socket.socket:
        """Somebody on the TLS port, who may not speak TLS at all."""
        ours, theirs = socket.socketpair()
        Greeting(self.server.entrance, self.server, ours, ("198.51.100.7", 40000))
        return theirs


def tls_settings(certificates: Certificates, **changes: object) -> Settings:
    settings = Settings(
        tls_certificate_file=certificates["server"],
        tls_key_file=certificates["server-key"],
        tls_ca_file=certificates["ca"],
    )
    return attrs.evolve(settings, **changes)


@asynccontextmanager
async def a_tls_stage(certificates: Certificates, **changes: object) -> AsyncGenerator[TLSStage]:
    async with a_stage(tls_settings(certificates, **changes)) as stage:
        yield TLSStage(stage, certificates)
