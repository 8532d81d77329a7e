"""TLS on the server's sockets: who is let in, how bytes come through, and what is said when not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable

import attrs
import pytest
import trio
from certificates import Certificates
from server_stage import Client, Stage, a_stage
from tls_stage import TLSClient, TLSStage, a_tls_stage, tls_settings
from trio.testing import MockClock, wait_all_tasks_blocked

from amqpbroker.engine.access import User
from amqpbroker.server.tls import RECORD_BYTES_MAX, TLSTransport, WrongCertificate
from amqpbroker.server.transport import NeedsRoom
from amqpbroker.spec import methods as m

PLAIN = ["PLAIN", "AMQPLAIN", "ANONYMOUS"]
GUEST_DN = "CN=guest,O=amqpbroker development"


def let_in(stage: TLSStage, user_name: str) -> None:
    """A user without a password, who may be anywhere and do everything."""
    broker = stage.server.broker
    broker.users.put(User(user_name, loopback_only=False))
    broker.permissions.set(user_name, "/")


def let_guest_in(stage: TLSStage) -> None:
    """Guest, also from elsewhere: clients of a stage come from 198.51.100.7."""
    guest = stage.server.broker.users.get("guest")
    assert guest is not None
    stage.server.broker.users.put(attrs.evolve(guest, loopback_only=False))


async def test_a_client_with_tls_is_served_like_others(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    body = bytes(range(256)) * 4 * 1024  # 1 MiB: 64 records
    async with a_tls_stage(certificates) as stage:
        let_guest_in(stage)
        client = await stage.greeted()
        await client.open()
        await client.declare("jobs")
        for _ in range(3):
            await client.publish("jobs", body)
        await client.consume("jobs")
        for _ in range(3):
            _, received = await client.expect_content(m.BasicDeliver)
            assert received == body
        await client.round_trip()


async def test_a_client_that_reads_slowly_gets_every_byte(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    """The socket is full in the middle of a record, again and again."""
    bodies = [bytes((index,)) * (RECORD_BYTES_MAX * 20 + index) for index in range(8)]
    async with a_tls_stage(certificates) as stage:
        let_guest_in(stage)
        client = await stage.greeted()
        await client.open()
        await client.declare("jobs")
        await client.consume("jobs")
        for body in bodies:
            await client.publish("jobs", body)
            await wait_all_tasks_blocked()
        for body in bodies:
            _, received = await client.expect_content(m.BasicDeliver)
            assert received == body


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_that_are_spoken(
    autojump_clock: MockClock, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.client_context("client")
    context.minimum_version = context.maximum_version = version
    async with a_tls_stage(certificates) as stage:
        client = stage.connect(context=context)
        await client.shake_hands()
        assert await client.mechanisms() == [*PLAIN, "EXTERNAL"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_older_versions_are_refused(
    autojump_clock: MockClock, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = certificates.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with a_tls_stage(certificates) as stage:
        assert await stage.connect(context=context).is_refused()

    assert "TLS handshake failed: it offers nothing newer than TLS 1.1" in caplog.text


def test_nobody_may_negotiate_again_or_resume(certificates: Certificates) -> None:
    files = tls_settings(certificates).certificates
    assert files is not None
    context = files.load()

    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_TICKET
    assert context.num_tickets == 0
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


# Time


async def test_a_tls_handshake_that_does_not_begin_is_given_up(
    autojump_clock: MockClock, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_tls_stage(certificates) as stage:
        with trio.fail_after(60), stage.knock() as sock:
            assert stage.server.entrance.half_open_count == 1
            await trio.lowlevel.wait_readable(sock)
            assert sock.recv(1) == b""
            assert trio.current_time() == 10
        assert stage.server.entrance.half_open_count == 0
    assert "198.51.100.7:40000: handshake timeout" in caplog.text


async def test_the_tls_handshake_counts_in_the_time_to_log_in(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        client = stage.connect()
        await trio.testing.wait_all_tasks_blocked()
        autojump_clock.jump(6)
        await client.shake_hands()
        assert stage.server.entrance.half_open_count == 1
        assert await client.expect_end() == 10
        assert stage.server.entrance.half_open_count == 0


async def test_who_is_logged_in_is_not_half_open(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        let_guest_in(stage)
        client = await stage.greeted()
        await client.log_in()
        assert stage.server.entrance.half_open_count == 1
        other = await stage.greeted()
        await other.open()
        assert stage.server.entrance.half_open_count == 1


# On the wrong port


async def said_of(stage: TLSStage, first: bytes, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says of somebody who begins so on the TLS port."""
    with stage.knock() as sock:
        sock.sendall(first)
        sock.shutdown(socket.SHUT_WR)
        await wait_all_tasks_blocked()
        return caplog.records[-1].getMessage()


