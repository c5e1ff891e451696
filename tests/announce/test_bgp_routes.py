from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.announce.bgp_peers import Session
from moorage.announce.bgp_routes import Route, Routes, routes
from moorage.announce.selection import BGPWish
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.metallb import BGPAdvertisement, BGPAdvertisementSpec, Community, CommunityAlias, CommunitySpec
from moorage.model.net import Address, Family
from moorage.model.snapshot import Snapshot
from tests.control.things import pool

NAMESPACE = "metallb-system"
FOUR, SIX = ip_address("192.0.2.1"), ip_address("2001:db8::1")
HOST, HOST6 = ip_network("192.0.2.1/32"), ip_network("2001:db8::1/128")
WEB = Key("default", "web")
POOLS = (pool("lan", "192.0.2.0/24", "2001:db8::/64"),)


def session(name: str = "tor", internal: bool = False, families: tuple[Family, ...] = tuple(Family)) -> Session:
    return Session(
        peer=Key(NAMESPACE, name),
        address=ip_address("198.18.0.1"),
        port=179,
        source=None,
        local_asn=64512,
        peer_asn=64512 if internal else 64513,
        router_id="198.18.0.11",
        families=families,
        internal=internal,
    )


def advertisement(name: str = "bgp", namespace: str = NAMESPACE, **spec: object) -> BGPAdvertisement:
    return BGPAdvertisement(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=BGPAdvertisementSpec(**spec),  # type: ignore[arg-type]
    )


def wished(
    *advertisements: BGPAdvertisement, address: Address = FOUR, service: Key = WEB
) -> Mapping[Address, tuple[BGPWish, ...]]:
    return {address: tuple(BGPWish(each, (service,)) for each in advertisements)}


def made(wishes: Mapping[Address, tuple[BGPWish, ...]], *sessions: Session, others: tuple[Object, ...] = ()) -> Routes:
    return routes(Snapshot.of([*POOLS, *others]), wishes, {each.peer: each for each in sessions})


def of(told: Routes, name: str = "tor") -> list[Route]:
    assert told.problems == ()
    return list(told.routes[Key(NAMESPACE, name)].values())


def test_an_address_is_one_prefix() -> None:
    told = made(wished(advertisement()), session())
    assert of(told) == [Route(HOST)]
    assert told.services == {Key(NAMESPACE, "tor"): {HOST: frozenset({WEB})}}
    assert of(made(wished(advertisement(), address=SIX), session())) == [Route(HOST6)]


def test_addresses_are_aggregated_and_keep_their_services() -> None:
    wide = advertisement(aggregation_length=28, aggregation_length_v6=64)
    db = Key("default", "db")
    wishes = {**wished(wide), **wished(wide, address=ip_address("192.0.2.9"), service=db), **wished(wide, address=SIX)}
    told = made(wishes, session())
    prefix = ip_network("192.0.2.0/28")
    assert {each.prefix for each in of(told)} == {prefix, ip_network("2001:db8::/64")}
    assert told.services[Key(NAMESPACE, "tor")][prefix] == {WEB, db}


def test_an_aggregate_stays_within_what_the_pool_says() -> None:
    told = made(wished(advertisement(aggregation_length=16)), session())
    assert told.routes == {Key(NAMESPACE, "tor"): {}}
    (only,) = told.problems
    assert "wider than the pool's 192.0.2.0/24" in only.message


def test_families_of_the_session() -> None:
    wishes = {**wished(advertisement()), **wished(advertisement(), address=SIX)}
    assert of(made(wishes, session(families=(Family.IPV4,)))) == [Route(HOST)]
    assert of(made(wishes, session(families=(Family.IPV6,)))) == [Route(HOST6)]


def test_an_advertisement_may_name_peers_of_its_namespace() -> None:
    told = made(wished(advertisement(peers=("b",))), session("a"), session("b"))
    assert (of(told, "a"), of(told, "b")) == ([], [Route(HOST)])
    elsewhere = made(wished(advertisement(namespace="default", peers=("a",))), session("a"))
    assert of(elsewhere, "a") == []


