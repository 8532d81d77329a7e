"""`amqpbroker certs`: what it makes is what a broker and its clients need."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from amqpbroker.cli.main import main

x509: Any = pytest.importorskip("cryptography.x509")
FILES = [
    "ca-key.pem", "ca.pem", "client-key.pem", "client.pem", "server-key.pem", "server.pem",
]  # fmt: skip


def subject_of(path: Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()


def hosts_of(path: Path) -> list[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in names.value]


def test_it_makes_a_ca_and_two_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "new" / "certs"

    assert main(["certs", str(directory)]) == 0
    assert sorted(path.name for path in directory.iterdir()) == FILES
    assert f"--tls-cert {directory}/server.pem" in capsys.readouterr().out
    assert hosts_of(directory / "server.pem") == ["localhost", "127.0.0.1", "::1"]
    assert subject_of(directory / "client.pem") == "CN=guest,O=amqpbroker development"
    for name in FILES:
        mode = (directory / name).stat().st_mode & 0o777
        assert (mode == 0o600) == ("key" in name)
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    for name in ("server", "client"):
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}-key.pem")


def test_names_are_as_they_are_told(tmp_path: Path) -> None:
    hosts = ["--host", "broker.example", "--host", "192.0.2.1"]

    assert main(["certs", str(tmp_path), *hosts, "--client", "shop", "--days", "3"]) == 0
    assert hosts_of(tmp_path / "server.pem") == ["broker.example", "192.0.2.1"]
    assert subject_of(tmp_path / "client.pem").startswith("CN=shop,")


def test_a_ca_that_is_there_is_kept(tmp_path: Path) -> None:
    assert main(["certs", str(tmp_path)]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["certs", str(tmp_path)]) == 0
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert {name for name in FILES if before[name] == after[name]} == {"ca.pem", "ca-key.pem"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{dir}/file/x"], "Not a directory"),
        (["{dir}", "--host", "ä"], "cannot make these certificates"),
        (["{dir}/other"], "are no CA; move them away"),
    ],
)
def test_what_cannot_be_made_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "other").mkdir()
    for name in ("ca.pem", "ca-key.pem"):
        (tmp_path / "other" / name).write_bytes(b"something else")

    assert main(["certs", *(text.format(dir=tmp_path) for text in arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


@pytest.mark.parametrize("days", ["0", "-1", "x", "4000"])
def test_days_are_a_number_that_makes_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    with pytest.raises(SystemExit):
        main(["certs", str(tmp_path), "--days", days])
    assert "is not a number of days" in capsys.readouterr().err