async def test_what_is_not_tls_is_told_in_the_log(
    autojump_clock: MockClock, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "amqpbroker")
    async with a_tls_stage(certificates) as stage:
        said = await said_of(stage, b"AMQP\x00\x00\x09\x01", caplog)
        assert "plain AMQP on the TLS port" in said
        assert "amqps://" in said
        said = await said_of(stage, b"GET / HTTP/1.1\r\n\r\n", caplog)
        assert "this is plain HTTP" in said
        said = await said_of(stage, b"\x00" * 100, caplog)
        assert "TLS handshake failed" in said
        said = await said_of(stage, b"", caplog)
        assert "gone before the TLS handshake" in said
        assert stage.server.entrance.half_open_count == 0


@pytest.mark.parametrize("has_tls", [True, False])
async def test_tls_on_the_plain_port_is_told_in_the_log(
    autojump_clock: MockClock,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    has_tls: bool,
) -> None:
    async with a_stage(tls_settings(certificates) if has_tls else None) as stage:
        ours, theirs = socket.socketpair()
        stage.server.welcome(ours, "")
        client = TLSClient(theirs, certificates.client_context())
        assert await client.is_refused()
        client.drop()

    expected = "spoken on port 5671" if has_tls else "not offered here (--tls-cert offers it)"
    assert expected in caplog.text


# Certificates of clients


async def test_who_shows_no_certificate_is_not_offered_external(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        client = await stage.greeted()
        assert await client.mechanisms() == PLAIN
        await client.log_in_by_certificate()
        await client.expect_end()


async def test_a_certificate_that_nobody_asked_for_counts_for_nothing(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates, tls_verify="none") as stage:
        client = await stage.greeted("client")
        assert await client.mechanisms() == PLAIN


@pytest.mark.parametrize(
    ("login_from", "user_name"),
    [("common-name", "guest"), ("distinguished-name", GUEST_DN)],
)
async def test_a_certificate_logs_its_user_in(
    autojump_clock: MockClock, certificates: Certificates, login_from: str, user_name: str
) -> None:
    async with a_tls_stage(certificates, tls_login_from=login_from) as stage:
        let_in(stage, user_name)
        client = await stage.greeted("client")
        assert await client.mechanisms() == [*PLAIN, "EXTERNAL"]
        await client.log_in_by_certificate()
        await client.expect(m.ConnectionTune)
        await client.send(m.ConnectionTuneOk(10, 131072, 0), m.ConnectionOpen("/"))
        await client.expect(m.ConnectionOpenOk)
        (connection,) = stage.server.broker.connections
        assert connection.user.name == user_name


async def test_a_certificate_of_an_unknown_user_is_refused(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        client = await stage.greeted("client")
        await client.mechanisms()
        await client.log_in_by_certificate()
        refusal = await client.expect(m.ConnectionClose)
        assert (refusal.reply_code, refusal.reply_text) == (
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. For "
            "details see the broker logfile.",
        )


async def test_guest_is_not_let_in_from_elsewhere_by_certificate_either(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates, tls_login_from="common-name") as stage:
        client = await stage.greeted("client")
        await client.mechanisms()
        await client.log_in_by_certificate()
        assert (await client.expect(m.ConnectionClose)).reply_code == 403


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (None, "it showed no certificate, and tls-verify requires one"),
        ("stranger", "its certificate does not hold: unable to get local issuer certificate"),
        ("expired", "its certificate does not hold: certificate has expired"),
        ("server", "its certificate does not hold: unsuitable certificate purpose"),
    ],
)
async def test_who_cannot_show_a_good_certificate_is_refused(
    autojump_clock: MockClock,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    shown: str | None,
    reason: str,
) -> None:
    async with a_tls_stage(certificates, tls_verify="required") as stage:
        assert await stage.connect(shown).is_refused()
        assert not stage.server._sessions
        assert stage.server.entrance.half_open_count == 0

    assert f"198.51.100.7:40000: TLS handshake failed: {reason}" in caplog.text


