"""Beside kube-proxy: whose rules a connection meets, and what an agent that ends leaves behind."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.nft.spaces import WORDS
from moorage.model.cluster import KUBE_PROXY_PORT
from moorage.model.net import Family
from tests.kernel.agents import Agent, node
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.test_datapath_packets import NODE_PORT, VIP, cluster, install, node_port
from tests.kernel.topology import NODE, PORT, Namespace, Topology, backend_address

pytestmark = [pytest.mark.kernel, needs_root]

BEFORE, LATER = "before", "later"


def others(family: Family, number: int) -> str:
    """The chains and priorities of kube-proxy 1.36 in nftables mode, which send every connection to one backend."""
    ip, pod = WORDS[family], backend_address(family, number)
    target = f"[{pod}]:{PORT}" if family is Family.IPV6 else f"{pod}:{PORT}"
    return f"""table {ip} kube-proxy {{
        chain services {{
            {ip} daddr {VIP[family]} tcp dport 80 dnat to {target}
            tcp dport {NODE_PORT} dnat to {target}
        }}
        chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
        chain nat-output {{ type nat hook output priority -100; jump services; }}
    }}"""


def nft(namespace: Namespace, text: str) -> None:
    namespace.run(lambda: subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True))


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("when", [BEFORE, LATER])
def test_a_connection_meets_our_rules_first_whoever_began_first(topology: Topology, family: Family, when: str) -> None:
    """A kube-proxy that starts anew makes its chains anew; what one that has ended leaves behind is old."""
    datapath = NftDatapath()

    def who() -> list[str]:
        asked = (topology.node.ask(VIP[family], 80), topology.client.ask(NODE[family], NODE_PORT))
        return [each.split()[0] for each in asked]

    with ExitStack() as stack:
        stack.callback(lambda: nft(topology.node, f"delete table {WORDS[family]} kube-proxy"))
        if when == BEFORE:
            nft(topology.node, others(family, 3))
        topology.node.run(datapath.start)
        stack.callback(lambda: topology.node.run(datapath.remove))
        install(topology, datapath, *cluster(family, (2,)), *node_port(family, (2,)))
        if when == LATER:
            nft(topology.node, others(family, 3))
        assert who() == ["b2", "b2"]
        topology.node.run(datapath.remove)
        assert who() == ["b3", "b3"]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("beside"))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("answers", "rules", "stays"),
    [(True, True, False), (False, True, True), (True, False, True)],
    ids=["kube-proxy", "only its rules", "no rules"],
)
def test_an_agent_that_ends_leaves_the_node_to_a_kube_proxy_that_serves(
    namespace: Namespace, tmp_path: Path, answers: bool, rules: bool, stays: bool
) -> None:
    def tables() -> list[str]:
        said = namespace.run(lambda: subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True))
        return said.stdout.splitlines()

    with ExitStack() as stack:
        if answers:
            server = stack.enter_context(namespace.open_socket(Family.IPV4, socket.SOCK_STREAM))
            server.bind(("", KUBE_PROXY_PORT))
            server.listen()
        if rules:
            nft(namespace, "table ip kube-proxy { chain services { }; }")
        options = ("--beside-other-proxy", "--health-port", "20256", "--metrics-bind-address", "")
        agent = Agent(namespace.name, tmp_path, node(*options))
        try:
            limit = time.monotonic() + 20
            while "table ip6 moorage" not in tables():
                assert agent.runs, agent.said
                assert time.monotonic() < limit, agent.said
                time.sleep(0.02)  # what is waited for is in the kernel, which tells nobody
        finally:
            agent.stop()
    assert ("table ip moorage" in tables()) is stays, agent.said
    assert ("took our rules away: kube-proxy serves here" in agent.said) is not stays
