"""Values that break things: numbers at the borders, names, and tables of all kinds as bytes.

Nothing here uses the codec of `spec`: lengths may lie, kinds may not exist, and text need not be
text.  All is drawn from the `Random` that is given.
"""

from random import Random
from struct import Struct
from typing import Final

#: {bytes of a number: values at which somebody counts wrong}
BORDERS: Final = {
    1: (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF),
    2: (0, 1, 2, 0xFF, 0x100, 0x7FF, 0x800, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF),
    4: (0, 1, 8, 0xFF, 0x1000, 0xFFFF, 0x10000, 0x20000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF),
    8: (0, 1, 2, 0xFFFFFFFF, 0x100000000, 2**53, 2**63 - 1, 2**63, 2**64 - 1),
}
#: Short strings, as the bytes behind their length.
NAMES: Final = (
    b"", b"amq.direct", b"amq.gen-x", b"amq.", b"amq.rabbitmq.reply-to", b"amq.rabbitmq.log",
    b"amq.rabbitmq.reply-to.forged", b"amq.rabbitmq.reply-to.\xff.x", b"#.#.#.#.#.#.#.#.#",
    b"*" * 255, b".".join([b"#"] * 128), b"." * 255, b"a" * 255, "é".encode() * 127,
    b"\x00", b"a\x00b", b"a\r\n2026-01-01 00:00:00 ERROR forged", b"\x1b[2J\x1b[31m", b"\x7f\x80",
    b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"%s%n%(name)s{0}", b"<script>alert(1)</script>",
    b"'; DROP TABLE queues;--", b"../../etc/passwd", "\u202e\u2028\ufeff".encode(), b" ",
)  # fmt: skip
#: {field kind: bytes of its value}
FIXED_KINDS: Final = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8, b"L": 8,
    b"f": 4, b"d": 8, b"D": 5, b"T": 8, b"V": 0,
}  # fmt: skip
#: Floats that are no numbers, or hardly.
_FLOATS: Final = {
    b"f": (b"\x7f\xc0\0\0", b"\x7f\x80\0\0", b"\xff\x80\0\0", b"\0\0\0\1", b"\x80\0\0\0"),
    b"d": (b"\x7f\xf8" + bytes(6), b"\x7f\xf0" + bytes(6), b"\0" * 7 + b"\1", b"\x80" + bytes(7)),
}
_KINDS: Final = (*FIXED_KINDS, b"S", b"x", b"A", b"F")
_LONG: Final = Struct(">I")
#: No value of a single case is larger, in bytes.
VALUE_BYTES_MAX: Final = 100_000


def border(random: Random, size: int) -> int:
    """A number of *size* bytes: at a border, near one, or any."""
    number = random.choice(BORDERS[size])
    choice = random.random()
    if choice < 0.2:
        number = random.getrandbits(8 * size)
    elif choice < 0.4:
        number += random.choice((-1, 1))
    return number % (1 << (8 * size))


def name(random: Random) -> bytes:
    """A short string's bytes, at most 255."""
    if random.random() < 0.8:
        return random.choice(NAMES)
    return random.randbytes(random.choice((1, 3, 40, 255)))


def is_text(raw: bytes) -> bool:
    """Whether it is UTF-8, and not empty."""
    try:
        return bool(raw.decode())
    except UnicodeDecodeError:
        return False


def counted(raw: bytes) -> bytes:
    """The bytes with their length in four octets before them."""
    return _LONG.pack(len(raw)) + raw


def lying(random: Random, raw: bytes) -> bytes:
    """The bytes with a length before them that is not theirs."""
    length = random.choice((len(raw) + 1, max(len(raw) - 1, 0), border(random, 4)))
    return _LONG.pack(length) + raw


def field(random: Random, depth: int = 0) -> bytes:
    """A field with its kind: well formed, of any kind."""
    kind = random.choice(_KINDS)
    if kind == b"F":
        return kind + (table(random, depth + 1) if depth < 4 else counted(b""))
    if kind == b"A":
        return kind + (array(random, depth + 1) if depth < 4 else counted(b""))
    if kind in (b"S", b"x"):
        return kind + counted(name(random))
    if kind in _FLOATS:
        if random.random() < 0.3:
            return kind + random.choice(_FLOATS[kind])
        return kind + (b"\x3f\x80\0\0" + bytes(4))[: FIXED_KINDS[kind]]
    size = FIXED_KINDS[kind]
    return kind + (border(random, size).to_bytes(size) if size in BORDERS else bytes(size))


def entry(raw_name: bytes, raw_field: bytes) -> bytes:
    """A name and its field, as they stand in a table."""
    return bytes((len(raw_name),)) + raw_name + raw_field


def table(random: Random, depth: int = 0) -> bytes:
    """A well-formed table of any fields, its length first."""
    entries = [
        entry(name(random), field(random, depth)) for _ in range(random.choice((0, 1, 1, 2, 4)))
    ]
    return counted(b"".join(entries))


def array(random: Random, depth: int = 0) -> bytes:
    """A well-formed array, its length first."""
    return counted(b"".join(field(random, depth) for _ in range(random.choice((0, 0, 1, 3)))))


def nested(levels: int, kind: bytes, innermost: bytes = b"t\1") -> bytes:
    """A field: arrays or tables in each other, *levels* deep."""
    raw = innermost
    for _ in range(levels):
        raw = kind + counted(entry(b"a", raw) if kind == b"F" else raw)
    return raw


def hostile_table(random: Random) -> bytes:
    """A table of the sort that has brought parsers down: deep, wide, cut short, or lying."""
    choice = random.randrange(9)
    if choice == 0:
        depth = random.choice((31, 32, 33, 63, 64, 65, 100, 500, 5000))
        return counted(entry(b"a", nested(depth, random.choice((b"A", b"F")))))
    if choice == 1:  # wide: an array of many small fields
        count = random.choice((100, 1000, 20_000))
        return counted(entry(b"a", b"A" + counted(b"t\1" * count)))
    if choice == 2:  # many names, or one name many times
        count = random.choice((100, 2000))
        names = (b"%d" % number if random.getrandbits(1) else b"a" for number in range(count))
        return counted(b"".join(entry(one, b"t\0") for one in names))
    if choice == 3:
        return lying(random, table(random)[4:])
    if choice == 4:  # a kind that there is not
        kind = bytes((random.randrange(256),))
        return counted(entry(b"a", kind + random.randbytes(random.choice((0, 1, 4, 9)))))
    if choice == 5:  # a string or an array that says it is longer than its table
        raw = random.choice((b"S", b"x", b"A", b"F")) + lying(random, b"abc")
        return counted(entry(b"a", raw))
    if choice == 6:  # a name that says so
        return counted(b"\xff" + name(random)[:20])
    if choice == 7:
        return random.randbytes(random.choice((0, 1, 3, 4, 5, 40)))
    return table(random)
