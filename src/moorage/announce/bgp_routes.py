"""What a node should announce by BGP + its sessions -> the routes of each session, and the Services behind them.

Several advertisements may select one address: their communities are united. Routes carry a local preference on internal
sessions only (RFC 4271 section 5.1.5); where advertisements differ, the highest counts.

Source: MetalLB `speaker/bgp_controller.go`, `internal/config` (aggregation, communities, local preferences).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network, summarize_address_range

import msgspec

from moorage.allocate.pools import AddressSpan, Pool
from moorage.announce.bgp_peers import Problem, Session
from moorage.announce.selection import BGPWish
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.metallb import BGPAdvertisement, Community
from moorage.model.net import Address, Family, Prefix
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot

LARGE = "large:"
MOST_COMMUNITIES = 63
"""On one route, as in MetalLB."""


class Route(msgspec.Struct, frozen=True):
    """The next hop is the node, at the session's interface. Communities are `a:b` (RFC 1997) and `a:b:c` (RFC 8092), sorted."""

    prefix: Prefix
    communities: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    local_pref: int | None = None


class Routes(msgspec.Struct, frozen=True):
    """By the key of the BGPPeer. `services` are those whose addresses a prefix covers."""

    routes: Mapping[Key, Mapping[Prefix, Route]] = {}
    services: Mapping[Key, Mapping[Prefix, frozenset[Key]]] = {}
    problems: tuple[Problem, ...] = ()


class _Part(msgspec.Struct, frozen=True):
    """One advertisement of one prefix."""

    advertisement: BGPAdvertisement
    communities: frozenset[str]
    services: tuple[Key, ...]


def routes(snapshot: Snapshot, wishes: Mapping[Address, tuple[BGPWish, ...]], sessions: Mapping[Key, Session]) -> Routes:
    """`wishes` as `selection.bgp_wishes` gives them. A session without routes is in the answer, too."""
    problems: dict[tuple[Key, str], Problem] = {}
    parts: dict[Prefix, list[_Part]] = {}
    for prefix, part in _parts(snapshot, wishes, problems):
        parts.setdefault(prefix, []).append(part)
    made: dict[Key, dict[Prefix, Route]] = {key: {} for key in sessions}
    services: dict[Key, dict[Prefix, frozenset[Key]]] = {key: {} for key in sessions}
    for key, session in sessions.items():
        for prefix, all_parts in parts.items():
            mine = [each for each in all_parts if _is_for(each.advertisement, key)]
            if mine and Family.of(prefix) in session.families:
                route = _route(session, prefix, mine, problems)
                if route is not None:
                    made[key][prefix] = route
                    services[key][prefix] = frozenset(each for part in mine for each in part.services)
    return Routes(made, services, tuple(problems.values()))


def _is_for(advertisement: BGPAdvertisement, peer: Key) -> bool:
    """No peer named means all; a name is one of the advertisement's namespace."""
    named = advertisement.spec.peers
    return not named or (peer.namespace == advertisement.metadata.namespace and peer.name in named)


def _parts(
    snapshot: Snapshot, wishes: Mapping[Address, tuple[BGPWish, ...]], problems: dict[tuple[Key, str], Problem]
) -> Iterator[tuple[Prefix, _Part]]:
    aliases = _Aliases(snapshot)
    spans = tuple(_spans(snapshot))
    for address, found in wishes.items():
        for wish in found:
            prefix = _prefix(address, wish.advertisement)
            communities, problem = aliases.resolve(wish.advertisement)
            problem = problem or _too_wide(address, prefix, spans)
            if problem:
                problems[wish.advertisement.key, problem] = Problem(wish.advertisement, Reason.INVALID_OBJECT, problem)
            else:
                yield prefix, _Part(wish.advertisement, communities, wish.services)


def _prefix(address: Address, advertisement: BGPAdvertisement) -> Prefix:
    spec, family = advertisement.spec, Family.of(address)
    length = spec.aggregation_length if family is Family.IPV4 else spec.aggregation_length_v6
    return ip_network((address, family.bits if length is None else length), strict=False)


def _spans(snapshot: Snapshot) -> Iterator[tuple[AddressSpan, int]]:
    """What the pools say, each with the length of the widest prefix in it."""
    for _, obj in sorted(snapshot.all(IPAddressPool).items()):
        try:
            spans = Pool.of(obj).spans
        except ValueError:
            continue
        for span in spans:
            inside = summarize_address_range(span.first, span.last)
            yield span, min(each.prefixlen for each in inside)


def _too_wide(address: Address, prefix: Prefix, spans: Iterable[tuple[AddressSpan, int]]) -> str:
    """An aggregate draws traffic for no more than the pool: it is no wider than the widest prefix of what the pool says."""
    if prefix.prefixlen == prefix.max_prefixlen:
        return ""
    for span, widest in spans:
        if address in span and prefix.prefixlen < widest:
            return f"aggregation to {prefix} is wider than the pool's {span.text}: it would draw traffic for other addresses"
    return ""


class _Aliases:
    """The names that Community objects give to communities, by namespace."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._values = {
            (obj.metadata.namespace, alias.name): alias.value
            for _, obj in sorted(snapshot.all(Community).items(), reverse=True)
            for alias in obj.spec.communities
        }

    def resolve(self, advertisement: BGPAdvertisement) -> tuple[frozenset[str], str]:
        """Canonical communities, and what is wrong."""
        found = set()
        for text in advertisement.spec.communities:
            value = text if ":" in text else self._values.get((advertisement.metadata.namespace, text), "")
            if not value:
                return frozenset(), f"spec.communities: no Community object names {text}"
            canonical = _canonical(value)
            if canonical is None:
                return frozenset(), f"spec.communities: {value} is neither 16bit:16bit nor large:32bit:32bit:32bit"
            found.add(canonical)
        return frozenset(found), ""


def _canonical(text: str) -> str | None:
    is_large = text.startswith(LARGE)
    numbers = text.removeprefix(LARGE).split(":")
    most = 2**32 if is_large else 2**16
    if len(numbers) != (3 if is_large else 2) or not all(
        each.isascii() and each.isdecimal() and len(each) < 11 and int(each) < most for each in numbers
    ):
        return None
    return (LARGE if is_large else "") + ":".join(str(int(each)) for each in numbers)


def _route(session: Session, prefix: Prefix, parts: list[_Part], problems: dict[tuple[Key, str], Problem]) -> Route | None:
    first = parts[0].advertisement

    def complain(message: str) -> None:
        problems[first.key, message] = Problem(first, Reason.INVALID_OBJECT, message)

    united = sorted({each for part in parts for each in part.communities}, key=_numbers)
    if len(united) > MOST_COMMUNITIES:
        complain(
            f"{prefix} is not announced: its advertisements have {len(united)} communities, at most {MOST_COMMUNITIES} fit"
        )
        return None
    preferences = {part.advertisement.spec.local_pref for part in parts}
    if session.internal and len(preferences) > 1:
        names = ", ".join(str(part.advertisement.key) for part in parts)
        complain(f"{prefix}: advertisements {names} differ in localPref; the highest, {max(preferences)}, counts")
    return Route(
        prefix=prefix,
        communities=tuple(each for each in united if not each.startswith(LARGE)),
        large=tuple(each.removeprefix(LARGE) for each in united if each.startswith(LARGE)),
        local_pref=max(preferences) or None if session.internal else None,
    )


def _numbers(community: str) -> tuple[int, ...]:
    return tuple(int(each) for each in community.removeprefix(LARGE).split(":"))
