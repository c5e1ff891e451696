"""`moorage node` speaks BGP with FRR and BIRD: routes, attributes, ECMP, passwords, withdrawal, graceful restart, BFD, IPv6."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from moorage.client.http_io import HttpClient
from moorage.model.cluster import TO_BE_DELETED_TAINT, Event, Node, Taint
from moorage.model.meta import Key
from moorage.model.metallb import BGPPeer, SecretReference, ServiceBGPStatus
from moorage.model.net import Family
from moorage.model.service import Service
from tests.kernel.bgp_lab import BGPLab
from tests.kernel.bgp_objects import NAMESPACE, NODES, VIPS, slice_
from tests.kernel.needs import needs_root
from tests.kernel.routers import needs_routers
from tests.server import eventually

pytestmark = [pytest.mark.kernel, needs_root, needs_routers]

PREFIX = {Family.IPV4: f"{VIPS[Family.IPV4]}/32", Family.IPV6: f"{VIPS[Family.IPV6]}/128"}
FRR_HOPS = {Family.IPV4: {"198.18.1.11", "198.18.2.11"}, Family.IPV6: {"2001:db8:1::11", "2001:db8:2::11"}}
BIRD_HOPS = {Family.IPV4: {"198.18.3.11", "198.18.4.11"}, Family.IPV6: {"2001:db8:3::11", "2001:db8:4::11"}}


@pytest.fixture(scope="module")
def lab() -> Iterator[BGPLab]:
    made = BGPLab()
    try:
        made.start(*NODES)
        settled(made)
        yield made
    finally:
        made.close()


def settled(lab: BGPLab) -> None:
    """Both nodes are next hops at both routers, in both families."""
    for family in Family:
        eventually(lambda family=family: lab.frr.next_hops(PREFIX[family]) == FRR_HOPS[family])  # type: ignore[misc]
        eventually(lambda family=family: lab.bird.next_hops(PREFIX[family]) == BIRD_HOPS[family])  # type: ignore[misc]


def seconds_until(holds: Callable[[], bool], limit: float = 10.0) -> float:
    begun = time.monotonic()
    eventually(holds, limit)
    return time.monotonic() - begun


@pytest.mark.parametrize("family", Family)
def test_routers_spread_connections_over_both_nodes(lab: BGPLab, family: Family) -> None:
    eventually(lambda: lab.kernel_next_hops("frr", VIPS[family]) == FRR_HOPS[family])
    eventually(lambda: lab.kernel_next_hops("bird", VIPS[family]) == BIRD_HOPS[family])
    answered = {lab.ask(family) for _ in range(40)}
    assert answered == set(NODES)


def test_routes_carry_what_their_advertisements_say(lab: BGPLab) -> None:
    for path in lab.frr.paths(PREFIX[Family.IPV4]):
        assert path["community"]["list"] == ["64512:100", "64512:200"]
        assert path["largeCommunity"]["list"] == ["64512:1:2"]
        assert path["aspath"]["string"] == "64512"
    assert lab.bird.attribute(PREFIX[Family.IPV4], "local_pref") == {"200"}
    assert lab.bird.attribute(PREFIX[Family.IPV4], "community") == set()
    assert lab.bird.next_hops("203.0.113.0/26") == {"198.18.3.11"}
    assert lab.bird.attribute("203.0.113.0/26", "local_pref") == {"50"}
    assert lab.frr.paths("203.0.113.0/26") == []


def test_the_api_and_the_metrics_tell_what_is_announced(lab: BGPLab) -> None:
    def told() -> dict[str, tuple[str, ...]]:
        found, _ = lab.api(lambda client: client.list(ServiceBGPStatus, NAMESPACE))
        assert all(each.status.service_name == "web" for each in found)
        return {each.status.node: each.status.peers for each in found}

    eventually(lambda: told() == {node: (f"bird-{node}", f"frr-{node}") for node in NODES})
    text = lab.spaces["one"].run(lambda: urllib.request.urlopen("http://127.0.0.1:10249/metrics", timeout=5).read().decode())
    assert 'moorage_bgp_session_up{peer="metallb-system/frr-one"} 1.0' in text
    assert 'moorage_bgp_announced_prefixes{peer="metallb-system/frr-one"} 2.0' in text
    assert 'moorage_bgp_announced_prefixes{peer="metallb-system/bird-one"} 3.0' in text
    assert "frr-two" not in text
    eventually(lambda: ("BGPSessionUp", "bird-two") in events(lab))


def events(lab: BGPLab) -> set[tuple[str, str]]:
    found, _ = lab.api(lambda client: client.list(Event, NAMESPACE))
    return {(each.reason, each.involved_object.name) for each in found}


def test_a_node_without_a_ready_endpoint_takes_its_routes_back(lab: BGPLab) -> None:
    """`externalTrafficPolicy: Local`."""
    publish(lab, "two")
    try:
        eventually(lambda: lab.frr.next_hops(PREFIX[Family.IPV4]) == {"198.18.2.11"})
        eventually(lambda: lab.bird.next_hops(PREFIX[Family.IPV6]) == {"2001:db8:4::11"})
        eventually(lambda: lab.kernel_next_hops("frr", PREFIX[Family.IPV4]) == {"198.18.2.11"})
        assert {lab.ask() for _ in range(10)} == {"two"}
    finally:
        publish(lab, *NODES)
    settled(lab)


def publish(lab: BGPLab, *ready: str) -> None:
    async def write(client: HttpClient) -> None:
        for family in Family:
            await client.update(slice_(family, *ready))

    lab.api(write)


def test_a_node_that_is_going_away_takes_its_routes_back_and_keeps_its_sessions(lab: BGPLab) -> None:
    """Where no endpoint binds it: the Service is made `externalTrafficPolicy: Cluster` for this."""
    set_policy(lab, "Cluster")
    taint(lab, "one", Taint(key=TO_BE_DELETED_TAINT, effect="NoSchedule"))
    try:
        eventually(lambda: lab.frr.next_hops(PREFIX[Family.IPV4]) == {"198.18.2.11"})
        assert state(lab, "one") == "Established"
    finally:
        taint(lab, "one")
        set_policy(lab, "Local")
    settled(lab)


def state(lab: BGPLab, node: str) -> str:
    """Of FRR's session with a node."""
    found: str = lab.frr.show("bgp ipv4 unicast summary")["peers"][f"198.18.{1 + NODES.index(node)}.11"]["state"]
    return found


