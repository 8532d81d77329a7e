"""What is kept of a password: enough to know it again, not enough to tell it.

    pbkdf2-sha256 $ iterations $ salt $ digest       of passwords that are set here
    scrypt        $ n,r,p      $ salt $ digest
    rabbit-sha256 $            $ salt $ digest       as RabbitMQ keeps them: hash(salt + password)
    rabbit-sha512, rabbit-md5                        with a salt of 4 bytes

`PasswordHash.text` is that line, with salt and digest in base64; `from_rabbitmq` reads the
password_hash of RabbitMQ's definitions, which is the base64 of salt and digest together.

RabbitMQ's are quick to compute, for us as for who has stolen them.  The others take some tenths of
a second on purpose, so the server computes them beside its work (`server/login_desk.py`): all of
this is pure and may run in any thread.  Salts are given.
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Self

import attrs

from amqpbroker.engine.operator_error import OperatorError

#: OWASP's recommendation for PBKDF2 with SHA-256 (2023); 0.15 s on the machine of
#: docs/performance.md.
PBKDF2_ITERATIONS: Final = 600_000
#: What may be imported: a login must not keep a processor busy for longer than some seconds.
PBKDF2_ITERATIONS_MAX: Final = 10_000_000
#: Memory that one computation of scrypt may take: 128 * n * r, in bytes.
SCRYPT_BYTES_MAX: Final = 64 * 1024 * 1024
SCRYPT_PARALLELISM_MAX: Final = 16
SALT_BYTES: Final = 16
RABBIT_SALT_BYTES: Final = 4
#: More is taken neither as a password nor as salt or digest, in bytes.
PASSWORD_BYTES_MAX: Final = 4096
_PART_BYTES_MAX: Final = 128
_RABBITMQ_PREFIX: Final = "rabbit_password_hashing_"


class _Algorithm(NamedTuple):
    """How a digest comes about: digest(password, salt, parameters, digest bytes)."""

    digest: Callable[[bytes, bytes, tuple[int, ...], int], bytes]
    is_quick: bool


def _pbkdf2(password: bytes, salt: bytes, parameters: tuple[int, ...], digest_bytes: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password, salt, parameters[0], digest_bytes)


def _scrypt(password: bytes, salt: bytes, parameters: tuple[int, ...], digest_bytes: int) -> bytes:
    n, r, p = parameters
    return hashlib.scrypt(
        password, salt=salt, n=n, r=r, p=p, dklen=digest_bytes, maxmem=2 * SCRYPT_BYTES_MAX
    )


def _rabbit(name: str) -> _Algorithm:
    def digest(password: bytes, salt: bytes, parameters: tuple[int, ...], length: int) -> bytes:
        return hashlib.new(name, salt + password, usedforsecurity=False).digest()

    return _Algorithm(digest, is_quick=True)


_ALGORITHMS: Final[Mapping[str, _Algorithm]] = {
    "pbkdf2-sha256": _Algorithm(_pbkdf2, is_quick=False),
    "scrypt": _Algorithm(_scrypt, is_quick=False),
    "rabbit-sha256": _rabbit("sha256"),
    "rabbit-sha512": _rabbit("sha512"),
    "rabbit-md5": _rabbit("md5"),
}


@attrs.frozen(repr=False)
class PasswordHash:
    """A salted hash of one password."""

    algorithm: str
    parameters: tuple[int, ...]
    salt: bytes
    digest: bytes

    def __repr__(self) -> str:
        return f"<PasswordHash {self.algorithm}>"

    @property
    def is_quick(self) -> bool:
        """Whether comparing takes microseconds, not tenths of a second."""
        return _ALGORITHMS[self.algorithm].is_quick

    def is_of(self, password: str) -> bool:
        """Whether it is this password's; takes as long whatever the answer."""
        raw = raw_password(password)
        digest = _ALGORITHMS[self.algorithm].digest(
            raw[:PASSWORD_BYTES_MAX], self.salt, self.parameters, len(self.digest)
        )
        return hmac.compare_digest(digest, self.digest) and len(raw) <= PASSWORD_BYTES_MAX

    @property
    def text(self) -> str:
        """All of it as one line."""
        parameters = ",".join(map(str, self.parameters))
        salt, digest = b64encode(self.salt).decode(), b64encode(self.digest).decode()
        return f"{self.algorithm}${parameters}${salt}${digest}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `text` again.  Raises `OperatorError` for anything else."""
        parts = text.split("$")
        if len(parts) != 4 or parts[0] not in _ALGORITHMS:
            raise OperatorError("a password hash of an unknown kind")
        try:
            parameters = tuple(int(part) for part in parts[1].split(",") if part)
        except ValueError:
            raise OperatorError("a password hash with parameters that are no numbers") from None
        made = cls(parts[0], parameters, _decoded(parts[2]), _decoded(parts[3]))
        made._check()
        return made

    @classmethod
    def from_rabbitmq(cls, hashing_algorithm: str, password_hash: str) -> Self:
        """Take over what RabbitMQ's definitions say.  Raises `OperatorError`."""
        name = hashing_algorithm.removeprefix(_RABBITMQ_PREFIX)
        if f"rabbit-{name}" not in _ALGORITHMS or name == hashing_algorithm:
            raise OperatorError(f"unknown hashing_algorithm '{hashing_algorithm}'")
        raw = _decoded(password_hash)
        made = cls(f"rabbit-{name}", (), raw[:RABBIT_SALT_BYTES], raw[RABBIT_SALT_BYTES:])
        made._check()
        return made

    def to_rabbitmq(self) -> tuple[str, str] | None:
        """Its hashing_algorithm and password_hash; None for what RabbitMQ does not know."""
        name = self.algorithm.removeprefix("rabbit-")
        if name == self.algorithm:
            return None
        return _RABBITMQ_PREFIX + name, b64encode(self.salt + self.digest).decode()

    def _check(self) -> None:
        """Refuse what cannot be computed, or takes too long."""
        match self.algorithm, self.parameters:
            case "pbkdf2-sha256", (iterations,):
                is_good = 0 < iterations <= PBKDF2_ITERATIONS_MAX
            case "scrypt", (n, r, p):
                is_good = 1 < n <= SCRYPT_BYTES_MAX and not n & (n - 1) and r > 0
                is_good &= 128 * n * r <= SCRYPT_BYTES_MAX and 0 < p <= SCRYPT_PARALLELISM_MAX
            case "rabbit-sha256" | "rabbit-sha512" | "rabbit-md5", ():
                digest_bytes = hashlib.new(self.algorithm[7:], usedforsecurity=False).digest_size
                is_good = (len(self.salt), len(self.digest)) == (RABBIT_SALT_BYTES, digest_bytes)
            case _:
                is_good = False
        if not is_good or not 16 <= len(self.digest) <= _PART_BYTES_MAX or not self.salt:
            raise OperatorError(f"not a password hash of the kind {self.algorithm}")


