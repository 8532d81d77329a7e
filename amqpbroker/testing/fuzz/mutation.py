"""Harm: one thing at a time is made wrong in what a client says, at any level.

arguments   numbers at borders, hostile names and tables, lengths that lie, too few, too many
methods     other ids, of methods that exist and that do not
frames      type, channel, size, end octet
contents    class, weight, body size, property flags and bytes; more, fewer and foreign body frames
order       left out, said twice, swapped, another channel's frames in between
bytes       flips, cuts, insertions, repetitions, all with no regard for what they are

Each mutation leaves a note on what it has touched, for whoever reads the case.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeAlias

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEADER
from amqpbroker.spec.method import METHODS
from amqpbroker.testing.fuzz import values
from amqpbroker.testing.fuzz.units import Argument, Loose, Unit

Said: TypeAlias = Unit | Loose
_NUMBER_KINDS: Final = {"Octet": 1, "Bits": 1, "Short": 2, "Long": 4, "LongLong": 8}
_CLASSES: Final = (10, 20, 30, 40, 50, 60, 85, 90)
_HEADER_BYTES: Final = 12  # class, weight, body size


def mutate(random: Random, said: list[Said]) -> None:
    """Do one harm to what a client says."""
    while said:
        place = random.randrange(len(said))
        harm = random.choices(_HARMS, _WEIGHTS)[0]
        if harm(random, said, place):
            return


def _argument(random: Random, said: list[Said], place: int) -> bool:
    unit = said[place]
    if not isinstance(unit, Unit) or not unit.arguments:
        return False
    argument = random.choice(unit.arguments)
    _harm_argument(random, argument)
    unit.note += f" [{argument.kind} argument]"
    return True


def _table(random: Random, said: list[Said], _place: int) -> bool:
    """Like an argument, but of the methods that have tables."""
    tables = [
        (unit, argument)
        for unit in said
        if isinstance(unit, Unit)
        for argument in unit.arguments
        if argument.kind == "Table"
    ]
    if not tables:
        return False
    unit, argument = random.choice(tables)
    argument.raw = values.hostile_table(random)
    unit.note += " [table]"
    return True


def _harm_argument(random: Random, argument: Argument) -> None:
    size = _NUMBER_KINDS.get(argument.kind)
    if size is not None:
        argument.raw = values.border(random, size).to_bytes(size)
    elif argument.kind == "Table":
        argument.raw = values.hostile_table(random)
    elif argument.kind == "LongStr":
        argument.raw = values.lying(random, argument.raw[4:])
    elif random.random() < 0.7:
        raw_name = values.name(random)
        argument.raw = bytes((len(raw_name),)) + raw_name
    else:
        argument.raw = bytes((random.randrange(256),)) + argument.raw[1:]


def _arity(random: Random, said: list[Said], place: int) -> bool:
    unit = said[place]
    if not isinstance(unit, Unit) or unit.index is None:
        return False
    choice = random.randrange(3)
    if choice == 0:
        unit.payload = random.randbytes(random.choice((1, 2, 8, 300)))
        unit.note += " [surplus bytes]"
    elif choice == 1 and unit.arguments:
        del unit.arguments[random.randrange(len(unit.arguments)) :]
        unit.note += " [arguments missing]"
    elif unit.arguments and unit.arguments[-1].raw:
        last = unit.arguments[-1]
        last.raw = last.raw[: random.randrange(len(last.raw))]
        unit.note += " [last argument cut]"
    else:
        return False
    return True


def _method(random: Random, said: list[Said], place: int) -> bool:
    unit = said[place]
    if not isinstance(unit, Unit) or unit.index is None:
        return False
    choice = random.randrange(3)
    if choice == 0:
        unit.index = random.choice(list(METHODS))
    elif choice == 1:
        unit.index = (random.choice(_CLASSES), values.border(random, 2))
    else:
        unit.index = (values.border(random, 2), unit.index[1])
    unit.note += f" [method {unit.index[0]}.{unit.index[1]}]"
    return True


def _head(random: Random, said: list[Said], place: int) -> bool:
    unit = said[place]
    if not isinstance(unit, Unit):
        return False
    choice = random.randrange(5)
    if choice == 0:
        unit.type = random.choice((1, 2, 3, 8, 0, 4, 7, 9, 206, 255))
        unit.note += f" [frame type {unit.type}]"
    elif choice == 1:
        unit.channel = random.choice((0, 1, 2, values.border(random, 2)))
        unit.note += f" [channel {unit.channel}]"
    elif choice == 2:
        size = len(unit.raw) - 7 - len(unit.end)
        unit.size = random.choice((max(size - 1, 0), size + 1, values.border(random, 4)))
        unit.note += f" [size {unit.size}]"
    elif choice == 3:
        unit.end = random.choice((b"", b"\xce\xce", bytes((random.randrange(256),))))
        unit.note += f" [end {unit.end.hex() or 'missing'}]"
    else:
        unit.payload, unit.index = b"", None
        unit.note += " [empty frame]"
    return True


def _content(random: Random, said: list[Said], _place: int) -> bool:
    headers = [
        unit for unit in said
        if isinstance(unit, Unit) and unit.type == FRAME_HEADER
        and len(unit.payload) >= _HEADER_BYTES + 2
    ]  # fmt: skip
    if not headers:
        return False
    unit = random.choice(headers)
    raw_class, weight = unit.payload[:2], unit.payload[2:4]
    size, properties = unit.payload[4:_HEADER_BYTES], unit.payload[_HEADER_BYTES:]
    choice = random.randrange(8)
    if choice == 0:
        raw_class = random.choice((10, 50, 0, 65535)).to_bytes(2)
    elif choice == 1:
        weight = values.border(random, 2).to_bytes(2)
    elif choice == 2:
        size = values.border(random, 8).to_bytes(8)
    elif choice == 3:
        near = max(int.from_bytes(size) + random.choice((-1, 1, -100, 100)), 0)
        size = (near % 2**64).to_bytes(8)
    elif choice == 4:
        properties = values.border(random, 2).to_bytes(2) + properties[2:]
    elif choice == 5:
        properties = b"\x20\0" + values.hostile_table(random)
    elif choice == 6:
        properties = properties[: random.randrange(len(properties) + 1)]
    else:
        properties += random.randbytes(random.choice((1, 2, 20)))
    unit.payload = raw_class + weight + size + properties
    parts = ("class", "weight", "body size", "body size", "flags", "headers", "cut", "surplus")
    unit.note += f" [content {parts[choice]}]"
    return True


def _bodies(random: Random, said: list[Said], place: int) -> bool:
    """More body than announced, or less, or somebody else's."""
    bodies = [
        index for index, unit in enumerate(said)
        if isinstance(unit, Unit) and unit.type == FRAME_BODY
    ]  # fmt: skip
    choice = random.randrange(4)
    if not bodies and choice != 3:
        return False
    if choice == 0:
        del said[random.choice(bodies)]
    elif choice == 1:
        index = random.choice(bodies)
        said[index:index] = [said[index]] * random.choice((1, 1, 3, 20))
    elif choice == 2:
        body = said[random.choice(bodies)]
        assert isinstance(body, Unit)
        body.payload = body.payload[: random.choice((0, 1, len(body.payload) // 2))]
        body.note += " [shorter]"
    else:
        channel = random.choice((0, 1, 1, 2, 3))
        payload = random.randbytes(random.choice((0, 1, 100)))
        said.insert(place, Unit(FRAME_BODY, channel, payload, note=" [body out of nowhere]"))
    return True


def _leave_out(_random: Random, said: list[Said], place: int) -> bool:
    del said[place]
    return True


def _say_twice(random: Random, said: list[Said], place: int) -> bool:
    count = random.choice((1, 2, 3))
    said[place:place] = said[place : place + count]
    return True


def _swap(random: Random, said: list[Said], place: int) -> bool:
    other = min(place + random.choice((1, 1, 2, 5)), len(said) - 1)
    said[place], said[other] = said[other], said[place]
    return True


def _interrupt(random: Random, said: list[Said], place: int) -> bool:
    """Another frame in between: of another place, and perhaps another channel."""
    said.insert(place, random.choice(said))
    return True


def _bytes(random: Random, said: list[Said], place: int) -> bool:
    raw = bytearray(said[place].raw)
    if not raw:
        return False
    position = random.randrange(len(raw))
    choice = random.randrange(6)
    if choice == 0:
        raw[position] ^= 1 << random.randrange(8)
    elif choice == 1:
        raw[position] = random.choice((0, 0xFF, 0x7F, 0x80, 0xCE))
    elif choice == 2:
        del raw[position:]
    elif choice == 3:
        raw[position:position] = random.randbytes(random.choice((1, 2, 7, 40)))
    elif choice == 4:
        del raw[position : position + random.choice((1, 2, 4, 8))]
    else:
        raw[position:position] = raw[position : position + random.choice((1, 8, 30))]
    ways = ("bit flipped", "octet changed", "cut off", "inserted", "taken out", "repeated")
    said[place] = Loose(bytes(raw), f"{said[place].note} [{ways[choice]} at octet {position}]")
    return True


def _noise(random: Random, said: list[Said], place: int) -> bool:
    choices = (b"\xff" * 100, bytes(100), b"AMQP\0\0\x09\1", b"GET / HTTP/1.1\r\n\r\n",
               random.randbytes(random.choice((1, 20, 4000))))  # fmt: skip
    said.insert(place, Loose(random.choice(choices), " [noise]"))
    return True


_HARMS: Final[Sequence[Callable[[Random, list[Said], int], bool]]] = (
    _argument, _table, _arity, _method, _head, _content, _bodies, _leave_out, _say_twice, _swap,
    _interrupt, _bytes, _noise,
)  # fmt: skip
_WEIGHTS: Final = (20, 10, 6, 6, 10, 12, 8, 4, 3, 4, 4, 12, 1)