async def test_a_bad_certificate_is_refused_also_where_none_is_required(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates, tls_verify="optional") as stage:
        assert await stage.connect("stranger").is_refused()


async def test_a_client_that_does_not_trust_us_is_told_in_the_log(
    autojump_clock: MockClock, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = certificates.client_context(ca="other-ca")
    async with a_tls_stage(certificates) as stage:
        sock = stage.knock()
        sock.setblocking(False)
        with context.wrap_socket(
            sock, server_hostname="localhost", do_handshake_on_connect=False
        ) as client:
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            await wait_all_tasks_blocked()
            with pytest.raises(ssl.SSLCertVerificationError):
                client.do_handshake()
            await wait_all_tasks_blocked()

    assert "it does not know the CA of our certificate" in caplog.text


# Reloading


async def test_a_reload_is_for_those_who_come_after_it(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        let_guest_in(stage)
        before = await stage.greeted()
        await before.open()
        stage.server.reload(
            tls_settings(
                certificates,
                tls_certificate_file=certificates["server-2"],
                tls_key_file=certificates["server-2-key"],
            )
        )
        after = await stage.greeted()
        assert "second.example" not in before.server_names()
        assert "second.example" in after.server_names()
        await after.open()
        await before.round_trip()


async def test_certificates_that_cannot_be_used_change_nothing(
    autojump_clock: MockClock, certificates: Certificates
) -> None:
    async with a_tls_stage(certificates) as stage:
        with pytest.raises(WrongCertificate):
            stage.server.reload(tls_settings(certificates, tls_key_file=certificates["client-key"]))
        assert "localhost" in (await stage.greeted()).server_names()


def mistakes(certificates: Certificates) -> list[tuple[dict[str, str], str]]:
    server, key = certificates["server"], certificates["server-key"]
    empty = certificates.directory / "empty.pem"
    empty.write_bytes(b"")
    return [
        (
            {"tls_certificate_file": "/nowhere/x.pem"},
            "cannot read /nowhere/x.pem: No such file or directory",
        ),
        ({"tls_key_file": "/nowhere"}, "cannot read /nowhere: No such file or directory"),
        ({"tls_ca_file": "/"}, "cannot read /: Is a directory"),
        (
            {"tls_key_file": certificates["client-key"]},
            f"tls-key: {certificates['client-key']} is not the key of {server}",
        ),
        (
            {"tls_certificate_file": str(empty)},
            f"tls-cert: {empty} holds no certificate (PEM is needed)",
        ),
        (
            {"tls_certificate_file": key, "tls_key_file": ""},
            f"tls-cert: {key} holds no certificate (PEM is needed)",
        ),
        ({"tls_key_file": ""}, f"tls-key: {server} holds no private key (PEM is needed)"),
        ({"tls_ca_file": key}, f"tls-ca: {key} holds no certificate"),
    ]


def test_files_that_cannot_be_used_are_one_sentence(certificates: Certificates) -> None:
    for changes, expected in mistakes(certificates):
        with pytest.raises(WrongCertificate) as refused:
            Stage(tls_settings(certificates, **changes))
        assert str(refused.value) == expected


def test_an_encrypted_key_needs_its_password(certificates: Certificates) -> None:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    raw = (certificates.directory / "server-key.pem").read_bytes()
    key = serialization.load_pem_private_key(raw, None)
    path = certificates.directory / "encrypted-key.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    settings = tls_settings(certificates, tls_key_file=str(path), tls_key_password="open sesame")

    assert settings.certificates is not None
    assert settings.certificates.load()
    assert "sesame" not in repr(settings)
    assert "sesame" not in repr(settings.certificates)
    for password in ("", "open barley"):
        wrong = tls_settings(certificates, tls_key_file=str(path), tls_key_password=password)
        with pytest.raises(WrongCertificate, match="needs a password, or another one"):
            Stage(wrong)


# The transport


class Pair:
    """A transport, and the client's end of its socket, both past the handshake."""

    def __init__(self, certificates: Certificates) -> None:
        ours, theirs = socket.socketpair()
        files = tls_settings(certificates).certificates
        assert files is not None
        for sock in (ours, theirs):
            sock.setblocking(False)
        self.server = files.load().wrap_socket(
            ours, server_side=True, do_handshake_on_connect=False
        )
        self.client = certificates.client_context().wrap_socket(
            theirs, server_hostname="localhost", do_handshake_on_connect=False
        )
        waiting = [self.client, self.server]
        while waiting:
            end = waiting.pop(0)
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting.append(end)
        self.transport = TLSTransport(self.server)

    def close(self) -> None:
        self.client.close()
        self.transport.close()


def test_one_read_takes_all_records_and_leaves_none_decrypted(certificates: Certificates) -> None:
    pair = Pair(certificates)
    sent = b"".join(bytes((index,)) * RECORD_BYTES_MAX for index in range(5)) + b"end"
    for start in range(0, len(sent), RECORD_BYTES_MAX):
        pair.client.send(sent[start : start + RECORD_BYTES_MAX])
    room = memoryview(bytearray(RECORD_BYTES_MAX * 3 + 100))
    received = b""
    reads = 0
    while len(received) < len(sent):
        received += room[: pair.transport.recv_into(room)]
        reads += 1
        assert pair.server.pending() == 0

    assert received == sent
    assert reads == 2
    with pytest.raises(BlockingIOError):
        pair.transport.recv_into(room)
    pair.close()


def test_what_does_not_fit_is_written_later(certificates: Certificates) -> None:
    pair = Pair(certificates)
    data = bytes(range(256)) * 20_000  # 5 MB: more than a socket takes
    sent = pair.transport.send(data)
    assert 0 < sent < len(data)
    received = b""
    while sent < len(data):
        received += pair.client.recv(RECORD_BYTES_MAX)
        view = memoryview(data)[sent:]
        half = len(view) // 2
        sent += pair.transport.sendmsg([view[:half], view[half:]])
    while len(received) < len(data):
        received += pair.client.recv(RECORD_BYTES_MAX)

    assert received == data
    pair.close()


def test_a_close_is_said(certificates: Certificates) -> None:
    pair = Pair(certificates)
    pair.transport.send(b"bye")
    pair.transport.close()

    assert pair.client.recv(10) == b"bye"
    assert pair.client.recv(10) == b""
    pair.client.close()


def test_the_end_is_no_bytes_whether_it_is_said_or_not(certificates: Certificates) -> None:
    room = memoryview(bytearray(RECORD_BYTES_MAX))
    said, unsaid = Pair(certificates), Pair(certificates)
    said.client.send(b"x")
    with pytest.raises(ssl.SSLWantReadError):
        said.client.unwrap()
    unsaid.client.close()

    assert said.transport.recv_into(room) == 1
    assert said.transport.recv_into(room) == 0
    assert unsaid.transport.recv_into(room) == 0
    said.close()
    unsaid.close()


class KeyUpdating:
    """A transport that must answer a new key before it can read, and has no room for it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.is_in_want = True

    def fileno(self) -> int:
        return self._socket.fileno()

    def getsockname(self) -> object:
        return self._socket.getsockname()

    def setblocking(self, flag: bool, /) -> None:
        self._socket.setblocking(flag)

    def recv_into(self, buffer: memoryview, /) -> int:
        if self.is_in_want:
            self.is_in_want = False
            raise NeedsRoom
        return self._socket.recv_into(buffer)

    def send(self, data: bytes, /) -> int:
        return self._socket.send(data)

    def sendmsg(self, buffers: Iterable[memoryview], /) -> int:
        return self._socket.sendmsg(buffers)

    def close(self) -> None:
        self._socket.close()


async def test_who_must_write_before_it_reads_waits_for_room(autojump_clock: MockClock) -> None:
    async with a_stage() as stage:
        ours, theirs = socket.socketpair()
        transport = KeyUpdating(ours)
        stage.server.welcome(transport, "")
        client = Client(theirs)
        stage.clients.append(client)
        await client.open()
        transport.is_in_want = True
        await client.round_trip()

        assert not transport.is_in_want
        assert trio.current_time() == 0