def hashed(password: str, salt: bytes, iterations: int = PBKDF2_ITERATIONS) -> PasswordHash:
    """What to keep of a password: 0.15 s of work.  *salt* has `SALT_BYTES`."""
    check_password(password)
    digest = _pbkdf2(raw_password(password), salt, (iterations,), 32)
    return PasswordHash("pbkdf2-sha256", (iterations,), salt, digest)


def hashed_quickly(password: str, salt: bytes) -> PasswordHash:
    """What to keep of a password that stands elsewhere anyway, such as in the environment.

    *salt* has `RABBIT_SALT_BYTES`.
    """
    check_password(password)
    digest = hashlib.sha256(salt + raw_password(password)).digest()
    return PasswordHash("rabbit-sha256", (), salt, digest)


def check_password(password: str) -> None:
    """Refuse what is no password: none at all (S-027), or a very long one."""
    if not password:
        raise OperatorError("an empty password is none: nobody could log in with it")
    if len(raw_password(password)) > PASSWORD_BYTES_MAX:
        raise OperatorError(f"a password has at most {PASSWORD_BYTES_MAX} bytes")


def raw_password(password: str) -> bytes:
    """The bytes that a client sends."""
    return password.encode("utf-8", "surrogateescape")


def _decoded(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise OperatorError("a password hash that is not base64") from None
    if len(raw) > _PART_BYTES_MAX:
        raise OperatorError("a password hash that is too long")
    return raw
