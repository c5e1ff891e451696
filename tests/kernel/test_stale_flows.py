"""A client that keeps its UDP socket follows its Service: the next datagram goes where the table says."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_address

import pytest

from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
from moorage.table.types import ANY_ADDRESS, AddressKind, ForwardingTable, Frontend, FrontendAddress
from tests.kernel.needs import needs_root
from tests.kernel.test_datapath_packets import DATAGRAM, LOCALITY, NODE_PORT, V4, V6, VIP, choice, install
from tests.kernel.topology import NODE, PORT, Topology

pytestmark = [pytest.mark.kernel, needs_root]

OTHER_PORT = 9090
BALANCED: dict[Family, Address] = {V4: ip_address("203.0.113.10"), V6: ip_address("2001:db8:f::10")}
RANGE = (6000, 6999)


@pytest.fixture(scope="module")
def topology(topology: Topology) -> Topology:
    """Each backend listens on a second port, under another name."""
    for number, each in enumerate(topology.backends, 2):
        for family in Family:
            topology.echo.listen(each, family, f"new-b{number}", OTHER_PORT)
    return topology


def frontends(numbers: tuple[int, ...], port: int = PORT) -> Iterator[Frontend]:
    for family in Family:
        yield from of_family(family, numbers, port)


def of_family(family: Family, numbers: tuple[int, ...], port: int) -> Iterator[Frontend]:
    """By each kind of address, and a range of ports."""
    for address, at, kind, masquerade in (
        (VIP[family], 80, AddressKind.CLUSTER_IP, False),
        (ANY_ADDRESS[family], NODE_PORT, AddressKind.NODE_PORT, True),
        (BALANCED[family], 80, AddressKind.LOAD_BALANCER, False),
    ):
        match = FrontendAddress(address, Protocol.UDP, at)
        yield Frontend(match, kind, choice(family, numbers, port=port), masquerade=masquerade)
    ranged = FrontendAddress(BALANCED[family], Protocol.UDP, *RANGE)
    yield Frontend(ranged, AddressKind.LOAD_BALANCER, choice(family, numbers, port=0))


@contextmanager
def flows(topology: Topology) -> Iterator[list[socket.socket]]:
    """From a Pod and the node to the ClusterIP, from outside to the NodePort and to the load balancer's address."""
    with ExitStack() as stack:
        made = []
        for family in Family:
            for namespace, address, port in (
                (topology.backends[0], VIP[family], 80),
                (topology.node, VIP[family], 80),
                (topology.client, NODE[family], NODE_PORT),
                (topology.client, BALANCED[family], 80),
            ):
                made.append(stack.enter_context(namespace.open_socket(family, DATAGRAM)))
                made[-1].connect((str(address), port))
        yield made


def answer(flow: socket.socket, timeout: float = 3) -> str:
    """The backend's name, "refused" or "nothing"."""
    flow.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # what came of the one before
    flow.settimeout(timeout)
    try:
        flow.send(b"?")
        return flow.recv(200).decode().split()[0]
    except (ConnectionRefusedError, PermissionError):
        return "refused"
    except TimeoutError:
        return "nothing"


Step = tuple[int, int] | None
"""Which backend there is, and at which port; or none."""
STEPS: dict[str, list[Step]] = {
    "the endpoint goes": [(2, PORT), (3, PORT), (4, PORT)],
    "the target port changes": [(3, PORT), (3, OTHER_PORT), (3, PORT)],
    "unready, ready": [None, (2, PORT), None, (3, PORT), None],
}


def expected(step: Step) -> str:
    return "refused" if step is None else f"{'new-' if step[1] == OTHER_PORT else ''}b{step[0]}"


def wanted(step: Step) -> Iterator[Frontend]:
    return frontends(()) if step is None else frontends((step[0],), step[1])


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_every_flow_follows_at_once(topology: Topology, datapath: NftDatapath, steps: list[Step]) -> None:
    with flows(topology) as open_:
        for step in steps:
            install(topology, datapath, *wanted(step))
            assert [answer(each) for each in open_] == [expected(step)] * len(open_)


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_what_changed_while_no_agent_ran(topology: Topology, steps: list[Step], lost: bool) -> None:
    """Each agent starts on what the one before has left in the kernel; `lost`: somebody has taken that away."""
    with flows(topology) as open_:
        for step in steps:
            with closing(NftDatapath()) as agent:
                topology.node.run(agent.start)
                install(topology, agent, *wanted(step))
                assert [answer(each) for each in open_] == [expected(step)] * len(open_)
            if lost:
                topology.node.run(lambda: subprocess.run(["nft", "flush ruleset"], check=True))
    topology.node.run(NftDatapath().remove)


def test_a_service_that_is_deleted_serves_nobody(topology: Topology, datapath: NftDatapath) -> None:
    """And the next one at the same addresses serves those that asked meanwhile."""
    with flows(topology) as open_:
        for number in (2, 3):
            install(topology, datapath, *frontends((number,)))
            assert [answer(each) for each in open_] == [f"b{number}"] * len(open_)
            install(topology, datapath)
            assert {answer(each, timeout=0.1) for each in open_} <= {"refused", "nothing"}


def test_flows_to_backends_that_stay_are_left_alone(topology: Topology, datapath: NftDatapath) -> None:
    """Each flow that is forgotten is one whose backend has gone."""
    install(topology, datapath, *frontends((2, 3, 4)))
    with ExitStack() as stack:
        made = []
        for family in (V4, V6) * 40:
            made.append(stack.enter_context(topology.client.open_socket(family, DATAGRAM)))
            made[-1].connect((str(NODE[family]), NODE_PORT))
        first = [answer(each) for each in made]
        assert settle(topology, datapath, frontends((2, 4))) == Counter(first)["b3"]
        second = [answer(each) for each in made]
        assert {new for old, new in zip(first, second, strict=True) if old == "b3"} == {"b2", "b4"}
        assert all(new == old for old, new in zip(first, second, strict=True) if old != "b3")
        assert settle(topology, datapath, frontends((2, 3, 4))) == 0
        assert [answer(each) for each in made] == second


def settle(topology: Topology, datapath: NftDatapath, wanted: Iterator[Frontend]) -> int:
    """The number of flows that are forgotten."""
    table = ForwardingTable({Key("default", "web"): tuple(wanted)}, locality=LOCALITY)
    topology.node.run(lambda: datapath.apply(table))
    return topology.node.run(datapath.settle)


def test_flows_to_a_range_of_ports_follow(topology: Topology, datapath: NftDatapath) -> None:
    for number, each in enumerate(topology.backends, 2):
        for family in Family:
            topology.echo.listen(each, family, f"b{number}", RANGE[1])
    for family in Family:
        with topology.client.open_socket(family, DATAGRAM) as flow:
            flow.connect((str(BALANCED[family]), RANGE[1]))
            for numbers in ((2,), (3,), (), (4,)):
                install(topology, datapath, *frontends(numbers))
                assert answer(flow) == (f"b{numbers[0]}" if numbers else "refused")
