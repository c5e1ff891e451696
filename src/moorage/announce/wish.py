"""What an agent and its speaker tell each other, as lines of JSON: the wish down, the state up."""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, frozen=True):
    """The speakers that vote: a majority of these grants addresses. `epoch` counts the views; 0 is none yet.

    Views come one after the other out of one object of the API, written by compare-and-swap, and each adds or leaves
    out one speaker: majorities of neighbouring views overlap, as in Raft (Ongaro 2014, section 4.1).
    """

    epoch: int = 0
    members: tuple[str, ...] = ()

    @property
    def majority(self) -> int:
        return len(self.members) // 2 + 1


class Wanted(msgspec.Struct, frozen=True):
    """One address, the speakers that may answer for it, and the interfaces at which this one does. Addresses are text
    here.
    """

    address: str
    speakers: tuple[str, ...]
    interfaces: tuple[str, ...] = ()


class Wish(msgspec.Struct, frozen=True):
    """What an agent knows, all of it each time.

    `peers` maps every speaker that is to be reckoned with to its addresses, this one's own (`name`) included. `view` is
    the newest that the API has. `heard` says whether the API answers; only then are views changed. `gone` are speakers
    whose Lease has run out, or that are deleted: out of the view with them. `lost` are those of them that have been
    gone for so long that they certainly do not run. `healthy` says whether this machine forwards. `leaving` asks to
    hand over and end.
    """

    name: str
    peers: dict[str, tuple[str, ...]] = {}
    wanted: tuple[Wanted, ...] = ()
    view: View = View()
    heard: bool = False
    gone: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    healthy: bool = False
    leaving: bool = False


class Conflict(msgspec.Struct, frozen=True):
    """Another machine answers for an address that this one holds. `mac` is written as `ip link` does."""

    address: str
    interface: str
    mac: str


class State(msgspec.Struct, frozen=True):
    """What a speaker says of itself. `held` are the addresses that it answers for now, `peers` the speakers that it
    hears, `missed` the voters that it does not hear or that do not hear it.

    `proposal` is a view that it asks to be written to the API, in place of the one before. `refused` says at which
    interfaces it cannot speak, and why. `conflicts` are those of late; the numbers only grow: addresses taken, frames
    of a second owner, losses of authority.
    """

    held: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    authority: bool = False
    view: View = View()
    proposal: View | None = None
    conflicts: tuple[Conflict, ...] = ()
    refused: tuple[str, ...] = ()
    taken: int = 0
    conflicts_seen: int = 0
    isolations: int = 0
