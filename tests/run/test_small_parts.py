"""The pure parts of the roles: the DNS slice of a node, the power switch, the add-ons, the figures of a benchmark."""

from __future__ import annotations

import msgspec
import pytest

from moorage.announce.wish import State
from moorage.datapath.counts import Counts
from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.counting_io import NftCounters
from moorage.datapath.types import Applied
from moorage.model.cluster import Node
from moorage.model.errors import HostError, UserError
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.model.verbs import Create, Update
from moorage.observe.figures import Figures
from moorage.run.addons import addons
from moorage.run.asking import read_answers
from moorage.run.forward_io import FIRST_RETRY, SETTLE_AFTER, Forwarder
from moorage.run.local_dns import DNS_NAMESPACE, DNS_SERVICE, dns_slice, dns_verbs
from moorage.run.measure_io import Measurements
from moorage.run.node import wants
from moorage.run.power import POWER_ANNOTATION, wished
from moorage.run.standalone import UpSettings
from moorage.settings.roles import NodeSettings
from moorage.table.lean import lean
from moorage.table.types import ForwardingTable
from tests.observe.cluster import cluster


def with_dns() -> Snapshot:
    snapshot = cluster()
    dns = next(each for each in addons("10.96.0.10", None) if isinstance(each, Service))
    return snapshot.with_objects(Service, {**snapshot.all(Service), dns.key: dns})


def test_a_node_offers_its_dns_once() -> None:
    snapshot = with_dns()
    (verb,) = dns_verbs(snapshot, "node-1", 10053)
    assert isinstance(verb, Create)
    assert verb.obj == dns_slice(snapshot.all(Node)[Key("", "node-1")], 10053)
    offered = Snapshot.of([*(o for objects in snapshot.by_type.values() for o in objects.values()), verb.obj])
    assert dns_verbs(offered, "node-1", 10053) == ()
    (again,) = dns_verbs(offered, "node-1", 10054)
    assert isinstance(again, Update)


def test_of_all_slices_an_agent_holds_its_own_in_full() -> None:
    """Held lean, the slice that is there would never be the one that is wanted, and be written again and again."""
    mine, other = (dns_slice(cluster().all(Node)[Key("", "node-1")], port) for port in (10053, 10054))
    assert mine is not None
    assert other is not None
    other = msgspec.structs.replace(other, metadata=msgspec.structs.replace(other.metadata, name="kube-dns-node-2"))
    (keep,) = (want.keep for want in wants(NodeSettings(name="node-1")) if want.type is EndpointSlice)
    assert keep is not None
    assert keep(mine) is mine
    assert keep(other) == lean(other) != other


@pytest.mark.parametrize("snapshot", [cluster(), cluster(without=("Node",))], ids=["no DNS Service", "no Node"])
def test_nothing_is_offered_too_early(snapshot: Snapshot) -> None:
    assert dns_verbs(snapshot, "node-1", 10053) == ()


def test_only_the_word_off_switches_a_node_off() -> None:
    snapshot = cluster()
    first = snapshot.all(Node)[Key("", "node-1")]
    for value, on in (("off", False), ("on", True), ("OFF", True)):
        meta = msgspec.structs.replace(first.metadata, annotations={POWER_ANNOTATION: value})
        changed = snapshot.with_objects(Node, {first.key: msgspec.structs.replace(first, metadata=meta)})
        assert wished(changed) == {"node-1": on}


def test_addons_with_and_without_a_load_balancer() -> None:
    assert [each.key for each in addons("10.96.0.10", None)] == [Key(DNS_NAMESPACE, DNS_SERVICE)]
    pools = [each for each in addons("10.96.0.10", "198.18.100.1-198.18.100.9") if isinstance(each, IPAddressPool)]
    assert [pool.spec.addresses for pool in pools] == [("198.18.100.1-198.18.100.9",)]


def test_what_ask_did_not_say_is_an_error() -> None:
    with pytest.raises(HostError, match="ask did not run: no such file"):
        read_answers("", "no such file\n")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("Moorage!", 3, "edge", "auto", 0), "cannot name an instance"),
        (("moorage", 3, "cloud", "auto", 0), "--load-balancer is edge, announce or none"),
        (("moorage", 3, "edge", "ipvs", 0), "--dataplane is auto or nft"),
    ],
)
def test_settings_that_cannot_be(values: tuple[str, int, str, str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        UpSettings.checked(*values)


class Refusing(FakeDatapath):
    """A kernel that refuses the first few tables."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def apply(self, table: ForwardingTable) -> Applied:
        if self.times:
            self.times -= 1
            raise HostError("no")
        return super().apply(table)


class Settling(FakeDatapath):
    """Counts how often it was settled."""

    def __init__(self) -> None:
        super().__init__()
        self.settled = 0

    def settle(self) -> int:
        self.settled += 1
        return 0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_refused_table_is_tried_again_with_growing_pauses() -> None:
    datapath, clock = Refusing(2), Clock()
    datapath.start()
    forwarder = Forwarder(datapath, clock)
    assert not forwarder.health().healthy
    forwarder.apply(ForwardingTable())
    for pause in (FIRST_RETRY, 2 * FIRST_RETRY):
        assert forwarder.wake_in == pytest.approx(pause)
        assert not forwarder.health().healthy
        clock.now += pause / 2
        forwarder.wake()
        assert datapath.table is None, "nothing is tried before its time"
        clock.now += pause / 2 + 1e-6
        forwarder.wake()
    assert forwarder.health().healthy
    assert datapath.table is not None
    figures = forwarder.figures
    assert figures.refusals == 2
    assert sum(figures.syncs.counts) == 1
    assert figures.syncs.total == pytest.approx(3 * FIRST_RETRY, rel=0.01)


def test_an_agents_metrics_where_the_kernel_does_not_tell_its_counts() -> None:
    class Silent(NftCounters):
        def read(self) -> Counts:
            raise HostError("no")

    text = Measurements(Figures(operations=3), ForwardingTable, Silent(), State).render()
    assert "moorage_sync_operations_total 3.0" in text


def test_changes_that_follow_each_other_are_settled_together() -> None:
    datapath, clock = Settling(), Clock()
    datapath.start()
    forwarder = Forwarder(datapath, clock)
    for _ in range(10):
        forwarder.apply(ForwardingTable())
        clock.now += SETTLE_AFTER / 20
        forwarder.wake()
    assert datapath.settled == 0
    clock.now += SETTLE_AFTER / 2
    assert forwarder.wake_in == pytest.approx(0, abs=1e-6)
    clock.now += 1e-6
    forwarder.wake()
    assert datapath.settled == 1
    assert forwarder.wake_in is None
