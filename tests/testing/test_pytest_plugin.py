"""The pytest plugin, in test runs of its own (pytester)."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from textwrap import dedent
from threading import Thread

import pytest

from amqpbroker.testing import LocalBroker

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent.parent
#: Whether or not this checkout is installed with its entry point, the plugin is there once.
PLUGIN = ("-p", "no:amqpbroker", "-p", "amqpbroker.testing.pytest_plugin")
QUIET = ("-p", "no:cacheprovider", "-p", "no:trio", "-p", "no:hypothesispytest")

CLIENT = """
from amqpbroker.spec import methods as m
from amqpbroker.testing.raw_client import RawConnection


def connect(url):
    connection = RawConnection.open(url)
    return connection, connection.channel()
"""


IMPORTS = "import pytest\nfrom client import connect, m\n\n"


@pytest.fixture
def run(pytester: pytest.Pytester) -> Runner:
    return Runner(pytester)


class Runner:
    """Runs test modules with the plugin, in this process unless told otherwise."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(client=CLIENT)

    def __call__(self, code: str, *options: str, in_process: bool = True) -> pytest.RunResult:
        imports = "import pytest\n\n" if "connect(" not in code else IMPORTS
        self.pytester.makepyfile(test_it=imports + dedent(code))
        arguments = (*PLUGIN, *QUIET, "-Werror", *options)
        if in_process:
            return self.pytester.runpytest_inprocess(*arguments)
        return self.pytester.runpytest_subprocess(*arguments)


def test_each_test_has_a_vhost_of_its_own_which_is_gone_afterwards(run: Runner) -> None:
    result = run(
        """
        seen = []

        def test_one(amqp_vhost, amqp_url):
            assert amqp_url == amqp_vhost.url
            connection, channel = connect(amqp_url)
            channel.call(m.QueueDeclare(queue="jobs"))
            channel.publish("", "jobs", b"hello")
            assert [message.body for message in amqp_vhost.queue("jobs").messages] == [b"hello"]
            connection.close()
            seen.append(amqp_vhost)

        def test_other(amqp_vhost, amqp_broker):
            assert amqp_vhost.queues == {}
            assert amqp_vhost.name != seen[0].name
            with pytest.raises(LookupError):
                amqp_broker.vhost(seen[0].name)
        """
    )

    result.assert_outcomes(passed=2)


def test_the_session_has_one_broker_and_its_clock_goes_on_after_a_test(run: Runner) -> None:
    result = run(
        """
        seen = []

        def test_one(amqp_broker, amqp_clock):
            amqp_clock.freeze()
            seen.append(amqp_broker)

        def test_other(amqp_broker):
            assert amqp_broker is seen[0]
            assert not amqp_broker.clock.is_frozen
        """
    )

    result.assert_outcomes(passed=2)


def test_faults_end_with_the_test_that_asked_for_them(run: Runner) -> None:
    result = run(
        """
        def publish(url):
            connection, channel = connect(url)
            channel.call(m.ConfirmSelect())
            channel.publish("", "nobody", b"x", mandatory=True)
            channel.expect_content(m.BasicReturn)
            confirms = channel.expect_confirms()
            connection.close()
            return confirms

        def test_one(amqp_url, amqp_faults):
            amqp_faults.some_confirms(nack=1.0)
            assert publish(amqp_url).nacked == (1,)

        def test_other(amqp_url):
            assert publish(amqp_url).acked == (1,)
        """
    )

    result.assert_outcomes(passed=2)


def test_a_failed_test_tells_its_faults_and_their_seed(run: Runner) -> None:
    result = run(
        """
        def test_it(amqp_faults):
            amqp_faults.some_confirms(nack=0.5, queue="jobs")
            assert amqp_faults.seed == 7
            assert False
        """,
        "--amqp-seed=7",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*AMQP faults*",
        "nack confirms of queue 'jobs' with probability 0.5, fired 0 times",
        "replay their chance with --amqp-seed 7",
    ])  # fmt: skip


@pytest.mark.parametrize(("strict", "outcomes"), [("true", (1, 1)), ("false", (1, 0))])
def test_a_fault_that_never_struck_is_an_error_on_request(
    run: Runner, strict: str, outcomes: tuple[int, int]
) -> None:
    run.pytester.makeini(f"[pytest]\namqp_faults_strict = {strict}")
    result = run("def test_it(amqp_faults):\n    amqp_faults.next_acks(redeliver=1)")

    result.assert_outcomes(passed=outcomes[0], errors=outcomes[1])
    assert ("- redeliver acks 1 more times, fired 0 times" in result.stdout.str()) is bool(
        outcomes[1]
    )


