from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.passwords import (
    PASSWORD_BYTES_MAX,
    PBKDF2_ITERATIONS_MAX,
    PasswordHash,
    check_password,
    hashed,
    hashed_quickly,
)

SALT = bytes(range(16))
#: Of RabbitMQ 4.0.5, for the password "secret" (GET /api/users/NAME).
RABBITMQ_HASH = "ckgPNvole5VWL54ShZSSBj5lMwNZnBkC3COxMMOAkjVI+hiI"


def some_hash(algorithm: str) -> PasswordHash:
    """Of the password "secret"."""
    if algorithm == "pbkdf2-sha256":
        return hashed("secret", SALT, iterations=3)
    if algorithm == "scrypt":
        digest = hashlib.scrypt(b"secret", salt=SALT, n=16, r=2, p=1, dklen=32)
        return PasswordHash("scrypt", (16, 2, 1), SALT, digest)
    name = algorithm.removeprefix("rabbit-")
    return PasswordHash(algorithm, (), b"salt", hashlib.new(name, b"saltsecret").digest())


ALGORITHMS = ["pbkdf2-sha256", "scrypt", "rabbit-sha256", "rabbit-sha512", "rabbit-md5"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hash_knows_its_password_and_no_other(algorithm: str) -> None:
    kept = some_hash(algorithm)

    assert kept.is_of("secret")
    assert not any(map(kept.is_of, ("", "Secret", "secret ", "secre", "secret" * 1000, "é")))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hash_is_the_same_when_it_is_read_again(algorithm: str) -> None:
    kept = some_hash(algorithm)

    assert PasswordHash.from_text(kept.text) == kept


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_hash_shows_neither_password_nor_digest(algorithm: str) -> None:
    kept = some_hash(algorithm)

    assert repr(kept) == f"<PasswordHash {algorithm}>"
    assert "secret" not in kept.text


@given(password=st.text(min_size=1, max_size=50), other=st.text(max_size=50))
def test_a_quick_hash_tells_passwords_apart(password: str, other: str) -> None:
    try:
        kept = hashed_quickly(password, b"salt")
    except UnicodeEncodeError:  # half a character, which no client can send
        return

    assert kept.is_of(password)
    assert kept.is_of(other) == (password == other)


@pytest.mark.parametrize("name", ["sha256", "sha512", "md5"])
def test_rabbitmqs_hashes_are_taken_over_and_given_back(name: str) -> None:
    kept = some_hash(f"rabbit-{name}")
    password_hash = b64encode(kept.salt + kept.digest).decode()

    assert PasswordHash.from_rabbitmq(f"rabbit_password_hashing_{name}", password_hash) == kept
    assert kept.to_rabbitmq() == (f"rabbit_password_hashing_{name}", password_hash)


def test_a_hash_that_rabbitmq_made_knows_its_password() -> None:
    kept = PasswordHash.from_rabbitmq("rabbit_password_hashing_sha256", RABBITMQ_HASH)

    assert kept.is_of("secret")
    assert not kept.is_of("Secret")


def test_rabbitmq_cannot_be_given_ours() -> None:
    assert some_hash("scrypt").to_rabbitmq() is None


@pytest.mark.parametrize(
    ("hashing_algorithm", "password_hash", "complaint"),
    [
        ("rabbit_password_hashing_sha1", RABBITMQ_HASH, "unknown hashing_algorithm"),
        ("sha256", RABBITMQ_HASH, "unknown hashing_algorithm"),
        ("rabbit_password_hashing_sha512", RABBITMQ_HASH, "not a password hash of the kind"),
        ("rabbit_password_hashing_sha256", RABBITMQ_HASH[:-4], "not a password hash of the kind"),
        ("rabbit_password_hashing_sha256", "", "not a password hash of the kind"),
        ("rabbit_password_hashing_sha256", "no base64!", "not base64"),
        ("rabbit_password_hashing_sha256", "A" * 400, "too long"),
    ],
)
def test_what_is_no_hash_of_rabbitmqs_is_refused(
    hashing_algorithm: str, password_hash: str, complaint: str
) -> None:
    with pytest.raises(OperatorError, match=complaint):
        PasswordHash.from_rabbitmq(hashing_algorithm, password_hash)


def text_of(algorithm: str, parameters: str, salt: bytes = SALT, digest: bytes = b"d" * 32) -> str:
    return f"{algorithm}${parameters}${b64encode(salt).decode()}${b64encode(digest).decode()}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "md5$$c2FsdA==$c2FsdA==",
        "pbkdf2-sha256$1$c2FsdA==",
        text_of("pbkdf2-sha256", ""),
        text_of("pbkdf2-sha256", "0"),
        text_of("pbkdf2-sha256", "many"),
        text_of("pbkdf2-sha256", str(PBKDF2_ITERATIONS_MAX + 1)),
        text_of("pbkdf2-sha256", "1,2"),
        text_of("pbkdf2-sha256", "1", salt=b""),
        text_of("pbkdf2-sha256", "1", digest=b"short"),
        text_of("scrypt", "16384"),
        text_of("scrypt", "1000,8,1"),  # no power of two
        text_of("scrypt", "1048576,8,1"),  # 1 GiB
        text_of("scrypt", "16,0,1"),
        text_of("scrypt", "16384,8,1000"),
        text_of("scrypt", "-16,8,1"),
        text_of("rabbit-sha256", "1", salt=b"salt"),
        text_of("rabbit-sha256", ""),
    ],
)
def test_what_cannot_be_computed_or_takes_too_long_is_no_hash(text: str) -> None:
    with pytest.raises(OperatorError):
        PasswordHash.from_text(text)


def test_the_largest_scrypt_that_is_taken_can_be_computed() -> None:
    kept = PasswordHash.from_text(text_of("scrypt", "65536,8,1"))

    assert not kept.is_of("secret")


@pytest.mark.parametrize("password", ["", "é" * (PASSWORD_BYTES_MAX // 2 + 1)])
def test_no_password_and_a_very_long_one_are_none(password: str) -> None:
    with pytest.raises(OperatorError):
        check_password(password)
