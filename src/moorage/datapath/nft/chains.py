"""The chains that pick a backend: the only rules that appear while an agent runs. Which there must be, by name.

    pick-3                       draw one of 3 slots, and deliver to the backend in it
    hash-251                     the same with the slot that a hash of the connection's addresses and ports names (`maglev`)
    pick-3-keep-600              a client that was here in the last 600 s goes where it went; another draws, and is remembered
    inside-pick-5[-keep-600]     the same among the slots of the node's own Pods and processes
    pick-3-inside-5[-keep-600]   the node's own Pods and processes go to inside-pick-5, others to pick-3 (to nowhere with 0)
    masq-...                     set the mark for masquerading, then as above
    guarded-...                  drop clients that are not admitted, then as above (guarded-pick-0: then nothing)
    known-600, assign-600        what all chains that keep clients for 600 s have in common

Each with the prefix of its space, and with `hash` as well as `pick`. A draw modulo the true number of backends is an exact
uniform choice.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from moorage.datapath.nft.spaces import Space

JUMP, GOTO = -3, -4
"""Verdicts: go to a chain and come back, or not (`NFT_JUMP`, `NFT_GOTO`)."""

INSIDE = 32768
"""The first slot, and the first seat, of the node's own Pods and processes."""

MOST_SLOTS = 32768
"""Of one side. The packet's priority carries slots and seats, and stays below 65,536: there begin the classes that traffic
control knows packets by (tc(8), `handle 1:`).
"""

OPENED = "localhost-opened"
"""A chain without rules, which says that we have set the kernel parameter `route_localnet` (`localhost_io`)."""

DELIVER, SEAT, SWALLOW = "deliver", "seat", "swallow"
"""Chains of the constant program: look the seat's backend up; look the slot's seat up, then deliver; count and drop."""
FIRST = {0: "first", INSIDE: "inside-first"}
"""Chains of the constant program, for a packet that was led here by a table and finds the elements of the next one: the first
backend of that, with affinity or without, of everybody's where the node's own traffic has none of its own any more.
"""

_PICK = re.compile(
    r"(?P<space>node-port-|range-|)(?P<guarded>guarded-)?(?P<masquerade>masq-)?(?P<side>inside-)?(?P<word>pick|hash)-(?P<count>\d+)"
    r"(?:-inside-(?P<inside>\d+))?(?:-keep-(?P<seconds>\d+))?"
)
_KEEP = re.compile(r"(?P<space>node-port-|range-|)(?P<word>known|assign)-(?P<seconds>\d+)")
_SPACES = {space.chain(""): space for space in Space}


class Pick(NamedTuple):
    """The chain that a frontend leads to. `inside` 0: the node's own traffic is treated as everybody's."""

    space: Space
    outside: int
    inside: int = 0
    masquerade: bool = False
    affinity: int = 0
    guarded: bool = False
    hashed: bool = False

    @property
    def word(self) -> str:
        return "hash" if self.hashed else "pick"

    @property
    def name(self) -> str:
        before = f"{'guarded-' if self.guarded else ''}{'masq-' if self.masquerade else ''}"
        inside = f"-inside-{self.inside}" if self.inside else ""
        return self.space.chain(f"{before}{self.word}-{self.outside}{inside}{_keep(self.affinity)}")

    @property
    def needs(self) -> tuple[str, ...]:
        """The chains that have to be there, in an order in which they can be made."""
        keep, chain = _keep(self.affinity), self.space.chain
        picks = self.outside or self.inside
        names = [chain(f"{word}-{self.affinity}") for word in ("known", "assign") if self.affinity and picks]
        if self.outside:
            names.append(chain(f"{self.word}-{self.outside}{keep}"))
        if self.inside:
            names.append(chain(f"inside-{self.word}-{self.inside}{keep}"))
            names.append(self._replace(masquerade=False, guarded=False).name)
        if self.masquerade and picks:
            names.append(self._replace(guarded=False).name)
        return (*names, self.name) if self.guarded else tuple(names)


class SplitChain(NamedTuple):
    """Sends the node's own traffic to one chain and the rest to another, which is empty where there is none."""

    inside: str
    outside: str


class MasqueradeChain(NamedTuple):
    rest: str


class GuardChain(NamedTuple):
    """`rest` is empty where those who are let in find nothing."""

    space: Space
    rest: str


class DrawChain(NamedTuple):
    """Slots `offset` to `offset + slots - 1`; with `seconds`, clients are kept for so long. `hashed`: no chance is in it."""

    space: Space
    slots: int
    offset: int
    seconds: int
    hashed: bool = False


class KnownChain(NamedTuple):
    space: Space
    seconds: int


class AssignChain(NamedTuple):
    space: Space
    seconds: int


Chain = GuardChain | SplitChain | MasqueradeChain | DrawChain | KnownChain | AssignChain


def read_chain(name: str) -> Chain | None:
    """What a chain does; None for one of the constant program, or somebody else's."""
    kept = _KEEP.fullmatch(name)
    if kept is not None:
        made = KnownChain if kept["word"] == "known" else AssignChain
        return made(_SPACES[kept["space"]], int(kept["seconds"]))
    match = _PICK.fullmatch(name)
    if match is None:
        return None
    word, hashed = match["word"], match["word"] == "hash"
    space, count, keep = _SPACES[match["space"]], int(match["count"]), _keep(int(match["seconds"] or 0))
    if match["guarded"]:
        return GuardChain(space, name.replace("guarded-", "", 1) if count or match["inside"] else "")
    if match["masquerade"]:
        return MasqueradeChain(name.replace("masq-", "", 1))
    if match["inside"]:
        outside = space.chain(f"{word}-{count}{keep}") if count else ""
        return SplitChain(space.chain(f"inside-{word}-{match['inside']}{keep}"), outside)
    offset, seconds = INSIDE if match["side"] else 0, int(match["seconds"] or 0)
    return DrawChain(space, count, offset, seconds, hashed) if count else None


def _keep(seconds: int) -> str:
    return f"-keep-{seconds}" if seconds else ""
