"""What the clients of `moorage bench connect` are told and what they count -> the figures of each path.

A path and the direct way to backends of its own take turns of a quarter of a second, so that whatever else goes on in the
machine meets both alike. A window is 5 s of the path and the turns of the direct way between.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec

GOAL = 0.95
"""Of the direct rate, over the whole run and in every window."""
SLICE = 0.25
"""Seconds of one turn."""
PAUSE = 0.01
"""Seconds between two turns, for the connections under way."""
WINDOW = 5.0
"""Seconds of the path in one window."""


class Way(enum.StrEnum):
    DIRECT = "direct"
    PATH = "path"


class Turn(msgspec.Struct, frozen=True):
    """Begins at `at`, seconds of CLOCK_MONOTONIC, which is the same for all processes of a machine."""

    at: float
    way: Way


class Route(msgspec.Struct, frozen=True):
    """The address and port to connect to, and the answer to a connection that went the right way."""

    target: tuple[str, int]
    answer: str


class Orders(msgspec.Struct, frozen=True):
    """What one client does. `length` is that of a turn in seconds, `server` the process at the other end."""

    routes: dict[Way, Route]
    turns: tuple[Turn, ...]
    length: float
    server: int


class Tally(msgspec.Struct, frozen=True):
    """The connections of one turn. `slow` are those whose connect took more than half a second, whatever came of them.

    `seconds` is how long the client took; 0 where it missed the turn because a connection of the one before hung. `cpu` and
    `server_cpu` are seconds of a processor, the client's own and the server's.
    """

    done: int = 0
    failed: int = 0
    resets: int = 0
    misdirected: int = 0
    slow: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    server_cpu: float = 0.0


Tallies = Sequence[Tally]
"""Of one turn: one of each client."""


class Total(msgspec.Struct, frozen=True):
    """Several turns of several clients. `rate` is that of all clients together: each at its own pace, times their number."""

    done: int
    failed: int
    resets: int
    misdirected: int
    slow: int
    seconds: float
    rate: float
    cpu_us: float

    @property
    def took_part(self) -> bool:
        return self.seconds > 0

    @property
    def lost(self) -> int:
        """Connections that gave no answer, or another one than they should."""
        return self.failed + self.resets + self.misdirected


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """A path: `client` is where connections come from, `source` what the backends see. Without `judged` it has no goal."""

    name: str
    client: str
    source: str
    judged: bool = True


class PathReport(Names, frozen=True, kw_only=True):
    """Rates are connections a second; `windows` are 5 s each, `window_ratios` those of path to direct way in each.

    `ratio` is the median over the pairs of turns. `failed` counts every connection that was not answered as it should be;
    `resets` and `misdirected` (another backend, or another source address than the path has) are among them. `cpu_us` is
    processor time of both ends, and of all that the kernel did between them, for one connection.
    """

    rate: float
    rate_min_window: float
    direct_rate: float
    ratio: float
    ratio_min_window: float
    connections: int
    failed: int
    resets: int
    misdirected: int
    slow: int
    direct_failed: int
    direct_slow: int
    cpu_us: float
    direct_cpu_us: float
    seconds: float
    windows: tuple[float, ...]
    window_ratios: tuple[float, ...]

    @property
    def met(self) -> bool:
        return not self.judged or (self.ratio >= GOAL and self.ratio_min_window >= GOAL and not self.failed)


def turns(seconds: float, begin: float) -> tuple[Turn, ...]:
    """`seconds` of each way, in the order direct, path, path, direct: a drift of the machine meets both alike."""
    pairs = max(1, round(seconds / SLICE))
    order = [way for number in range(pairs) for way in ((Way.DIRECT, Way.PATH) if number % 2 == 0 else (Way.PATH, Way.DIRECT))]
    return tuple(Turn(begin + index * (SLICE + PAUSE), way) for index, way in enumerate(order))


def report(names: Names, order: Sequence[Turn], clients: Sequence[Sequence[Tally]]) -> PathReport:
    """`clients` holds the tallies of each client, one for each turn of `order`."""
    of: dict[Way, list[Tallies]] = {way: [] for way in Way}
    for turn, tallies in zip(order, zip(*clients, strict=True), strict=True):
        of[turn.way].append(tallies)
    path, direct = total(of[Way.PATH]), total(of[Way.DIRECT])
    pairs = list(_rates(([mine], [theirs]) for mine, theirs in zip(of[Way.PATH], of[Way.DIRECT], strict=True)))
    windows = list(_rates(zip(_windows(of[Way.PATH]), _windows(of[Way.DIRECT]), strict=True)))
    ratios = [mine / theirs for mine, theirs in windows]
    return PathReport(
        **msgspec.structs.asdict(names),
        rate=round(path.rate, 1),
        rate_min_window=round(min((mine for mine, _ in windows), default=0.0), 1),
        direct_rate=round(direct.rate, 1),
        ratio=round(median(mine / theirs for mine, theirs in pairs), 3) if pairs else 0.0,
        ratio_min_window=round(min(ratios, default=0.0), 3),
        connections=path.done,
        failed=path.lost,
        resets=path.resets,
        misdirected=path.misdirected,
        slow=path.slow,
        direct_failed=direct.lost,
        direct_slow=direct.slow,
        cpu_us=round(path.cpu_us, 1),
        direct_cpu_us=round(direct.cpu_us, 1),
        seconds=len(of[Way.PATH]) * SLICE,
        windows=tuple(round(mine, 1) for mine, _ in windows),
        window_ratios=tuple(round(each, 3) for each in ratios),
    )


def _rates(pairs: Iterable[tuple[Sequence[Tallies], Sequence[Tallies]]]) -> Iterator[tuple[float, float]]:
    """Of path and direct way. Left out where one of them was missed by all clients; the direct way always moves."""
    for mine, theirs in pairs:
        path, direct = total(mine), total(theirs)
        if path.took_part and direct.rate:
            yield path.rate, direct.rate


def total(turns_: Sequence[Tallies]) -> Total:
    """Of some turns, each with the tallies of all clients."""
    every = [tally for turn in turns_ for tally in turn]
    done, seconds = sum(each.done for each in every), sum(each.seconds for each in every)
    clients = len(turns_[0]) if turns_ else 0
    server = sum(median(each.server_cpu for each in turn) for turn in turns_)
    return Total(
        done=done,
        failed=sum(each.failed for each in every),
        resets=sum(each.resets for each in every),
        misdirected=sum(each.misdirected for each in every),
        slow=sum(each.slow for each in every),
        seconds=seconds,
        rate=clients * done / seconds if seconds else 0.0,
        cpu_us=1e6 * (sum(each.cpu for each in every) + server) / done if done else 0.0,
    )


def _windows(turns_: Sequence[Tallies]) -> Iterator[Sequence[Tallies]]:
    """As many whole windows as there are, at least one; what is left over belongs to the last."""
    size = round(WINDOW / SLICE)
    count = max(1, len(turns_) // size)
    for number in range(count):
        end = (number + 1) * size if number + 1 < count else len(turns_)
        yield turns_[number * size : end]
