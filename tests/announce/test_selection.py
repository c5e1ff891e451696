from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from moorage.announce.selection import bgp_wishes, l2_wishes
from moorage.model.cluster import EXCLUDE_LABEL, TO_BE_DELETED_TAINT, Node, Taint
from moorage.model.meta import Condition, Key, Object, ObjectMeta
from moorage.model.metallb import (
    BGPAdvertisement,
    BGPAdvertisementSpec,
    L2Advertisement,
    L2AdvertisementSpec,
    LabelRequirement,
    LabelSelector,
)
from moorage.model.service import PROVIDER_ANNOTATION, Service
from moorage.model.slices import SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointSlice
from moorage.model.snapshot import Snapshot
from tests.control.things import balanced, node, pool

ADDRESS = ip_address("192.0.2.1")
NODES = (node("a"), node("b"), node("c"))


def announced(name: str = "web", shows: str = "192.0.2.1", provider: str = "announce", **spec: object) -> Service:
    made = balanced(name, shows, {PROVIDER_ANNOTATION: provider}, **spec)
    return replace(made, metadata=replace(made.metadata, labels={"app": name}))


def slice_(
    *nodes: str, of: str = "web", ready: bool = True, serving: bool | None = True, terminating: bool = False
) -> EndpointSlice:
    said = EndpointConditions(ready=ready, serving=serving, terminating=terminating)
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{of}-{ready}-{serving}", namespace="default", labels={SERVICE_NAME_LABEL: of}),
        address_type="IPv4",
        endpoints=tuple(Endpoint(addresses=("10.244.0.1",), node_name=each, conditions=said) for each in nodes),
    )


def l2(name: str = "l2", **spec: object) -> L2Advertisement:
    return L2Advertisement(
        metadata=ObjectMeta(name=name, namespace="metallb-system"),
        spec=L2AdvertisementSpec(**spec),  # type: ignore[arg-type]
    )


def bgp(name: str = "bgp", **spec: object) -> BGPAdvertisement:
    return BGPAdvertisement(
        metadata=ObjectMeta(name=name, namespace="metallb-system"),
        spec=BGPAdvertisementSpec(**spec),  # type: ignore[arg-type]
    )


def nodes_of(*objects: Object) -> set[str]:
    snapshot = Snapshot.of([pool("lan", "192.0.2.0/24"), *NODES, *objects])
    wish = l2_wishes(snapshot).get(ADDRESS)
    return set(wish.nodes) if wish is not None else set()


def labelled(made: Node, **labels: str) -> Node:
    return replace(made, metadata=replace(made.metadata, labels={**made.metadata.labels, **labels}))


def test_every_node_may_announce_what_an_advertisement_covers() -> None:
    assert nodes_of(announced(), l2()) == {"a", "b", "c"}


@pytest.mark.parametrize("provider", ["edge", ""])
def test_what_others_serve_is_not_announced(provider: str) -> None:
    assert nodes_of(announced(provider=provider), l2()) == set()


def test_without_an_advertisement_nothing_is_announced() -> None:
    assert nodes_of(announced()) == set()


def test_an_advertisement_may_name_or_select_pools_of_its_namespace() -> None:
    assert nodes_of(announced(), l2(ip_address_pools=("other",))) == set()
    assert nodes_of(announced(), l2(ip_address_pools=("lan",))) == {"a", "b", "c"}
    selector = LabelSelector(match_labels={"tier": "front"})
    assert nodes_of(announced(), l2(ip_address_pool_selectors=(selector,))) == set()
    elsewhere = replace(l2(), metadata=ObjectMeta(name="l2", namespace="default"))
    assert nodes_of(announced(), elsewhere) == set()


def test_services_are_selected_by_label() -> None:
    right, wrong = (LabelSelector(match_labels={"app": each}) for each in ("web", "db"))
    assert nodes_of(announced(), l2(service_selectors=(wrong,))) == set()
    assert nodes_of(announced(), l2(service_selectors=(wrong, right))) == {"a", "b", "c"}


def test_nodes_are_selected_and_interfaces_add_up() -> None:
    on_a = LabelSelector(match_expressions=(LabelRequirement("rack", "In", ("1",)),))
    snapshot = Snapshot.of(
        [
            pool("lan", "192.0.2.0/24"),
            labelled(node("a"), rack="1"),
            node("b"),
            announced(),
            l2("one", node_selectors=(on_a,), interfaces=("eth0",)),
            l2("two", node_selectors=(on_a,), interfaces=("eth1",)),
        ]
    )
    assert l2_wishes(snapshot)[ADDRESS].nodes == {"a": ("eth0", "eth1")}
    anywhere = snapshot.with_objects(
        L2Advertisement, {Key("", each.metadata.name): each for each in (l2("x"), l2("y", interfaces=("eth0",)))}
    )
    assert l2_wishes(anywhere)[ADDRESS].nodes == {"a": (), "b": ()}


def test_excluded_nodes_and_those_without_a_network_do_not_announce() -> None:
    excluded = labelled(node("a"), **{EXCLUDE_LABEL: ""})
    cut = node("b")
    cut = replace(cut, status=replace(cut.status, conditions=(Condition(type="NetworkUnavailable", status="True"),)))
    assert nodes_of(announced(), l2(), excluded, cut) == {"c"}


def test_a_node_that_goes_away_announces_only_where_nobody_else_can() -> None:
    going = [node(name, taints=(Taint(key=TO_BE_DELETED_TAINT, effect="NoSchedule"),)) for name in "abc"]
    assert nodes_of(announced(), l2(), going[0]) == {"b", "c"}
    assert nodes_of(announced(), l2(), *going) == {"a", "b", "c"}


def test_policy_local_asks_for_an_endpoint_that_takes_connections() -> None:
    local = announced(external_traffic_policy="Local")
    assert nodes_of(local, l2()) == set()
    assert nodes_of(local, l2(), slice_("b")) == {"b"}
    leaving = slice_("a", ready=False, terminating=True)
    assert nodes_of(local, l2(), slice_("b"), leaving) == {"b"}
    assert nodes_of(local, l2(), leaving) == {"a"}
    silent = slice_("c", ready=False, serving=None, terminating=True)
    assert nodes_of(local, l2(), silent) == {"c"}, "what is not said of serving counts as true"


def test_services_that_share_an_address_are_announced_by_nodes_that_serve_all() -> None:
    one = announced("web", external_traffic_policy="Local")
    other = announced("api", external_traffic_policy="Local")
    assert nodes_of(one, other, l2(), slice_("a", "b"), slice_("b", "c", of="api")) == {"b"}


def test_bgp_announces_for_services_with_endpoints_by_every_advertisement() -> None:
    objects = [pool("lan", "192.0.2.0/24"), *NODES, announced(), bgp("one"), bgp("two", local_pref=10)]
    assert bgp_wishes(Snapshot.of(objects), "a") == {}
    wishes = bgp_wishes(Snapshot.of([*objects, slice_("b")]), "a")
    assert [each.advertisement.metadata.name for each in wishes[ADDRESS]] == ["one", "two"]
    assert wishes[ADDRESS][0].services == (Key("default", "web"),)
    assert bgp_wishes(Snapshot.of([*objects, slice_("b")]), "nobody") == {}
