from __future__ import annotations

from ipaddress import ip_network

import msgspec
from msgspec.structs import replace

from moorage.announce.bgp_status import peers_by_service, statuses
from moorage.announce.statuses import changes
from moorage.model.meta import Key
from moorage.model.metallb import ServiceBGPStatus, ServiceBGPStatusStatus
from moorage.model.verbs import Create, Delete, MergePatch
from tests.control.things import node

WEB, DB = Key("default", "web"), Key("default", "db")
TOR, OTHER = Key("metallb-system", "tor"), Key("metallb-system", "other")
HOST, NEXT = ip_network("192.0.2.1/32"), ip_network("192.0.2.2/32")
ONE = replace(node("one"), metadata=replace(node("one").metadata, uid="uid-of-one"))


def test_only_what_was_sent_is_announced() -> None:
    services = {TOR: {HOST: frozenset({WEB, DB}), NEXT: frozenset({DB})}, OTHER: {HOST: frozenset({WEB})}}
    assert peers_by_service(services, {}) == {}
    assert peers_by_service(services, {TOR: frozenset({NEXT}), OTHER: frozenset({HOST})}) == {DB: {TOR}, WEB: {OTHER}}
    gone = ip_network("192.0.2.9/32")
    assert peers_by_service(services, {TOR: frozenset({gone})}) == {}


def test_one_object_for_a_node_and_a_service() -> None:
    made = statuses(ONE, {WEB: frozenset({TOR, OTHER}), DB: frozenset({TOR})})
    assert {each.status.service_name: each.status.peers for each in made.values()} == {"web": ("other", "tor"), "db": ("tor",)}
    for key, each in made.items():
        assert key.namespace == "metallb-system"
        assert key.name.startswith("bgp-one-")
        assert each.status.node == "one"
        assert each.metadata.labels == {
            "metallb.io/node": "one",
            "metallb.io/service-name": each.status.service_name,
            "metallb.io/service-namespace": "default",
        }
        assert [owner.uid for owner in each.metadata.owner_references] == ["uid-of-one"]


def test_the_api_is_told_what_changes() -> None:
    before = statuses(ONE, {WEB: frozenset({TOR}), DB: frozenset({TOR})})
    after = statuses(ONE, {WEB: frozenset({TOR, OTHER})})
    web, db = (next(key for key, each in before.items() if each.status.service_name == name) for name in ("web", "db"))
    create, status = changes({}, {web: before[web]})
    assert create == Create(before[web])
    assert isinstance(status, MergePatch)
    assert status.patch == {"status": msgspec.to_builtins(before[web].status)}
    assert status.patch["status"]["serviceName"] == "web"
    delete, patch = changes(before, after)
    assert delete == Delete(ServiceBGPStatus, db)
    assert isinstance(patch, MergePatch)
    assert (patch.key, patch.subresource) == (web, "status")
    assert changes(after, after) == ()


def test_a_status_that_was_never_written_is_written_again() -> None:
    (key, obj), *_ = statuses(ONE, {WEB: frozenset({TOR})}).items()
    half = replace(obj, status=ServiceBGPStatusStatus())
    assert [type(each) for each in changes({key: half}, {key: obj})] == [MergePatch]
