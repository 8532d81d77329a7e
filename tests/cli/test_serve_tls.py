"""A broker with TLS as a process, and clients that are not ours."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path
from typing import TextIO

import pika
import pika.credentials
import pytest
from broker_process import BrokerProcess, a_broker
from certificates import Certificates

from amqpbroker.cli.main import main
from amqpbroker.spec import methods as m
from amqpbroker.testing.raw_client import RawConnection

AMQP = b"AMQP\x00\x00\x09\x01"


def options(certificates: Certificates, *more: str, cert: str = "server") -> list[str]:
    return [
        "--tls-cert", certificates[cert], "--tls-key", certificates[f"{cert}-key"],
        "--tls-ca", certificates["ca"], "--tls-port", "0", *more,
    ]  # fmt: skip


def pika_connection(
    broker: BrokerProcess, context: ssl.SSLContext, *, by_certificate: bool = False
) -> pika.BlockingConnection:
    credentials = pika.credentials.PlainCredentials("guest", "guest")
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            "localhost",
            broker.tls_port,
            ssl_options=pika.SSLOptions(context, "localhost"),
            credentials=pika.credentials.ExternalCredentials() if by_certificate else credentials,
        )
    )


def names_shown_by(port: int, context: ssl.SSLContext) -> list[str]:
    """The names in the certificate that a server shows."""
    with (
        socket.create_connection(("127.0.0.1", port)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
    ):
        certificate = tls.getpeercert()
        assert certificate is not None
        tls.sendall(AMQP)
        assert tls.recv(1) == b"\x01"
        return [str(name) for _, name in certificate["subjectAltName"]]


def test_pika_is_served_over_tls_beside_the_plain_port(certificates: Certificates) -> None:
    with a_broker(*options(certificates)) as broker:
        assert [line.split()[-1] for line in broker.ready_lines[:2]] == [
            broker.url,
            f"amqps://guest:guest@127.0.0.1:{broker.tls_port}/",
        ]
        body = bytes(range(256)) * 8192
        with pika_connection(broker, certificates.client_context()) as client:
            channel = client.channel()
            channel.queue_declare("jobs")
            channel.confirm_delivery()
            for _ in range(3):
                channel.basic_publish("", "jobs", body)
        with RawConnection.open(broker.url) as plain:
            declared = plain.channel().call(m.QueueDeclare(0, "jobs"), m.QueueDeclareOk)
            assert declared.message_count == 3
        with pika_connection(broker, certificates.client_context()) as client:
            channel = client.channel()
            for method, _, received in channel.consume("jobs", auto_ack=True):
                assert received == body
                if method is not None and method.delivery_tag == 3:
                    break


def test_a_certificate_is_enough_to_log_in(certificates: Certificates) -> None:
    more = "--tls-verify", "required", "--tls-login-from", "common-name", "--port", "off"
    with a_broker(*options(certificates, *more)) as broker:
        assert broker.url == broker.tls_url
        context = certificates.client_context("client")
        with pika_connection(broker, context, by_certificate=True) as client:
            client.channel().queue_declare("jobs")


def test_sighup_reads_certificates_and_settings_again(
    certificates: Certificates, tmp_path: Path
) -> None:
    config = tmp_path / "broker.toml"

    def configure(name: str, more: str = "") -> None:
        config.write_text(
            f'tls-cert = "{certificates[name]}"\ntls-key = "{certificates[name + "-key"]}"\n'
            f"tls-port = 0\nlog-level = 'info'\n{more}\n"
        )

    configure("server")
    context = certificates.client_context()
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, encoding="utf-8") as log,
        a_broker("--config", str(config), log_descriptor=writing) as broker,
        pika_connection(broker, context) as client,
    ):
        channel = client.channel()
        assert "second.example" not in names_shown_by(broker.tls_port, context)
        configure("server-2", "max-message-size = 1")
        broker.signal(signal.SIGHUP)
        lines = read_until("settings and certificates are read again", log)
        assert "second.example" in names_shown_by(broker.tls_port, context)
        assert any("max-message-size changes only with a restart" in line for line in lines)
        channel.queue_declare("jobs")  # the connection is still there
        config.write_text("prot = 1")
        broker.signal(signal.SIGHUP)
        said = read_until("nothing is reloaded: ", log)[-1]
        assert "there is no setting 'prot': did you mean 'port'?" in said
        assert "second.example" in names_shown_by(broker.tls_port, context)
        os.close(writing)


def read_until(words: str, log: TextIO) -> list[str]:
    """The lines of a log up to the one that says so."""
    lines: list[str] = []
    for line in log:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tls-cert", "nowhere.pem"], "cannot read nowhere.pem: No such file or directory"),
        (["--tls-cert", "README.md"], "tls-cert: README.md holds no certificate (PEM is needed)"),
    ],
)
def test_a_bad_certificate_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["serve", "--port", "0", "--tls-port", "0", *arguments]) == 1
    assert capsys.readouterr().err == f"amqpbroker: {expected}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tls-key", "x"], "tls-key is given without tls-cert"),
        (["--port", "off"], "port is off, and so is TLS (tls-cert turns it on)"),
        (["--port", "off", "--tls-cert", "x", "--tls-port", "off"], "nothing to listen on"),
        (["--tls-cert", "x", "--tls-verify", "required"], "tls-verify needs tls-ca"),
        (["--tls-verify", "maybe"], "'maybe' is none of auto, none, optional, required"),
    ],
)
def test_settings_that_do_not_go_together_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *arguments])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_tls_port_that_is_taken_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", "0", "--tls-cert", "x", "--tls-port", str(port)]) == 1

    assert f"cannot listen on 127.0.0.1:{port}: the port is taken" in capsys.readouterr().err
