from __future__ import annotations

import pytest

from moorage.control.selection import CONTROLLER_NAME, Selection, owner
from moorage.model.meta import Key, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from tests.control.things import node, pod, service

SHOP = {"part-of": "shop"}


class Watched(dict[Key, Service]):
    """Services that may be looked up, not walked through."""

    def __iter__(self) -> object:  # type: ignore[override]
        raise AssertionError("all Services were walked through")

    items = keys = values = __iter__  # type: ignore[assignment]


def key(name: str) -> Key:
    return Key("default", name)


def pods(*changed: str) -> Changes:
    return Changes({Pod: frozenset(map(key, changed))})


def test_a_pod_touches_the_services_that_select_it_and_no_other_is_looked_at() -> None:
    services = [service(f"s{n}", selector={**SHOP, "app": f"a{n}"}) for n in range(50)]
    snapshot = Snapshot.of([*services, pod("p", labels={**SHOP, "app": "a7"}), node("node-1")])
    selection = Selection()
    assert len(selection.update(snapshot, Changes(everything=True))) == 50
    watched = Snapshot({**snapshot.by_type, Service: Watched(snapshot.all(Service))})
    moved = watched.with_objects(Pod, {key("p"): pod("p", labels={**SHOP, "app": "a9"})})
    assert list(selection.update(moved, pods("p"))) == [key("s7"), key("s9")]
    gone = moved.with_objects(Pod, {})
    assert list(selection.update(gone, pods("p"))) == [key("s9")]
    assert list(selection.update(gone, pods("p"))) == []


def test_a_service_finds_its_pods_by_all_its_labels() -> None:
    web, blue = {"app": "web"}, {"app": "web", "colour": "blue"}
    snapshot = Snapshot.of([pod("b", labels=web), pod("a", labels=blue), pod("c", labels={"colour": "blue"})])
    selection = Selection()
    selection.update(snapshot, Changes(everything=True))

    def found(**selector: str) -> list[str]:
        return [each.metadata.name for each in selection.pods_of(service(selector=selector))]

    assert found(app="web") == ["a", "b"]
    assert found(app="web", colour="blue") == ["a"]
    assert found(app="db") == []
    assert found() == []


def test_starting_over_forgets_what_is_gone() -> None:
    selection = Selection()
    selection.update(Snapshot.of([pod("a"), service()]), Changes(everything=True))
    assert list(selection.update(Snapshot.of([pod("b")]), Changes(everything=True))) == []
    assert [each.metadata.name for each in selection.pods_of(service())] == ["b"]


def test_a_large_first_list_is_taken_in_piece_by_piece_and_what_changes_meanwhile_counts() -> None:
    many = [pod(f"p{n}") for n in range(5)]
    selection = Selection(chunk=2)
    snapshot = Snapshot.of([service(), *many])
    assert selection.update(snapshot, Changes(everything=True)) == {}
    assert selection.behind
    later = Snapshot.of([service(), service("db", selector={"app": "db"}), *many[1:], pod("p1", labels={"app": "db"})])
    assert selection.update(later, pods("p0", "p1").merged(Changes({Service: frozenset({key("db")})}))) == {}
    assert list(selection.update(later, Changes())) == [key("db"), key("web")]
    assert not selection.behind
    assert [each.metadata.name for each in selection.pods_of(service())] == ["p2", "p3", "p4"]
    assert [each.metadata.name for each in selection.pods_of(service(selector={"app": "db"}))] == ["p1"]


def test_pods_that_go_leave_nothing_behind() -> None:
    selection = Selection()
    empty = vars(Selection())
    selection.update(Snapshot.of([pod("a", labels={"app": "web", "x": "y"}), service()]), Changes(everything=True))
    everything = Changes({Pod: frozenset({key("a")}), Service: frozenset({key("web")})})
    selection.update(Snapshot(), everything)
    assert {name: value for name, value in vars(selection).items() if value} == {
        name: value for name, value in empty.items() if value
    }


@pytest.mark.parametrize(
    ("labels", "service_key"),
    [
        ({"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": CONTROLLER_NAME}, key("web")),
        ({"kubernetes.io/service-name": "web", "endpointslice.kubernetes.io/managed-by": "me"}, None),
        ({"kubernetes.io/service-name": "web"}, None),
        ({"endpointslice.kubernetes.io/managed-by": CONTROLLER_NAME}, None),
    ],
)
def test_whose_slice_it_is(labels: dict[str, str], service_key: Key | None) -> None:
    assert owner(EndpointSlice(metadata=ObjectMeta(name="x", namespace="default", labels=labels))) == service_key
