"""The login desk: where it is found out whether a password is right, beside everybody else's work.

A slow hash takes tenths of a second of a processor (`engine/passwords.py`).  It is computed in a
worker thread, `LOGINS_AT_ONCE` of them; the session waits meanwhile, and nothing else does.  What
is quick, as who logged in before is recognised, is found out at once.

    NEW          -> DECIDED    [it is quick]           `check` returns with it
    NEW          -> WAITING    [too many of its address are tried, or have failed]
    NEW, WAITING -> COMPUTING  [it is slow]            in a worker thread, one after the other
    COMPUTING    -> DECIDED                            `resume` is called
    WAITING      -> DECIDED    [it is quick]           `resume` is called

(D1) Of one address (IPv6: of one /64) no more than `FAILURES_MAX` logins are being tried, or have
     failed in the last `FAILURE_SECONDS`.  Further ones wait, right or wrong: so who guesses has
     `FAILURES_MAX` guesses in that time, however many connections it opens, and whether or not it
     waits for the answers.  A Unix socket's peers are not counted.
(D2) Nobody waits for ever: the session's time to log in goes on.

Decision: threads *and* a memory of who logged in (`Users`, U2).  Threads alone would let a
thousand connections of one program take minutes; the memory alone would let a stranger's guesses
hold up the reactor.
"""

import ipaddress
from collections import deque
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, NamedTuple, Protocol

import attrs
import trio

from amqpbroker.engine.access import LoginAttempt, Users
from amqpbroker.server.timekeeper import Timekeeper

#: How many slow hashes are computed at once.
LOGINS_AT_ONCE: Final = 2
#: How many logins of one address may be tried, or have failed lately, before further ones wait.
FAILURES_MAX: Final = 20
#: How long a failed login counts, in seconds; as long as its connection stays open (S-026).
FAILURE_SECONDS: Final = 3.0
_V6_PREFIX_BITS: Final = 64


@attrs.define
class Login:
    """A login on its way."""

    user_name: str
    mechanism: str
    attempt: LoginAttempt | None  # None: something else than a password decides
    is_right: bool | None = None  # None: not known yet
    is_wanted: bool = True  # somebody waits for it

    def compute(self) -> bool:
        """Find it out, however long it takes; in any thread."""
        return self.attempt is None or self.attempt.is_right()


class _Case(NamedTuple):
    """A login and who waits for it."""

    place: str  # where its failure is counted
    login: Login
    resume: Callable[[], None]


class Compute(Protocol):
    """Calls a function where it holds nobody up."""

    def __call__(self, function: Callable[[], bool], /) -> Awaitable[bool]:
        """What it returns."""
        ...


async def in_a_thread(function: Callable[[], bool]) -> bool:
    """`Compute` in a worker thread."""
    return await trio.to_thread.run_sync(function, abandon_on_cancel=True)


class LoginDesk:
    """Decides logins."""

    def __init__(
        self, users: Users, timekeeper: Timekeeper, compute: Compute = in_a_thread
    ) -> None:
        self._users = users
        self._timekeeper = timekeeper
        self._compute = compute
        self._taken: dict[str, int] = {}  # {place: logins that are tried, or failed lately}
        self._waiting: dict[str, deque[_Case]] = {}  # {place: those that are not tried yet}
        # Bounded by the connections that are not logged in (`entrance.py`).
        self._in, self._out = trio.open_memory_channel[_Case](inf)

    async def run(self) -> None:
        """Compute what is slow, until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(LOGINS_AT_ONCE):
                nursery.start_soon(self._work)

    def check(self, login: Login, address: str, resume: Callable[[], None]) -> None:
        """Decide *login*, of a peer at *address*: at once, or later, and then call *resume*."""
        case = _Case(place_of(address), login, resume)
        if case.place in self._waiting or self._taken.get(case.place, 0) >= FAILURES_MAX:
            self._waiting.setdefault(case.place, deque()).append(case)
        else:
            self._try(case)

    def _try(self, case: _Case) -> None:
        """Decide it, or have it computed."""
        if case.place:
            self._taken[case.place] = self._taken.get(case.place, 0) + 1
        attempt = case.login.attempt
        if attempt is None or attempt.is_quick:
            self._decide(case, case.login.compute())
        else:
            self._in.send_nowait(case)

    async def _work(self) -> None:
        async for case in self._out:
            login = case.login
            assert login.attempt is not None, login
            login.attempt = self._users.again(login.attempt)  # who is the same may be known by now
            if not login.is_wanted:
                self._free(case.place)
            elif login.attempt.is_quick:
                self._decide(case, login.compute())
            else:
                self._decide(case, await self._compute(login.compute))
            self._timekeeper.call_in(0, case.resume)

    def _decide(self, case: _Case, is_right: bool) -> None:
        case.login.is_right = is_right
        if is_right:
            if case.login.attempt is not None:
                self._users.remember(case.login.attempt)
            self._free(case.place)
        elif case.place:
            self._timekeeper.call_in(FAILURE_SECONDS, lambda: self._free(case.place))

    def _free(self, place: str) -> None:
        """One login less counts: some that wait because of it may be tried."""
        if not place:
            return
        self._taken[place] -= 1
        if not self._taken[place]:
            del self._taken[place]
        if place in self._waiting:
            self._timekeeper.call_in(0, lambda: self._admit(place))

    def _admit(self, place: str) -> None:
        """Try those that wait, as many as may be."""
        waiting = self._waiting.get(place, deque())
        while waiting and self._taken.get(place, 0) < FAILURES_MAX:
            case = waiting.popleft()
            if case.login.is_wanted:
                self._try(case)
                if case.login.is_right is not None:
                    case.resume()
        if not waiting:
            self._waiting.pop(place, None)


def place_of(address: str) -> str:
    """Where failures of *address* are counted; empty for a Unix socket, where they are not."""
    if not address:
        return ""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(ip), _V6_PREFIX_BITS), strict=False))
    return str(ip)