def test_communities_of_all_advertisements_are_united() -> None:
    names = CommunitySpec(communities=(CommunityAlias(name="vip", value="65535:65281"),))
    names_object = Community(metadata=ObjectMeta(name="names", namespace=NAMESPACE), spec=names)
    one = advertisement("one", communities=("64512:200", "large:64512:2:3", "vip"))
    two = advertisement("two", communities=("64512:90", "64512:200"))
    told = made(wished(one, two), session(), others=(names_object,))
    assert of(told) == [Route(HOST, communities=("64512:90", "64512:200", "65535:65281"), large=("64512:2:3",))]


@pytest.mark.parametrize("community", ["nobody", "64512:70000", "large:1:2", "1:2:3", "a:b", "large:1:2:4294967296"])
def test_what_is_no_community_announces_nothing_and_is_told(community: str) -> None:
    told = made(wished(advertisement(communities=(community,))), session())
    assert told.routes == {Key(NAMESPACE, "tor"): {}}
    assert [each.about.key for each in told.problems] == [Key(NAMESPACE, "bgp")]


def test_a_name_of_another_namespace_is_none() -> None:
    names = CommunitySpec(communities=(CommunityAlias(name="vip", value="1:2"),))
    elsewhere = Community(metadata=ObjectMeta(name="names", namespace="default"), spec=names)
    assert made(wished(advertisement(communities=("vip",))), session(), others=(elsewhere,)).problems


def test_local_preference_is_for_internal_sessions() -> None:
    told = made(wished(advertisement(local_pref=200)), session("in", internal=True), session("out"))
    assert (of(told, "in"), of(told, "out")) == ([Route(HOST, local_pref=200)], [Route(HOST)])


def test_of_different_local_preferences_the_highest_counts() -> None:
    wishes = wished(advertisement("one", local_pref=100), advertisement("two", local_pref=200))
    assert of(made(wishes, session())) == [Route(HOST)]
    told = made(wishes, session(internal=True))
    assert told.routes[Key(NAMESPACE, "tor")][HOST].local_pref == 200
    assert ["the highest, 200, counts" in each.message for each in told.problems] == [True]


def test_more_communities_than_fit() -> None:
    many = advertisement(communities=tuple(f"64512:{number}" for number in range(64)))
    told = made(wished(many), session())
    assert told.routes[Key(NAMESPACE, "tor")] == {}
    assert ["at most 63 fit" in each.message for each in told.problems] == [True]


SPECS = st.fixed_dictionaries(
    {
        "aggregation_length": st.integers(24, 32),
        "local_pref": st.integers(0, 3),
        "communities": st.sets(st.sampled_from(["1:1", "1:2", "large:1:1:1"])).map(tuple),
        "peers": st.sets(st.sampled_from(["a", "b"])).map(tuple),
    }
)


@given(
    st.lists(SPECS, min_size=1, max_size=4), st.lists(st.integers(0, 255), min_size=1, max_size=6, unique=True), st.randoms()
)
def test_routes_do_not_depend_on_the_order_of_wishes(specs: list[dict[str, Any]], hosts: list[int], chance: Random) -> None:
    """And every address that an advertisement wishes at a peer is in a prefix that the peer gets, with its communities."""
    advertisements = [advertisement(f"ad-{number}", **spec) for number, spec in enumerate(specs)]
    wishes = {ip_address(f"192.0.2.{host}"): tuple(BGPWish(each, (WEB,)) for each in advertisements) for host in hosts}
    peers = (session("a"), session("b", internal=True))
    told = made(wishes, *peers)
    shuffled = list(wishes.items())
    chance.shuffle(shuffled)
    assert made(dict(shuffled), *peers).routes == told.routes
    for each in advertisements:
        for name in each.spec.peers or ("a", "b"):
            for address in wishes:
                prefix = ip_network((address, each.spec.aggregation_length or 32), strict=False)
                route = told.routes[Key(NAMESPACE, name)][prefix]
                assert {*route.communities, *(f"large:{large}" for large in route.large)} >= set(each.spec.communities)


def test_a_session_without_routes_is_there() -> None:
    assert made({}, session()) == Routes({Key(NAMESPACE, "tor"): {}}, {Key(NAMESPACE, "tor"): {}})