def set_policy(lab: BGPLab, policy: str) -> None:
    patch = {"spec": {"externalTrafficPolicy": policy}}
    lab.api(lambda client: client.merge_patch(Service, Key("default", "web"), patch))


def taint(lab: BGPLab, node: str, *taints: Taint) -> None:
    patch = {"spec": {"taints": [msgspec.to_builtins(each) for each in taints]}}
    lab.api(lambda client: client.merge_patch(Node, Key("", node), patch))


class Asking:
    """Asks the Service from outside, about a hundred times a second, until it is stopped."""

    def __init__(self, lab: BGPLab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._stop.is_set() and len(self.failures) < 10:
            try:
                self._lab.ask(timeout=0.8)
                self.answered += 1
            except OSError as error:
                self.failures.append(f"{time.monotonic():.3f} {error}")
            self._stop.wait(0.01)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


def test_a_restart_of_the_agent_costs_nothing_with_graceful_restart(lab: BGPLab) -> None:
    """FRR keeps the routes; BIRD's peer does not ask for it, and is told at once."""
    asking = Asking(lab)
    try:
        eventually(lambda: asking.answered > 20)
        assert lab.agents["one"].stop() == 0
        assert "198.18.3.11" not in lab.bird.next_hops(PREFIX[Family.IPV4])
        paths = lab.frr.paths(PREFIX[Family.IPV4])
        assert [path for path in paths if path.get("stale")], paths
        assert lab.kernel_next_hops("frr", VIPS[Family.IPV4]) == FRR_HOPS[Family.IPV4]
        before = asking.answered
        eventually(lambda: asking.answered > before + 50)
        lab.start("one")
        eventually(lambda: not [path for path in lab.frr.paths(PREFIX[Family.IPV4]) if path.get("stale")])
        settled(lab)
    finally:
        asking.stop()
    assert asking.failures == []


def test_a_crash_of_exabgp_costs_nothing_with_graceful_restart(lab: BGPLab) -> None:
    asking = Asking(lab)
    try:
        (pid,) = [pid for pid, command in children_of(lab.agents["one"].pid).items() if "exabgp" in command and talks(pid, lab)]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: [path for path in lab.frr.paths(PREFIX[Family.IPV4]) if path.get("stale")])
        eventually(lambda: not [path for path in lab.frr.paths(PREFIX[Family.IPV4]) if path.get("stale")])
        settled(lab)
    finally:
        asking.stop()
    assert asking.answered > 20
    assert asking.failures == []