def test_a_failed_assertion_points_at_the_line_of_the_test(run: Runner) -> None:
    result = run(
        """
        def test_published(amqp_vhost):
            amqp_vhost.published("orders.*").with_body("x").once()

        def test_waited(amqp_vhost):
            amqp_vhost.queue("jobs").wait_for(ready=1, timeout=0.01)
        """
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["test_it.py:5: AssertionError", "test_it.py:8: StillOutstanding"])


def test_a_test_may_end_the_broker_itself(run: Runner) -> None:
    result = run(
        """
        def test_it(amqp_broker, amqp_vhost, amqp_clock):
            amqp_broker.close()
            assert amqp_broker.is_running
        """
    )

    result.assert_outcomes(failed=1)


LEAKY = """
@pytest.fixture(scope="module")
def left_open():
    connections = []
    yield connections
    for connection in connections:
        connection.drop()

def test_it(left_open, amqp_vhost):
    connection, channel = connect(amqp_vhost.url)
    left_open.append(connection)
    channel.call(m.QueueDeclare(queue="jobs"))
    channel.publish("", "jobs", b"hello")
    channel.publish("amq.direct", "nowhere", b"lost")
    assert channel.get("jobs", no_ack=False).body == b"hello"
    assert {}
"""


def leaky(expression: str) -> str:
    return LEAKY.format(expression)


def test_what_is_left_behind_is_shown_with_the_failure(run: Runner) -> None:
    result = run(leaky("False"))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*AMQP*",
            "<Queue 'jobs' ready=0 unacked=1 consumers=0>",
            "<PublishedMessage routing_key='jobs' 'hello'>",
            "*Captured AMQP leftovers teardown*",
            "- an open connection of user 'guest' with 1 channels and 0 consumers",
            "- 1 unacked messages of queue 'jobs'",
            "- a message that went nowhere: <PublishedMessage exchange='amq.direct' *'lost'>: "
            "exchange 'amq.direct' has no bindings",
        ]
    )


def test_a_test_that_passes_may_leave_things_behind(run: Runner) -> None:
    result = run(leaky("True"))

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*left*")


@pytest.mark.parametrize("way", ["option", "setting", "marker"])
def test_on_request_leftovers_are_an_error(run: Runner, way: str) -> None:
    code = leaky("True")
    if way == "setting":
        run.pytester.makeini("[pytest]\namqp_leaks = error")
    if way == "marker":
        code = f"pytestmark = pytest.mark.amqp_leaks('error')\n{code}"
    result = run(code, *(["--amqp-leaks=error"] if way == "option" else []))

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["the test left behind:", "- an open connection *"])


def test_a_test_that_cleans_up_has_no_leftovers(run: Runner) -> None:
    result = run(
        """
        @pytest.fixture
        def channel(amqp_url):
            connection, channel = connect(amqp_url)
            yield channel
            connection.close()

        def test_it(channel):
            channel.call(m.QueueDeclare(queue="jobs"))
            channel.publish("", "jobs", b"hello")
            channel.publish("amq.direct", "nowhere", b"returned", mandatory=True)
            channel.expect(m.BasicReturn)
        """,
        "--amqp-leaks=error",
    )

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("way", ["option", "marker"])
def test_leftovers_need_not_be_looked_for(run: Runner, way: str) -> None:
    code, options = leaky("False"), ["--amqp-leaks=off"]
    if way == "marker":
        code = f"pytestmark = pytest.mark.amqp_leaks('off')\n{code}"
        options = ["--amqp-leaks=error"]
    result = run(code, *options)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*AMQP leftovers*")


@pytest.mark.parametrize(
    ("ini", "options", "message"),
    [
        ("amqp_leaks = loud", (), "amqp_leaks is one of show, error, off"),
        ("", ("--amqp-management", "http://host"), "--amqp-management goes with --amqp-url"),
        ("", ("--amqp-url", "localhost:5672"), "--amqp-url takes a URL such as amqp://*"),
    ],
)
def test_a_mistake_in_the_settings_is_one_line(
    run: Runner, ini: str, options: tuple[str, ...], message: str
) -> None:
    run.pytester.makeini(f"[pytest]\n{ini}")
    result = run("def test_it(): pass", *options)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_a_marker_with_another_word_fails_the_test(run: Runner) -> None:
    result = run(f"pytestmark = pytest.mark.amqp_leaks('loud')\n{leaky('True')}")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*takes one of show, error, off, not 'loud'*"])


# Other brokers

THREE_TESTS = """
    def test_with_a_url(amqp_url):
        connection, channel = connect(amqp_url)
        channel.call(m.QueueDeclare(queue="jobs"))
        connection.close()

    def test_with_a_look_inside(amqp_vhost):
        connection, channel = connect(amqp_vhost.url)
        connection.close()
        assert amqp_vhost.queue("jobs").messages == []

    def test_with_our_broker(amqp_broker, amqp_clock):
        pass
"""


