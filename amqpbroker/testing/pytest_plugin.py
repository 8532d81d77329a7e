"""pytest's way to the test kit: fixtures, options, and what a test left behind.

    amqp_broker   the broker of this session, in a thread of this process
    amqp_vhost    a vhost of the test's own
    amqp_url      its URL
    amqp_clock    the broker's clock
    amqp_faults   what goes wrong with it

The module is loaded with every pytest run where amqpbroker is installed; ``-p no:amqpbroker`` keeps
it out.  It imports nothing of the broker before a test asks for one of the fixtures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from amqpbroker.testing import Clock, Faults, LocalBroker, VHostHandle

_LEAKS = ("show", "error", "off")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings."""
    group = parser.getgroup("amqp", "amqpbroker")
    group.addoption(
        "--amqp-url",
        metavar="URL",
        help="run the tests against the broker at amqp://..., not against one of their own; "
        "tests that look into the broker are skipped",
    )
    group.addoption(
        "--amqp-management",
        metavar="URL",
        help="with --amqp-url: that broker's management API at http://user:password@host:port, "
        "so that each test has a vhost of its own there too",
    )
    group.addoption(
        "--amqp-leaks",
        choices=_LEAKS,
        help="what a test leaves behind in its vhost (open connections, unacked and unroutable "
        "messages) is shown with its failure, is an error, or is not looked for (default: show)",
    )
    parser.addini("amqp_leaks", "as --amqp-leaks", default="show")
    group.addoption(
        "--amqp-seed",
        type=int,
        default=1,
        metavar="NUMBER",
        help="what the chance of faults comes from (default: 1); a failing test tells it",
    )
    parser.addini(
        "amqp_faults_strict",
        "a fault that a test has asked for and that never struck is an error",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and check the settings."""
    config.addinivalue_line(
        "markers",
        "amqp_leaks(what): what this test leaves behind in its vhost is shown with its failure "
        "('show'), is an error ('error'), or is not looked for ('off')",
    )
    if config.getini("amqp_leaks") not in _LEAKS:
        raise pytest.UsageError(f"amqp_leaks is one of {', '.join(_LEAKS)}")
    if config.getoption("amqp_management") and not config.getoption("amqp_url"):
        raise pytest.UsageError("--amqp-management goes with --amqp-url")
    url = config.getoption("amqp_url")
    if url and not url.startswith(("amqp://", "amqps://")):
        raise pytest.UsageError(f"--amqp-url takes a URL such as amqp://guest:guest@host/: {url}")


@pytest.fixture(scope="session")
def amqp_broker(request: pytest.FixtureRequest) -> Iterator[LocalBroker]:
    """The broker of this session: `amqpbroker.testing.LocalBroker`.

    Under pytest-xdist every worker has one.  With ``--amqp-url`` the test is skipped.
    """
    _skip_if_external(request.config, "a broker in this process")
    from amqpbroker.testing import broker

    with broker(seed=cast("int", request.config.getoption("amqp_seed"))) as local:
        yield local


@pytest.fixture
def amqp_vhost(request: pytest.FixtureRequest) -> Iterator[VHostHandle]:
    """A vhost of the test's own, gone afterwards: `amqpbroker.testing.VHostHandle`.

    With ``--amqp-url`` it is one of that broker, and the test is skipped when it uses more of it
    than the name and the URL.
    """
    url = _url_of(request.config)
    if url is not None:
        from amqpbroker.testing.external import external_vhost

        management_url = cast("str | None", request.config.getoption("amqp_management"))
        with external_vhost(url, management_url) as external:
            yield cast("VHostHandle", external)
        return
    local = cast("LocalBroker", request.getfixturevalue("amqp_broker"))
    with local.fresh_vhost() as vhost:
        yield vhost
        _report_leftovers(request, vhost)


@pytest.fixture
def amqp_url(amqp_vhost: VHostHandle) -> str:
    """Where clients connect to the test's vhost."""
    return amqp_vhost.url


@pytest.fixture
def amqp_clock(amqp_broker: LocalBroker) -> Iterator[Clock]:
    """The broker's clock: `amqpbroker.testing.Clock`.  It goes on after the test."""
    yield amqp_broker.clock
    if amqp_broker.is_running:
        amqp_broker.clock.resume()


@pytest.fixture
def amqp_faults(request: pytest.FixtureRequest, amqp_broker: LocalBroker) -> Iterator[Faults]:
    """What goes wrong with the broker: `amqpbroker.testing.Faults`.  It ends with the test.

    Chance begins anew with each test, from ``--amqp-seed``.
    """
    faults = amqp_broker.faults
    faults.clear()
    yield faults
    idle = faults.idle()
    faults.clear()
    if idle and request.config.getini("amqp_faults_strict"):
        pytest.fail("faults that did not strike:\n" + "\n".join(f"- {one}" for one in idle), False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failed test's queues, and what was published last."""
    report = yield
    if report.when == "call" and report.failed:
        vhost = getattr(item, "funcargs", {}).get("amqp_vhost")
        if vhost is not None and _url_of(item.config) is None:
            lines = cast("VHostHandle", vhost).describe()
            if lines:
                report.sections.append(("AMQP", "\n".join(lines)))
        faults = getattr(item, "funcargs", {}).get("amqp_faults")
        if faults is not None:
            told = [one.text for one in cast("Faults", faults).report()]
            seed = f"replay their chance with --amqp-seed {cast('Faults', faults).seed}"
            report.sections.append(("AMQP faults", "\n".join([*told, seed])))
    return report


def _url_of(config: pytest.Config) -> str | None:
    return cast("str | None", config.getoption("amqp_url"))


def _skip_if_external(config: pytest.Config, what: str) -> None:
    if _url_of(config) is not None:
        pytest.skip(f"needs {what}, and --amqp-url names another one")


def _report_leftovers(request: pytest.FixtureRequest, vhost: VHostHandle) -> None:
    """Show what the test left behind, or fail because of it."""
    config = request.config
    what = config.getoption("amqp_leaks") or config.getini("amqp_leaks")
    marker = cast("pytest.Item", request.node).get_closest_marker("amqp_leaks")
    if marker is not None:
        what = marker.args[0] if marker.args else "error"
        if what not in _LEAKS:
            pytest.fail(f"the marker amqp_leaks takes one of {', '.join(_LEAKS)}, not {what!r}")
    if what == "off":
        return
    leftovers = vhost.leftovers()
    if not leftovers:
        return
    text = "\n".join(f"- {one}" for one in leftovers)
    if what == "error":
        pytest.fail(f"the test left behind:\n{text}", pytrace=False)
    cast("pytest.Item", request.node).add_report_section("teardown", "AMQP leftovers", text)