def talks(pid: int, lab: BGPLab) -> bool:
    """Whether the process has the session of node one with FRR."""
    command = ["ss", "-tnpH", "dst", "198.18.1.1"]
    said = lab.spaces["one"].run(lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return f"pid={pid}," in said


def test_the_autonomous_system_of_a_peer_may_be_any_other(lab: BGPLab) -> None:
    key, log = Key(NAMESPACE, "frr-one"), lab.agents["one"]

    def change(**spec: object) -> int:
        since = len(log.said())
        lab.api(lambda client: client.merge_patch(BGPPeer, key, {"spec": spec}))
        return since

    since = change(peerASN=None, dynamicASN="external")
    eventually(lambda: any("session with 198.18.1.1, AS 64513" in line for line in log.said(since)))
    change(dynamicASN="internal")
    eventually(lambda: state(lab, "one") != "Established")
    change(peerASN=64513, dynamicASN=None)
    eventually(lambda: state(lab, "one") == "Established")
    settled(lab)


def test_a_crash_of_the_agent_ends_its_sessions(lab: BGPLab) -> None:
    """Nothing of it goes on announcing: its children die with it."""
    children = children_of(lab.agents["one"].pid)
    assert sum("exabgp" in each for each in children.values()) == 2
    assert sum("bfdd" in each for each in children.values()) == 1
    lab.agents["one"].kill()
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), 5)
    eventually(lambda: lab.bird.next_hops(PREFIX[Family.IPV4]) == {"198.18.4.11"})
    lab.start("one")
    settled(lab)


def children_of(pid: int) -> dict[int, str]:
    said = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=True).stdout
    return {int(line.split()[0]): line.split(None, 1)[1] for line in said.splitlines()}


def test_a_wrong_password_makes_no_session_and_an_event_says_so(lab: BGPLab) -> None:
    def refer(name: str) -> None:
        patch = {"spec": {"passwordSecret": msgspec.to_builtins(SecretReference(name=name))}}
        lab.api(lambda client: client.merge_patch(BGPPeer, Key(NAMESPACE, "bird-two"), patch))

    refer("nowhere")
    eventually(lambda: lab.bird.next_hops(PREFIX[Family.IPV6]) == {"2001:db8:3::11"})
    eventually(lambda: ("PasswordMissing", "bird-two") in events(lab))
    before = refused(lab)
    refer("wrong")
    eventually(lambda: refused(lab) > before)
    assert lab.bird.next_hops(PREFIX[Family.IPV6]) == {"2001:db8:3::11"}
    refer("bird")
    settled(lab)


def refused(lab: BGPLab) -> int:
    """How many segments BIRD's kernel has dropped because of their MD5 signature."""
    lines = lab.spaces["bird"].run(lambda: Path("/proc/thread-self/net/netstat").read_text()).splitlines()
    names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(dict(zip(names, values, strict=True))["TCPMD5Failure"])


def test_bfd_ends_a_session_within_a_second(lab: BGPLab) -> None:
    """The path goes dark without a link that goes down: every packet between BIRD and node one is dropped."""
    eventually(lambda: "Up" in lab.bird.ask("show bfd sessions"))
    log = lab.agents["one"]
    since = len(log.said())
    nft(lab, "add table inet dark; add chain inet dark in { type filter hook input priority 0; }")
    nft(lab, "add rule inet dark in iifname to-one drop")
    try:
        took = seconds_until(lambda: lab.bird.next_hops(PREFIX[Family.IPV4]) == {"198.18.4.11"})
        told = seconds_until(lambda: any("BFDSessionDown" in line for line in log.said(since)))
        assert took + told < 1
        eventually(lambda: any("BGPSessionDown" in line for line in log.said(since)), 2)
    finally:
        nft(lab, "delete table inet dark")
    settled(lab)


def nft(lab: BGPLab, rules: str) -> None:
    lab.spaces["bird"].run(lambda: subprocess.run(["nft", rules], check=True, capture_output=True))


def test_a_peer_that_is_deleted_is_left_without_routes(lab: BGPLab) -> None:
    """Also where it would keep them over a restart."""
    peer = lab.api(lambda client: client.get(BGPPeer, Key(NAMESPACE, "frr-two")))
    lab.api(lambda client: client.delete(BGPPeer, peer.key))
    eventually(lambda: lab.frr.next_hops(PREFIX[Family.IPV4]) == {"198.18.1.11"})
    eventually(lambda: state(lab, "two") != "Established")
    assert lab.frr.next_hops(PREFIX[Family.IPV4]) == {"198.18.1.11"}
    assert lab.agents["two"].runs