def test_tests_run_against_another_broker_and_what_needs_ours_is_skipped(
    run: Runner, local: LocalBroker
) -> None:
    with local.fresh_vhost() as vhost:
        result = run(THREE_TESTS, "-rs", "--amqp-url", vhost.url)

        assert list(vhost.queues) == ["jobs"]
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "SKIPPED *amqp_vhost.queue looks into our own broker, and --amqp-url names another",
            "SKIPPED *needs a broker in this process, and --amqp-url names another one",
        ]
    )


class ManagementStub(HTTPServer):
    """The part of a management API that makes vhosts, in front of a broker of ours."""

    def __init__(self, local: LocalBroker) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.local = local
        self.requests: list[tuple[str, str, str | None]] = []


class _Handler(BaseHTTPRequestHandler):
    @property
    def stub(self) -> ManagementStub:
        assert isinstance(self.server, ManagementStub)
        return self.server

    def do_PUT(self) -> None:
        self._answer(self.stub.local.add_vhost)

    def do_DELETE(self) -> None:
        self._answer(self.stub.local.delete_vhost)

    def _answer(self, act: object) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = self.headers["Authorization"]
        self.stub.requests.append((self.command, self.path, body.decode() or None))
        if login != "Basic Z3Vlc3Q6Z3Vlc3Q=":
            self.send_error(401)
            return
        if self.path.startswith("/api/vhosts/"):
            assert callable(act)
            act(self.path.rpartition("/")[2])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def management(local: LocalBroker) -> Iterator[ManagementStub]:
    with ManagementStub(local) as stub:
        thread = Thread(target=stub.serve_forever, args=(0.01,))
        thread.start()
        yield stub
        stub.shutdown()
        thread.join()


def test_by_a_management_api_each_test_has_a_vhost_there_too(
    run: Runner, local: LocalBroker, management: ManagementStub
) -> None:
    url = f"http://guest:guest@127.0.0.1:{management.server_port}"
    result = run(THREE_TESTS, "--amqp-url", local.url, "--amqp-management", url)

    result.assert_outcomes(passed=1, skipped=2)
    made = [path for verb, path, body in management.requests if verb == "PUT" and body is None]
    gone = [path for verb, path, _ in management.requests if verb == "DELETE"]
    assert (len(made), made) == (2, gone)
    allowed = [json.loads(body) for _, _, body in management.requests if body is not None]
    assert allowed == [{"configure": ".*", "write": ".*", "read": ".*"}] * 2
    assert local.call(lambda: list(local.engine.vhosts)) == ["/"]


def test_a_management_api_that_refuses_is_an_error_that_says_so(
    run: Runner, local: LocalBroker, management: ManagementStub
) -> None:
    url = f"http://guest:wrong@127.0.0.1:{management.server_port}"
    result = run(THREE_TESTS, "--amqp-url", local.url, "--amqp-management", url)

    result.assert_outcomes(errors=2, skipped=1)
    result.stdout.fnmatch_lines(["*--amqp-management: * was answered 401 Unauthorized*"])


# Around it


@pytest.mark.slow
def test_under_xdist_every_worker_has_a_broker_of_its_own(run: Runner) -> None:
    pytest.importorskip("xdist")
    result = run(
        """
        @pytest.mark.parametrize("number", range(8))
        def test_it(amqp_broker, amqp_vhost, number, worker_id, tmp_path_factory):
            connection, channel = connect(amqp_vhost.url)
            channel.call(m.QueueDeclare(queue="jobs"))
            connection.close()
            place = tmp_path_factory.getbasetemp().parent / f"{worker_id}-{amqp_broker.port}"
            place.touch()

        """,
        "-n2",
        "--basetemp=base",
        in_process=False,
    )

    result.assert_outcomes(passed=8)
    workers = sorted(path.name.split("-")[0] for path in Path("base").glob("gw*-*"))
    assert workers == ["gw0", "gw1"]


@pytest.mark.slow
def test_nothing_of_the_broker_is_imported_before_a_test_asks_for_it(run: Runner) -> None:
    result = run(
        """
        import sys

        def test_it():
            loaded = [name for name in sys.modules if name.startswith("amqpbroker.")]
            assert [name for name in loaded if "server" in name or "engine" in name] == []
            assert "trio" not in sys.modules
        """,
        in_process=False,
    )

    result.assert_outcomes(passed=1)


def test_the_plugin_is_registered_with_pytest_under_the_name_to_leave_it_out_by() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"]["pytest11"] == {"amqpbroker": "amqpbroker.testing.pytest_plugin"}


@pytest.mark.slow
def test_to_load_it_loads_nothing_else() -> None:
    program = """
import sys, pytest
import amqpbroker.testing.pytest_plugin
loaded = [name for name in sys.modules if name.startswith("amqpbroker")]
assert sorted(loaded) == ["amqpbroker", "amqpbroker.testing", "amqpbroker.testing.pytest_plugin"]
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (run.returncode, run.stderr) == (0, "")
