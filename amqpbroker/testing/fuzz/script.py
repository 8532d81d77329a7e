"""A case: what several clients say and do, step by step.  It depends on its seed alone.

Each client has a *life*: a handshake, channels, requests, an end; mutations harm it at any place,
and its socket may be cut up, slow, half closed or reset.  The lives are merged into one script,
so that the clients stand in different phases when they meet.
"""

from random import Random
from typing import Final, TypeAlias

import attrs

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.table import Field, Table, longstr
from amqpbroker.testing.fuzz import values
from amqpbroker.testing.fuzz.grammar import Names, Speaker
from amqpbroker.testing.fuzz.mutation import Said, mutate
from amqpbroker.testing.fuzz.units import Loose, Unit, method_unit

CONNECTIONS_MAX: Final = 4
#: What a server may send in a frame if nobody knows what was agreed on, in bytes.
FRAME_MAX_LARGEST: Final = 131_072


@attrs.frozen
class Connect:
    """Open a connection.

    `frame_max` is the most that this client may be sent in a frame; one that `goes_on` answers
    the server's channel.close and opens the channel again.
    """

    connection: int
    frame_max: int
    goes_on: bool


@attrs.frozen
class Send:
    """Send bytes, in pieces that end at these places.  `note` tells what is wrong with them."""

    connection: int
    raw: bytes
    cuts: tuple[int, ...] = ()
    note: str = ""


@attrs.frozen
class Await:
    """Give the server time to answer; go on as soon as it has."""

    connection: int


@attrs.frozen
class StopReading:
    """Read nothing from here on."""

    connection: int


@attrs.frozen
class ReadOn:
    """Read again."""

    connection: int


@attrs.frozen
class FinishSending:
    """Close the sending half: the server reads the end."""

    connection: int


@attrs.frozen
class Leave:
    """Close the socket, or reset the connection."""

    connection: int
    is_reset: bool


Step: TypeAlias = Connect | Send | Await | StopReading | ReadOn | FinishSending | Leave


@attrs.frozen
class Login:
    """Where the clients of a case want in."""

    user: str = "guest"
    password: str = "guest"
    virtual_host: str = "/"


@attrs.frozen
class Case:
    """One conversation."""

    seed: int
    steps: tuple[Step, ...]
    queue_names: tuple[str, ...]  # what it may leave behind
    exchange_names: tuple[str, ...]


def case_of(seed: int, login: Login) -> Case:
    """The case of a seed."""
    random = Random(seed)
    names = Names(seed)
    count = random.choice((1, 2, 2, 3, 4))
    lives = [_life(random, names, login, number) for number in range(count)]
    steps: list[Step] = []
    while lives:
        life = random.choice(lives)
        count = random.choice((1, 1, 2, 4))
        steps += life[:count]
        del life[:count]
        if not life:
            lives.remove(life)
    return Case(seed, tuple(steps), tuple(names.queues), tuple(names.exchanges))


def _life(random: Random, names: Names, login: Login, number: int) -> list[Step]:
    frame_max = allowed = random.choice((4096, 4096, 8192, 131_072, 131_072))
    handshake = _handshake(random, login, frame_max)
    traffic = _traffic(random, names, frame_max)
    if random.random() < 0.15:  # it does not get that far
        handshake = handshake[: random.randrange(len(handshake) + 1)]
        traffic = []
        mutate(random, handshake)
        allowed = FRAME_MAX_LARGEST
    elif random.random() < 0.1:
        mutate(random, handshake)
        allowed = FRAME_MAX_LARGEST
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3, 8))):
        mutate(random, traffic)
    steps: list[Step] = [Connect(number, allowed, goes_on=random.random() < 0.8)]
    if random.random() < 0.5:
        steps += _sends(random, number, handshake)
        steps.append(Await(number))
    else:
        for one in handshake:
            steps += [*_sends(random, number, [one]), Await(number)]
    while traffic:
        count = random.choice((1, 2, 5, 20))
        steps += _sends(random, number, traffic[:count])
        del traffic[:count]
        if random.random() < 0.4:
            steps.append(Await(number))
    return _slowed(random, steps, number) + _ending(random, number)


