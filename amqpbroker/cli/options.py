"""The values of options: sizes, ports, shares of the machine's memory.

Each function takes what was typed and raises `argparse.ArgumentTypeError` with what is wrong.
"""

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Final

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_SIZE: Final = re.compile(r"(?i)([0-9]{1,18}(?:\.[0-9]+)?)\s*(?:([KMGT]?)(?:i?B)?)")
_SHARE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|min|h|)")
_SECONDS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
#: A week; longer is a mistake.
_SECONDS_MAX: Final = 7 * 24 * 3600.0
_COUNT_MAX: Final = 10**12
_MESSAGE_BYTES_MAX: Final = 512 << 20
#: What an empty broker takes (`server.BASE_BYTES`), and a little for messages.
_MEMORY_LIMIT_MIN: Final = 40 << 20
_CGROUP_LIMIT: Final = "/sys/fs/cgroup/memory.max"


def port(text: str) -> int:
    """A TCP port, or 0 for any."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ArgumentTypeError(f"'{text}' is not a port: give a number from 0 to 65535")
    return int(text)


def port_or_off(text: str) -> int | None:
    """A TCP port, 0 for any, or None for `off`."""
    return None if text == "off" else port(text)


def count(text: str) -> int:
    """How many there may be: 1 to a million million."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:20]) <= _COUNT_MAX:
        raise ArgumentTypeError(f"'{text}' is not a count: give a whole number from 1")
    return int(text)


def count_or_infinity(text: str) -> int | None:
    """How many there may be; None for `infinity`, which is RabbitMQ's word."""
    return None if text == "infinity" else count(text)


def whole(least: int, most: int) -> Callable[[str], int]:
    """Whole numbers of a range."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) <= most:
            raise ArgumentTypeError(f"'{text}' is not a whole number from {least} to {most}")
        return int(text)

    return parse


def header_size(text: str) -> int:
    """The largest properties of a message, in bytes; the empty ones are two."""
    return _size_within(text, 2, 128 << 10, "128KiB, which is a frame")


def output_size(text: str) -> int:
    """What a client may leave unread, in bytes."""
    return _size_within(text, 64 << 10, 1 << 30, "1GiB")


def _size_within(text: str, least: int, most: int, most_in_words: str) -> int:
    value = size(text)
    if not least <= value <= most:
        raise ArgumentTypeError(f"'{text}' is out of range: give {least} bytes to {most_in_words}")
    return value


def duration(text: str) -> float:
    """A time in seconds: 10, 2.5s, 500ms, 1min, 1h."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not 0 < (seconds := float(match[1]) * _SECONDS[match[2]]) <= _SECONDS_MAX:
        raise ArgumentTypeError(f"'{text}' is not a time: give seconds, or a number with ms or min")
    return seconds


def one_of(*choices: str) -> Callable[[str], str]:
    """Words, of which one is to be given."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ArgumentTypeError(f"'{text}' is none of {', '.join(choices)}")
        return text

    return parse


tls_verify: Final = one_of("auto", "none", "optional", "required")
tls_login_from: Final = one_of("distinguished-name", "common-name")


def on_or_off(text: str) -> bool:
    """A switch."""
    if text not in ("on", "off"):
        raise ArgumentTypeError(f"'{text}' is neither on nor off")
    return text == "on"


def log_level(text: str) -> str:
    """How serious a log line must be; checked here, so that the environment's is too."""
    if text not in _LOG_LEVELS:
        raise ArgumentTypeError(f"'{text}' is not a level: give {', '.join(_LOG_LEVELS)}")
    return text


def size(text: str) -> int:
    """A number of bytes: 4096, 512KiB, 1.5G."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ArgumentTypeError(f"'{text}' is not a size: give bytes, or a number with KiB or MiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def message_size(text: str) -> int:
    """The largest message body, in bytes."""
    value = size(text)
    if not 1 <= value <= _MESSAGE_BYTES_MAX:
        raise ArgumentTypeError(f"'{text}' is out of range: a message has at most 512MiB")
    return value


def memory_limit(text: str) -> int:
    """A limit in bytes, given as such or as a share of the machine's memory."""
    share = _SHARE.fullmatch(text.strip())
    if share is None:
        limit = size(text)
    elif not 0 < float(share[1]) <= 100:
        raise ArgumentTypeError(f"'{text}' is not a share of the memory: give 1% to 100%")
    else:
        limit = int(machine_memory_bytes() * float(share[1]) / 100)
    if limit < _MEMORY_LIMIT_MIN:
        raise ArgumentTypeError(f"'{text}' is too little: the broker needs at least 40MiB")
    return limit


def machine_memory_bytes() -> int:
    """What this machine has, or what its container may use if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(_CGROUP_LIMIT, encoding="ascii") as file:  # noqa: PTH123  # pathlib: 7 ms
            limit = file.read().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
