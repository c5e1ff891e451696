"""An agent does not start beside another proxy's rules, unless it is told to; what it looks at is made here with nft."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.datapath.netlink_io import Netlink
from moorage.datapath.other_proxies_io import find_other_proxies
from moorage.model.net import Family
from tests.kernel.agents import EDGE, Agent, node
from tests.kernel.legacy import NAMES, add_nat_chain
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]

NFTABLES = """
add table {ip} kube-proxy {{ comment "rules for kube-proxy"; }}
add chain {ip} kube-proxy services
add chain {ip} kube-proxy nat-prerouting {{ type nat hook prerouting priority -100; }}
add rule {ip} kube-proxy nat-prerouting jump services
"""
IPTABLES = """
add table {ip} nat
add chain {ip} nat KUBE-SERVICES
add chain {ip} nat KUBE-SVC-NPX46M4PTMTKRN6Y
add chain {ip} nat PREROUTING {{ type nat hook prerouting priority -100; }}
add rule {ip} nat PREROUTING counter jump KUBE-SERVICES
"""
KUBELET = """
add table ip mangle
add chain ip mangle KUBE-IPTABLES-HINT
add table ip nat
add chain ip nat KUBE-KUBELET-CANARY
add table ip kube-proxy-of-somebody
add chain ip kube-proxy-of-somebody services
"""
IP_VS = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("other"))
    yield made
    made.close()


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def tables() -> list[str]:
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.splitlines()


def found(proc_net: Path | None = None) -> list[str]:
    kernel = Netlink.open()
    try:
        if proc_net is None:
            return list(map(str, find_other_proxies(kernel, tuple(Family))))
        return list(map(str, find_other_proxies(kernel, tuple(Family), proc_net)))
    finally:
        kernel.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KUBELET, []),
        (NFTABLES.format(ip="ip"), ["kube-proxy in nftables mode (table ip kube-proxy)"]),
        (
            IPTABLES.format(ip="ip") + IPTABLES.format(ip="ip6"),
            ["kube-proxy in iptables mode, iptables-nft (chain KUBE-SERVICES of table ip nat, ip6 nat)"],
        ),
    ],
    ids=["kubelet", "nftables", "iptables"],
)
def test_proxies_are_found_by_their_chains(namespace: Namespace, text: str, said: list[str]) -> None:
    namespace.run(lambda: nft(text))
    assert namespace.run(found) == said


@pytest.mark.skipif(not NAMES.exists(), reason="this kernel has no ip_tables")
def test_chains_of_iptables_legacy_are_found_and_no_table_is_made_by_looking(namespace: Namespace) -> None:
    def scenario() -> list[list[str]]:
        before = found()
        assert names() == []
        add_nat_chain("SOMEBODY")
        others = found()
        add_nat_chain("KUBE-SERVICES")
        assert names() == ["nat"]
        return [before, others, found()]

    def names() -> list[str]:
        return Path("/proc/thread-self/net", NAMES.name).read_text().split()

    said = "kube-proxy in iptables mode, iptables-legacy (chain KUBE-SERVICES of table ip nat)"
    assert namespace.run(scenario) == [[], [], [said]]


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        (IP_VS, []),
        (
            IP_VS + "TCP  0A600001:01BB rr \n  -> C0A80001:192B      Masq    1      0          0         \n",
            ["IPVS, as kube-proxy or kube-router use it (virtual servers in /proc/net/ip_vs)"],
        ),
    ],
    ids=["empty", "one"],
)
def test_ipvs_is_found_by_its_virtual_servers(namespace: Namespace, tmp_path: Path, listing: str, said: list[str]) -> None:
    (tmp_path / "ip_vs").write_text(listing)
    assert namespace.run(lambda: found(tmp_path)) == said


def test_ipvs_is_found_by_the_interface_with_its_addresses(namespace: Namespace) -> None:
    namespace.run(lambda: subprocess.run("ip link add kube-ipvs0 type veth peer name other", shell=True, check=True))
    assert namespace.run(found) == ["IPVS, as kube-proxy or kube-router use it (interface kube-ipvs0)"]


@pytest.mark.parametrize("role", [node("--metrics-bind-address", ""), EDGE], ids=["node", "edge"])
def test_an_agent_does_not_start_beside_another_proxy(namespace: Namespace, tmp_path: Path, role: tuple[str, ...]) -> None:
    namespace.run(lambda: nft(NFTABLES.format(ip="ip") + NFTABLES.format(ip="ip6")))
    status, said = Agent(namespace.name, tmp_path, role).ended()
    assert status == 1
    assert said == (
        "moorage: another proxy's rules are in this kernel: kube-proxy in nftables mode (table ip kube-proxy, ip6 kube-proxy). "
        "Stop it (kubectl -n kube-system delete daemonset kube-proxy) and take its rules away on this node "
        "(kube-proxy --cleanup, or nft delete table ip kube-proxy; nft delete table ip6 kube-proxy), "
        "or start beside it with --beside-other-proxy\n"
    )
    assert namespace.run(tables) == ["table ip kube-proxy", "table ip6 kube-proxy"]


@pytest.mark.parametrize("role", [node("--metrics-bind-address", ""), EDGE], ids=["node", "edge"])
def test_told_to_an_agent_starts_beside_another_proxy(namespace: Namespace, tmp_path: Path, role: tuple[str, ...]) -> None:
    namespace.run(lambda: nft(NFTABLES.format(ip="ip")))
    agent = Agent(namespace.name, tmp_path, (*role, "--beside-other-proxy"))
    try:
        limit = time.monotonic() + 20
        while "table ip6 moorage" not in namespace.run(tables):
            assert agent.runs, agent.said
            assert time.monotonic() < limit, agent.said
            time.sleep(0.02)  # what is waited for is in the kernel, which tells nobody
    finally:
        agent.stop()
    assert "another proxy's rules are in this kernel: kube-proxy in nftables mode (table ip kube-proxy)" in agent.said
    assert "table ip kube-proxy" in namespace.run(tables)


def test_a_port_that_is_taken_is_told_before_anything_is_changed(namespace: Namespace, tmp_path: Path) -> None:
    """kube-proxy's own health checks are at that port."""
    taken = namespace.open_socket(Family.IPV4, socket.SOCK_STREAM)
    taken.bind(("", 10256))
    taken.listen()
    status, said = Agent(namespace.name, tmp_path, node()).ended()
    taken.close()
    assert (status, said) == (
        1,
        "moorage: cannot serve health on port 10256: Address already in use: does another agent (kube-proxy?) run here\n",
    )
    assert namespace.run(tables) == []
