"""The test API: what it offers is what the kit does, and what it refuses it says in a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from broker_process import ROOT, a_broker

from amqpbroker.cli.main import main
from amqpbroker.spec import methods as m
from amqpbroker.testing import LocalBroker, broker
from amqpbroker.testing.api_routes import SNAPSHOTS_MAX, WAIT_SECONDS_MAX, routes
from amqpbroker.testing.api_table import openapi
from amqpbroker.testing.http_api import BODY_BYTES_MAX, TestApi
from amqpbroker.testing.raw_client import RawConnection

DOCUMENT = ROOT / "docs" / "test-api.json"


class Client:
    """Asks the API of a broker."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(
        self, verb: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """The status and the answer."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        self.connection.request(verb, path, data, headers or {})
        response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def get(self, path: str) -> Any:
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def post(self, path: str, **values: object) -> Any:
        status, answer = self.ask("POST", path, values)
        assert status == 200, answer
        return answer

    def refused(self, verb: str, path: str, body: object = None) -> tuple[int, str]:
        status, answer = self.ask(verb, path, body)
        assert status >= 400
        assert list(answer) == ["error"]
        return status, answer["error"]


@pytest.fixture(scope="module")
def b() -> Iterator[LocalBroker]:
    with broker() as local:
        yield local


@pytest.fixture
def api(b: LocalBroker) -> Iterator[Client]:
    served = TestApi(0, b.port)
    served.serve(b)
    client = Client(served.port)
    yield client
    client.connection.close()
    served.close()
    b.faults.clear()
    b.clock.resume()


@pytest.fixture
def vhost(api: Client) -> Iterator[dict[str, str]]:
    made: dict[str, str] = api.post("/vhosts")
    yield made
    assert api.ask("DELETE", f"/vhosts/{made['name']}") == (200, {})


def test_the_document_is_what_is_served_and_what_is_printed(api: Client) -> None:
    printed = json.loads(DOCUMENT.read_text(encoding="utf-8"))

    assert printed == openapi(routes()), "make docs writes it anew"
    assert api.get("/openapi.json") == printed


def test_every_operation_has_a_name_of_its_own() -> None:
    operations = [
        operation["operationId"]
        for path in openapi(routes())["paths"].values()  # type: ignore[attr-defined]
        for operation in path.values()
    ]

    assert len(set(operations)) == len(operations) == len(routes())


def test_messages_are_seen_where_they_are(api: Client, vhost: dict[str, str]) -> None:
    queue = f"/vhosts/{vhost['name']}/queues/jobs"
    with RawConnection.open(vhost["url"]) as connection:
        channel = connection.channel()
        channel.call(m.QueueDeclare(queue="jobs"))
        channel.publish("", "jobs", b"one")
        channel.publish("", "job", b"\xff")
        assert api.post(f"{queue}/wait", ready=1, timeout=5)["ready"] == 1
        api.post(f"{queue}/publish", json={"id": 1}, headers={"a": 1}, properties={"priority": 3})

        found = api.get(queue)
        assert (found["ready"], found["unacked"], found["consumers"]) == (2, 0, 0)
        assert [one["body"] for one in found["messages"]] == ["one", '{"id": 1}']
        assert found["messages"][1]["headers"] == {"a": 1}
        published = api.get(f"/vhosts/{vhost['name']}/published")
        assert [one["unroutable"] for one in published] == [False, True]
        assert published[1]["body_base64"] == "/w=="
        (journey,) = api.get(f"/vhosts/{vhost['name']}/journeys?routing_key=job")
        assert journey["steps"][0]["verb"] == "unroutable"
        assert "closest: 'jobs'" in journey["story"]
        assert api.ask("DELETE", f"/vhosts/{vhost['name']}/published") == (200, {})
        assert api.get(f"/vhosts/{vhost['name']}/published") == []
        assert api.post(f"{queue}/purge") == {"purged": 2}
        assert len(api.get(f"/vhosts/{vhost['name']}/leftovers")) == 1
        assert [one["name"] for one in api.get(f"/vhosts/{vhost['name']}/queues")] == ["jobs"]


def test_time_passes_when_it_is_told(api: Client, vhost: dict[str, str], b: LocalBroker) -> None:
    api.post("/clock/freeze")
    b.vhost(vhost["name"]).queue("jobs").declare(arguments={"x-message-ttl": 60_000})
    b.vhost(vhost["name"]).queue("jobs").publish("x")
    assert api.get("/clock")["frozen"] is True
    before = api.get("/clock")["now"]

    assert api.post("/clock/advance", by="1m")["now"] > before
    assert api.get(f"/vhosts/{vhost['name']}/queues/jobs")["messages"] == []
    assert api.post("/clock/resume")["frozen"] is False
    assert api.post("/settle", acked=True) == {}


def test_faults_are_made_and_reported(api: Client, vhost: dict[str, str]) -> None:
    api.post("/faults/next-confirms", nack=1, queue="jobs")
    with RawConnection.open(vhost["url"]) as connection:
        channel = connection.channel()
        channel.call(m.QueueDeclare(queue="jobs"))
        channel.call(m.ConfirmSelect())
        channel.publish("", "jobs", b"x")
        assert channel.expect_confirms().nacked == (1,)

        assert [one["fired"] for one in api.get("/faults")] == [1]
        assert api.post("/faults/connections/close", code=320, text="bye") == {"connections": 1}
        assert connection.expect_close().reply_text == "CONNECTION_FORCED - bye"
    assert api.ask("DELETE", "/faults") == (200, {})
    assert api.get("/faults") == []


def test_a_state_is_kept_and_brought_back(api: Client, vhost: dict[str, str]) -> None:
    name = vhost["name"]
    kept = api.post("/snapshots")["id"]
    with RawConnection.open(vhost["url"]) as connection:
        connection.channel().call(m.QueueDeclare(queue="jobs"))
    assert len(api.get(f"/vhosts/{name}/queues")) == 1

    api.post(f"/snapshots/{kept}/restore")
    assert api.get(f"/vhosts/{name}/queues") == []
    assert api.refused("POST", "/snapshots/nope/restore") == (
        404, f"no snapshot 'nope'; the last {SNAPSHOTS_MAX} stay",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "expected"),
    [
        ("GET", "/nope", None, 404, "there is no GET /nope: see /openapi.json"),
        ("POST", "/clock", None, 404, "there is no POST /clock"),
        ("GET", "/vhosts/nope/queues", None, 404, "no vhost 'nope'; there are"),
        ("GET", "/vhosts/%2F/queues/nope", None, 404, "no queue 'nope' in vhost '/'"),
        ("GET", "/clock?x=1", None, 400, "there is no 'x' here; it takes nothing"),
        ("POST", "/clock/advance", {}, 400, "'by' is missing: how long"),
        ("POST", "/clock/advance", {"by": "soon"}, 400, "not a duration: 'soon'"),
        ("POST", "/settle", {"acked": 1}, 400, "'acked' must be of type boolean"),
        ("POST", "/settle", {"timeout": True}, 400, "'timeout' must be of type number"),
        ("POST", "/settle", {"timeout": 1e9}, 400, f"{WAIT_SECONDS_MAX:g} seconds at most"),
        ("POST", "/settle", b"{", 400, "the body is not JSON"),
        ("POST", "/settle", b"[" * 100_000, 400, "the body is nested too deeply"),
        ("POST", "/settle", b"[]", 400, "the body must be a JSON object"),
        ("POST", "/faults/next-confirms", {}, 400, "say what is to happen to confirms"),
        ("POST", "/faults/connections/drop", {"name": "x"}, 404, "no connection is called 'x'"),
        ("POST", "/faults/connections/close", {"code": 1}, 400, "1 is not a valid ReplyCode"),
        (
            "POST", "/vhosts/%2F/queues/q/wait", {"ready": 1, "timeout": 0.01}, 504,
            "nobody has declared it",
        ),
        (
            "POST", "/vhosts/%2F/queues/q/publish", {"body_base64": "?"}, 400,
            "'body_base64' is no base64",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_answered_with_a_sentence(
    api: Client, verb: str, path: str, body: object, status: int, expected: str
) -> None:
    answered, sentence = api.refused(verb, path, body)

    assert answered == status
    assert expected in sentence


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://example.org"}, 403), ({"Host": "example.org"}, 403),
        ({"Host": "localhost"}, 200), ({"Content-Length": "x"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411), ({"Content-Length": str(BODY_BYTES_MAX + 1)}, 413),
    ],
)  # fmt: skip
def test_only_this_machine_and_no_browser_is_answered(
    api: Client, headers: dict[str, str], status: int
) -> None:
    assert api.ask("GET", "/clock", headers=headers)[0] == status


def test_a_broker_in_a_process_has_it_too() -> None:
    with a_broker("--memory", "--test-api", "0") as process:
        port = int(process.log().split("127.0.0.1:")[1].partition("/")[0])
        client = Client(port)
        with RawConnection.open(process.url) as connection:
            connection.channel().call(m.QueueDeclare(queue="jobs"))
            assert client.get("/vhosts/%2F/queues/jobs")["ready"] == 0
            assert client.post("/faults/connections/drop") == {"connections": 1}
            connection.expect_closed()
        client.connection.close()


def test_a_port_that_is_taken_is_one_line(
    api: Client, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    taken = str(api.connection.port)

    assert main(["serve", "--memory", "--port", "0", "--test-api", taken]) == 1
    assert f"cannot listen on 127.0.0.1:{taken}: the port is taken" in capsys.readouterr().err
