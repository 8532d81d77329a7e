"""The broker as a process: it says when it is ready, serves, and stops when it is told to."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import tomllib

import pytest
from broker_process import MODULE, ROOT, BrokerProcess, a_broker

from amqpbroker import __version__
from amqpbroker.spec import methods as m
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.raw_events import Closed

#: What an installed console script does; `test_the_console_script_is_main` says that it does.
SCRIPT = (
    sys.executable,
    "-c",
    "from amqpbroker.cli.main import main; raise SystemExit(main())",
)
SHUTDOWN = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
STOP_SECONDS_MAX = 5.0


def url(broker: BrokerProcess, user: str = "guest:guest", vhost: str = "") -> str:
    return f"amqp://{user}@127.0.0.1:{broker.port}/{vhost}"


def test_the_console_script_is_main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["scripts"] == {"amqpbroker": "amqpbroker.cli.main:main"}


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
def test_it_says_where_it_is_and_that_it_is_ready(command: tuple[str, ...]) -> None:
    with a_broker("--memory", "--port", "0", command=command) as broker:
        first, second = broker.ready_lines
        assert first == f"amqpbroker {__version__} is ready: amqp://guest:guest@127.0.0.1:" + (
            f"{broker.port}/"
        )
        assert second == " Server startup complete"
        with RawConnection.open(broker.url) as connection:
            connection.channel().round_trip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_cleanly_while_clients_are_there(number: signal.Signals) -> None:
    with a_broker() as broker, socket.create_connection(("127.0.0.1", broker.port)) as silent:
        clients = [RawConnection.open(broker.url) for _ in range(3)]
        for client in clients:
            client.channel().call(m.QueueDeclare(0, "jobs"))
        broker.signal(number)
        for client in clients:
            close = client.expect(m.ConnectionClose)
            assert (close.reply_code, close.reply_text) == (320, SHUTDOWN)
        for client in clients[:2]:  # the third does not answer
            client.send_method(0, m.ConnectionCloseOk())
            client.expect_closed()
        status, seconds = broker.wait()

        assert status == 0
        assert seconds < STOP_SECONDS_MAX
        assert isinstance(clients[2].receive(), Closed)
        assert silent.recv(1) == b""
        for client in clients:
            client.drop()


def test_a_second_signal_does_not_wait_for_clients() -> None:
    with a_broker() as broker, RawConnection.open(broker.url) as client:
        client.channel()
        broker.signal(signal.SIGTERM)
        client.expect(m.ConnectionClose)  # and no answer
        broker.signal(signal.SIGTERM)
        status, seconds = broker.wait()

        assert status == 0
        assert seconds < 2  # without it: 3


def test_a_port_that_is_taken_is_one_line_and_a_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*MODULE, "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=20,
            check=False,
        )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"amqpbroker: cannot listen on 127.0.0.1:{port}: the port is taken "
        "(--port 0 takes a free one)\n"
    )


def test_a_stopped_brokers_port_can_be_had_again_at_once() -> None:
    with a_broker() as broker, RawConnection.open(broker.url) as client:
        client.channel()
        port = broker.port
        broker.signal(signal.SIGTERM)
        client.expect_close()
        assert broker.wait()[0] == 0
    with a_broker("--port", str(port)) as broker:
        assert broker.port == port


def test_the_environment_names_user_password_and_vhost() -> None:
    environment = {
        "RABBITMQ_DEFAULT_USER": "app",
        "RABBITMQ_DEFAULT_PASS": "secret",
        "RABBITMQ_DEFAULT_VHOST": "shop",
    }
    with a_broker(environment=environment) as broker:
        assert "secret" not in " ".join(broker.ready_lines)
        assert broker.ready_lines[0].endswith(f" amqp://app@127.0.0.1:{broker.port}/shop")
        with RawConnection.open(url(broker, "app:secret", "shop")) as client:
            client.channel().round_trip()
        with RawConnection(url(broker, "guest:guest", "shop")) as refused:
            refused.start()
            refused.start_ok()
            assert refused.expect(m.ConnectionClose).reply_code == 403


def test_our_own_names_and_the_command_line_win() -> None:
    environment = {
        "RABBITMQ_NODE_PORT": "1",
        "RABBITMQ_DEFAULT_USER": "theirs",
        "AMQPBROKER_DEFAULT_USER": "ours",
        "AMQPBROKER_DEFAULT_PASSWORD": "secret",
        "AMQPBROKER_DEFAULT_VHOST": "not this one",
        "AMQPBROKER_MAX_MESSAGE_SIZE": "10",
    }
    with (
        a_broker("--default-vhost", "this", environment=environment) as broker,
        RawConnection.open(url(broker, "ours:secret", "this")) as client,
    ):
        channel = client.channel()
        channel.publish("", "", b"x" * 11)
        close = channel.expect_close()

        assert "larger than configured max size 10" in close.reply_text


def test_vhosts_are_apart_and_others_do_not_exist() -> None:
    with (
        a_broker("--vhost", "one", "--vhost", "two/half") as broker,
        RawConnection.open(url(broker, vhost="one")) as one,
        RawConnection.open(url(broker, vhost="two%2Fhalf")) as two,
    ):
        one.channel().call(m.QueueDeclare(0, "jobs"), m.QueueDeclareOk)
        close = two.channel().refused(m.QueueDeclare(0, "jobs", passive=True))
        assert close.reply_text == "NOT_FOUND - no queue 'jobs' in vhost 'two/half'"
        with RawConnection(url(broker)) as other:
            other.start()
            other.start_ok()
            other.expect(m.ConnectionTune)
            other.tune_ok(100, 131_072)
            other.send_method(0, m.ConnectionOpen("three"))
            close = other.expect(m.ConnectionClose)
            assert close.reply_text == "NOT_ALLOWED - vhost three not found"


def test_every_address_of_a_host_shares_the_port() -> None:
    with a_broker("--host", "") as broker:
        with socket.create_connection(("127.0.0.1", broker.port)):
            pass
        assert broker.ready_lines[0].endswith(f"@0.0.0.0:{broker.port}/")


def test_the_log_tells_who_came_and_why_they_went() -> None:
    with a_broker("--log-level", "info") as broker:
        with RawConnection.open(broker.url) as client:
            channel = client.channel()
            channel.refused(m.BasicGet(0, "no\nsuch"))
            client.close()
        with RawConnection.open(broker.url) as other:  # its answers come after the other's end
            other.channel().round_trip()
        lines = broker.log().splitlines()

    assert sum("connected" in line for line in lines) == 2, lines
    mistakes = [line for line in lines if "NOT_FOUND - no queue 'no\\x0asuch' in vhost '/'" in line]
    assert len(mistakes) == 1, lines
    assert " WARNING " in mistakes[0]
    assert all(" INFO " in line for line in lines if line not in mistakes)


#: Takes the terminal on standard input as its own, and becomes what it is told.
IN_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


def test_it_stops_when_the_terminal_that_it_was_started_in_is_closed() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", IN_A_TERMINAL, "-m", "amqpbroker", "serve", "--port", "0"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        assert process.stdout is not None
        with process.stdout:
            assert b"is ready" in process.stdout.readline()
            os.close(ours)
            assert process.wait(20) == 0
    finally:
        process.kill()
