"""What an agent writes and chooses for its speaker."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from moorage.announce.links import Links
from moorage.announce.roll import view_of
from moorage.announce.selection import L2Wish
from moorage.announce.wish import View
from moorage.api.auth import EDGE_PREFIX, NODE_PREFIX, User
from moorage.api.auth import EDGES as API_EDGES
from moorage.api.auth import NODES as API_NODES
from moorage.api.auth_asks import Ask
from moorage.api.auth_rules import RoleAuthorizer
from moorage.client.fake import FakeClient
from moorage.client.mirror_io import Mirror, Want
from moorage.model.announcing import EDGES, NODES, Group
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, Node, NodeAddress, NodeStatus
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.metallb import L2Advertisement, L2AdvertisementSpec, LabelSelector
from moorage.model.snapshot import Snapshot
from moorage.run.announcements import WANTS, Known
from moorage.run.announcing_leases import LeaseWriter
from moorage.run.announcing_part import edge_part, node_part
from moorage.run.node import wants
from moorage.settings.roles import NodeSettings
from tests.table.objects import provided, service

ADDRESS = ip_address("192.0.2.1")
NODE = Node(
    metadata=ObjectMeta(name="a", labels={"rack": "1"}),
    status=NodeStatus(addresses=(NodeAddress("InternalIP", "2001:DB8::1"), NodeAddress("Hostname", "a"))),
)


def test_the_own_lease_is_made_renewed_and_made_again() -> None:
    async def story() -> None:
        client = FakeClient()
        writer = LeaseWriter(NODES, "a", client)
        key = NODES.lease("a")
        versions = []
        for _ in range(2):
            assert await writer.renew([ADDRESS], {})
            versions.append(client.all(Lease)[key].metadata.resource_version)
        assert versions[0] != versions[1]
        client.remove(Lease, key)
        assert not await writer.renew([ADDRESS], {})
        assert await writer.renew([ADDRESS], {})
        client.fail("update", HostError("away"))
        assert not await writer.renew([ADDRESS], client.all(Lease))
        assert await writer.renew([ADDRESS], client.all(Lease)), "from what the mirror has"

    asyncio.run(story())


def test_of_two_views_that_follow_the_same_one_the_first_counts() -> None:
    async def story() -> None:
        client = FakeClient()
        one, two = LeaseWriter(NODES, "a", client), LeaseWriter(NODES, "b", client)
        assert await one.propose(View(1, ("a",))) == View(1, ("a",))
        assert await two.propose(View(1, ("b",))) == View(1, ("a",))
        assert await two.propose(View(2, ("a", "b"))) == View(2, ("a", "b"))
        assert view_of(client.all(Lease)[NODES.view]) == View(2, ("a", "b"))
        client.fail("update", HostError("away"))
        assert await one.propose(View(3, ("a",))) is None
        both = await asyncio.gather(one.propose(View(3, ("a",))), two.propose(View(3, ("b",))))
        written = view_of(client.all(Lease)[NODES.view])
        assert {each for each in both if each is not None} == {written}

    asyncio.run(story())


def test_a_node_is_met_at_its_internal_addresses() -> None:
    assert node_part("a").addresses(Snapshot.of([NODE]), Links()) == (ip_address("2001:db8::1"),)
    assert node_part("b").addresses(Snapshot.of([NODE]), Links()) == ()


def test_an_edge_is_met_at_its_interface_or_where_it_is_told() -> None:
    one, two, elsewhere, six = map(ip_address, ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"))
    links = Links(own={elsewhere: "eth1", one: "eth0", two: "eth0", six: "eth0"})
    assert edge_part("a", "eth0").addresses(Snapshot(), links) == (one, six)
    assert edge_part("a", "eth2").addresses(Snapshot(), links) == ()
    assert edge_part("a", "eth0", ("192.0.2.3", "2001:db8::2")).addresses(Snapshot(), links) == (
        elsewhere,
        ip_address("2001:db8::2"),
    )


def test_every_edge_that_is_there_may_answer_for_every_address_of_edges() -> None:
    snapshot = Snapshot.of(
        [
            provided(service("web", type="LoadBalancer", ingress=("192.0.2.1",))),
            provided(service("nodes", type="LoadBalancer", ingress=("192.0.2.6",)), "announce"),
        ]
    )
    part = edge_part("a", "eth0")
    expected = L2Wish((Key("default", "web"),), {"a": ("eth0",), "b": ("eth0",)})
    assert part.wishes(snapshot, frozenset({"b"})) == {ADDRESS: expected}
    assert part.concerns(Snapshot())
    assert not part.stays(snapshot), "its HAProxy ends with it"


def test_a_node_is_concerned_by_advertisements_that_select_it() -> None:
    def concerned(*selectors: LabelSelector) -> bool:
        spec = L2AdvertisementSpec(node_selectors=selectors)
        advertisement = L2Advertisement(metadata=ObjectMeta(name="x", namespace="y"), spec=spec)
        return node_part("a").concerns(Snapshot.of([NODE, advertisement]))

    assert concerned()
    assert concerned(LabelSelector({"rack": "2"}), LabelSelector({"rack": "1"}))
    assert not concerned(LabelSelector({"rack": "2"}))
    assert not node_part("a").concerns(Snapshot.of([NODE]))
    assert not node_part("b").concerns(Snapshot.of([NODE, L2Advertisement(metadata=ObjectMeta(name="x", namespace="y"))]))


def test_a_node_that_is_to_go_does_not_stay() -> None:
    going = replace(NODE, metadata=replace(NODE.metadata, deletion_timestamp="2026-01-01T00:00:00Z"))
    assert node_part("a").stays(Snapshot.of([NODE]))
    assert not node_part("a").stays(Snapshot.of([going]))
    assert not node_part("a").stays(Snapshot())


@pytest.mark.parametrize("group", [NODES, EDGES], ids=["node", "edge"])
def test_the_names_of_leases_are_those_that_a_member_may_write(group: Group) -> None:
    """`api` and `announce` do not know each other: the table of rights has the names in its own words."""
    word = group.word
    user = User(f"{NODE_PREFIX if word == 'node' else EDGE_PREFIX}a", (API_NODES if word == "node" else API_EDGES,))
    authorizer = RoleAuthorizer(lambda pod: None)
    for key in (group.lease("a"), group.view):
        asked = Ask("update", "leases", "coordination.k8s.io", "", key.namespace, key.name)
        assert authorizer.allows(user, asked), key
        authorizer.admit(user, asked, {"metadata": {"name": key.name}})
    assert not authorizer.allows(
        user, Ask("update", "leases", "coordination.k8s.io", "", SYSTEM_NAMESPACE, group.lease("b").name)
    )


def test_no_kind_is_followed_twice() -> None:
    mirrors = (wants(NodeSettings(name="a", dns_port=53)), WANTS)
    followed = [each.type for wanted in mirrors for each in wanted]
    assert sorted(map(str, followed)) == sorted(map(str, set(followed)))


def test_mirrors_are_read_as_one() -> None:
    async def story() -> None:
        client = FakeClient([NODE, L2Advertisement(metadata=ObjectMeta(name="x", namespace="y"))])
        mirrors = Mirror(client, [Want(Node)]), Mirror(client, [Want(L2Advertisement)])
        known = Known(*mirrors)
        assert not known.synced
        running = [asyncio.create_task(each.run()) for each in mirrors]
        for each in mirrors:
            await each.next()
        assert known.synced
        before = known.snapshot
        assert set(before.all(Node)) == {NODE.key}
        client.put(L2Advertisement(metadata=ObjectMeta(name="z", namespace="y")))
        await mirrors[1].next()
        assert len(known.snapshot.all(L2Advertisement)) == 2
        assert known.snapshot.by_type[Node] is before.by_type[Node], "whoever looks at one kind sees that nothing changed"
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    asyncio.run(story())