def _handshake(random: Random, login: Login, frame_max: int) -> list[Said]:
    mechanism, response = "PLAIN", f"\0{login.user}\0{login.password}".encode()
    choice = random.random()
    if choice < 0.1:
        mechanism = "AMQPLAIN"
        response = (
            values.entry(b"LOGIN", b"S" + values.counted(login.user.encode()))
            + values.entry(b"PASSWORD", b"S" + values.counted(login.password.encode()))
        )  # fmt: skip
    elif choice < 0.13:
        mechanism = random.choice(("", "EXTERNAL", "ANONYMOUS", "RABBIT-CR-DEMO", "PLAIN\0"))
    elif choice < 0.17:
        response = random.choice((b"", b"\0", b"\0guest", b"\0guest\0wrong", b"\0" * 300, b"\xff"))
    channel_max = 2047 if random.random() < 0.9 else random.choice((1, 2, 100))
    return [
        Loose(PROTOCOL_HEADER),
        method_unit(0, m.ConnectionStartOk(_properties(random), mechanism, response, "en_US")),
        method_unit(0, m.ConnectionTuneOk(channel_max, frame_max, random.choice((0, 0, 1, 60)))),
        method_unit(0, m.ConnectionOpen(login.virtual_host)),
    ]


def _properties(random: Random) -> Table:
    names = ("authentication_failure_close", "basic.nack", "connection.blocked",
             "consumer_cancel_notify", "exchange_exchange_bindings")  # fmt: skip
    capabilities = {name: Field("t", random.random() < 0.8) for name in names}
    odd_name = values.name(random).decode("utf-8", "surrogateescape")
    return {"capabilities": Field("F", capabilities), "connection_name": longstr(odd_name)}


def _traffic(random: Random, names: Names, frame_max: int) -> list[Said]:
    speaker = Speaker(random, names, frame_max)
    said: list[Unit] = []
    for _ in range(random.choice((1, 1, 2, 3))):
        said += speaker.open_channel()
    if random.random() < 0.85:
        said += speaker.set_out()
    for _ in range(random.choice((3, 6, 10, 20))):
        said += speaker.say()
        if random.random() < 0.02:
            said += speaker.open_channel()
    return [*said]


def _sends(random: Random, number: int, said: list[Said]) -> list[Step]:
    """All in one piece, or cut where nothing ends."""
    if not said:
        return []
    raw = b"".join(one.raw for one in said)
    note = "".join(one.note for one in said)
    cuts: tuple[int, ...] = ()
    choice = random.random()
    if choice < 0.2 and raw:
        cuts = tuple(sorted(random.randrange(len(raw)) for _ in range(random.choice((1, 2, 5)))))
    elif choice < 0.23:
        cuts = tuple(range(1, min(len(raw), 60)))
    return [Send(number, raw, cuts, note)]


def _slowed(random: Random, steps: list[Step], number: int) -> list[Step]:
    """Let the client stop reading for a while, or for ever."""
    if random.random() < 0.1:
        start = random.randrange(1, len(steps) + 1)
        end = random.randrange(start, len(steps) + 1)
        steps.insert(end, ReadOn(number))
        steps.insert(start, StopReading(number))
    return steps


def _ending(random: Random, number: int) -> list[Step]:
    choice = random.random()
    if choice < 0.35:
        close = method_unit(0, m.ConnectionClose(200, "enough", 0, 0))
        return [Send(number, close.raw), Await(number), Leave(number, is_reset=False)]
    if choice < 0.55:
        return [FinishSending(number), Await(number), Leave(number, is_reset=False)]
    if choice < 0.75:
        return [Await(number), Leave(number, is_reset=random.random() < 0.5)]
    if choice < 0.85:  # in the middle of a frame
        half = method_unit(1, m.QueueDeclare(0, "half")).raw
        cut = random.randrange(1, len(half))
        return [Send(number, half[:cut]), Leave(number, is_reset=random.random() < 0.5)]
    return [Leave(number, is_reset=random.random() < 0.5)]
