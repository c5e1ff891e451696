from __future__ import annotations

from ipaddress import ip_address

from moorage.dns.directory import Directory
from moorage.model.meta import Key
from moorage.model.service import Service, ServiceSpec
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from tests.dns.cluster import SNAPSHOT, endpoint, service, slice_of

DB = Key("default", "db")


def test_a_directory_takes_over_what_did_not_change() -> None:
    before = Directory(SNAPSHOT)
    assert before.names_of(ip_address("10.96.0.20")) == (("web", "default"),)
    services = {**SNAPSHOT.all(Service), Key("default", "new"): service("new", ServiceSpec(cluster_ip="10.96.0.99"))}
    after = Directory(SNAPSHOT.with_objects(Service, services), before)
    assert after.names_of(ip_address("10.96.0.99")) == (("new", "default"),)


def test_a_directory_sees_what_changed() -> None:
    before = Directory(SNAPSHOT)
    assert len(list(before.endpoints(DB))) == 3
    slices = {**SNAPSHOT.all(EndpointSlice), Key("default", "db-1"): slice_of("db", (endpoint("10.244.9.9"),))}
    after = Directory(SNAPSHOT.with_objects(EndpointSlice, slices), before)
    assert {str(address) for _, _, address in after.endpoints(DB)} == {"10.244.9.9", "fd00:1::7"}
    assert after.names_of(ip_address("10.244.1.7")) == ()


def test_slices_that_move_and_go() -> None:
    web, db = SNAPSHOT.all(EndpointSlice)[Key("default", "web-1")], Key("default", "db-1")
    directory = Directory(SNAPSHOT)
    assert len(list(directory.endpoints(DB))) == 3
    moved = {db: slice_of("web", (endpoint("10.244.5.5"),), name="db-1"), web.key: web}
    for _ in range(2):
        directory = Directory(SNAPSHOT.with_objects(EndpointSlice, moved), directory)
    assert list(directory.endpoints(DB)) == []
    assert {str(address) for _, _, address in directory.endpoints(Key("default", "web"))} == {"10.244.1.2", "10.244.5.5"}
    directory = Directory(Snapshot(), directory)
    assert list(directory.endpoints(Key("default", "web"))) == []


def test_namespaces_that_are_not_followed_are_known_by_their_services() -> None:
    followed = Directory(SNAPSHOT)
    assert followed.has_namespace("empty")
    assert not followed.has_namespace("kube-system")
    unfollowed = Directory(Snapshot({Service: SNAPSHOT.all(Service)}))
    assert unfollowed.has_namespace("kube-system")
    assert not unfollowed.has_namespace("empty")
