"""What other programs do to the rules is seen, named and put right; a program of rules is replaced under traffic."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.datapath.nft.chains import OPENED
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.nft.ruleset import render
from moorage.datapath.types import Repair
from moorage.model.net import Family
from tests.datapath.contract import FULL, FULL_V4, FULL_V6, shown
from tests.datapath.tables import frontend, table
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.test_datapath_packets import V4, VIP, cluster, install
from tests.kernel.topology import Namespace, Topology, forget_all_flows

pytestmark = [pytest.mark.kernel, needs_root]

ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def ruleset() -> str:
    return subprocess.run(["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def parts() -> list[str]:
    """The ruleset in no order: the kernel lists elements as they come, and chains by age. That localhost was opened is
    forgotten with the table.
    """
    pieces = (each.replace("elements = ", "").strip(" \t{}") for each in re.split(r"[\n,]", ruleset()))
    return sorted(each for each in pieces if each and each != f"chain {OPENED}")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("guard"))
    yield made
    made.close()


def inspected(datapath: NftDatapath) -> Repair | None:
    """What the guard would find, once the kernel has told of something."""
    select.select([datapath.fileno()], [], [], 2)
    return datapath.inspect()


TAMPERING = [
    ("delete element ip moorage frontends { 10.96.0.10 . tcp . 80 }", "deleted an element of frontends"),
    ("flush map ip moorage backends", "deleted an element of backends (5 times)"),
    ("add element ip6 moorage rejected { fd00::9 . tcp . 1 }", "added an element to rejected"),
    ("delete element ip moorage admitted { 198.18.100.6 . tcp . 80 . 192.0.2.0/24 }", "deleted an element of admitted"),
    ("flush chain ip moorage services", "IPv4: chain services has other rules"),
    ("flush chain ip6 moorage pick-2-keep-60", "IPv6: chain pick-2-keep-60 has other rules"),
    ("insert rule ip moorage services drop", "IPv4: chain services has other rules"),
    (
        "add chain ip moorage mine { type filter hook prerouting priority -400; policy drop; }",
        "IPv4: chain mine is not ours",
    ),
    ("delete table ip moorage", "IPv4: table moorage is missing"),
    ("flush ruleset", "IPv6: table moorage is missing"),
]


@pytest.mark.parametrize(("command", "finding"), TAMPERING, ids=[command for command, _ in TAMPERING])
def test_whatever_is_altered_is_named_and_put_right(namespace: Namespace, command: str, finding: str) -> None:
    def scenario() -> Repair | None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        datapath.fileno()
        before = parts()
        nft(command)
        assert parts() != before
        repair = inspected(datapath)
        assert parts() == before
        assert (shown(datapath), shown(datapath, Family.IPV6)) == (FULL_V4, FULL_V6)
        assert datapath.inspect() is None
        datapath.close()
        return repair

    repair = namespace.run(scenario)
    assert repair is not None
    assert finding in "; ".join(repair.found)
    assert repair.found[0].startswith("nft (process ")


@pytest.mark.parametrize(("command", "finding"), TAMPERING, ids=[command for command, _ in TAMPERING])
def test_a_new_agent_finds_what_was_altered_while_there_was_none(namespace: Namespace, command: str, finding: str) -> None:
    def scenario() -> None:
        old, new = NftDatapath(), NftDatapath()
        old.start()
        old.apply(FULL)
        old.close()
        before = parts()
        nft(command)
        new.start()
        new.apply(FULL)
        assert parts() == before
        new.close()

    namespace.run(scenario)
    assert finding


def test_our_own_changes_and_other_tables_are_nobodys_business(namespace: Namespace) -> None:
    def scenario() -> None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        datapath.fileno()
        datapath.apply(table(frontend(backends=(1, 2))))
        nft("add table ip other; add chain ip other moorage; add table inet moorage")
        datapath.apply(table(*(frontend(port=port, backends=(1, 2, 3)) for port in range(1, 1000))))
        assert inspected(datapath) is None
        datapath.close()

    namespace.run(scenario)


def test_what_happens_during_a_large_change_of_ours_is_found_out(namespace: Namespace) -> None:
    """The watch is paused then: the number of transactions tells that there was something, and nobody who or what."""
    large = table(*(frontend(port=port, backends=(1, 2, 3)) for port in range(1, 1000)))

    def scenario() -> None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(table())
        datapath.fileno()
        carry_out = datapath._tables.carry_out

        def disturbed(plan: object) -> int:
            datapath._tables.carry_out = carry_out  # type: ignore[method-assign]
            done = carry_out(plan)  # type: ignore[arg-type]
            nft("delete element ip moorage frontends { 10.96.0.10 . tcp . 7 }")
            return done

        datapath._tables.carry_out = disturbed  # type: ignore[method-assign]
        datapath.apply(large)
        assert len(shown(datapath)) == 999 * 4
        assert datapath.inspect() is None
        assert len(shown(datapath)) == 999 * 4 + 1
        datapath.close()

    namespace.run(scenario)


def test_localhost_is_opened_and_closed_again(namespace: Namespace) -> None:
    def scenario() -> list[str]:
        states = [ROUTE_LOCALNET.read_text().strip()]
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(table(frontend(backends=(1,)), node_port_addresses=("127.0.0.0/8",)))
        states.append(ROUTE_LOCALNET.read_text().strip())
        nft("flush chain ip moorage services")  # the program is replaced, and remembers
        again = NftDatapath()
        again.start()
        again.apply(table(frontend(backends=(1,))))
        again.remove()
        states.append(ROUTE_LOCALNET.read_text().strip())
        ROUTE_LOCALNET.write_text("1")
        datapath.start()
        datapath.apply(table(frontend(backends=(1,)), node_port_addresses=("127.0.0.0/8",)))
        datapath.remove()
        states.append(ROUTE_LOCALNET.read_text().strip())
        return states

    assert namespace.run(scenario) == ["0", "1", "0", "1"]


def test_a_program_of_another_version_is_replaced_without_a_moment_without_one(topology: Topology) -> None:
    """Connections are made all the time, by a process of the node and by a Pod, while the program is replaced ten times."""
    frontends = cluster(V4, (2, 3))
    datapath = NftDatapath()
    topology.node.run(datapath.start)
    install(topology, datapath, *frontends)
    held = topology.backends[2].open_socket(V4, socket.SOCK_STREAM)
    held.connect((str(VIP[V4]), 80))
    stop, quiet = threading.Event(), threading.Lock()
    answered, failed = [0], list[Exception]()

    def keep_asking() -> None:
        while not stop.is_set():
            with quiet:
                try:
                    topology.backends[2].ask(VIP[V4], 80, timeout=0.9)
                    answered[0] += 1
                except OSError as error:
                    failed.append(error)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        for _ in range(10):
            with quiet:
                topology.node.run(lambda: alter_layout(datapath))
            again = NftDatapath()
            topology.node.run(again.start)
            install(topology, again, *frontends)
            assert "older layout" not in topology.node.run(ruleset)
            again.close()
    finally:
        stop.set()
        asking.join(10)
    assert failed == []
    assert answered[0] > 100
    held.send(b"?")
    assert held.recv(100)
    held.close()
    topology.node.run(datapath.remove)
    topology.node.run(forget_all_flows)


def alter_layout(datapath: NftDatapath) -> None:
    """Makes the installed program one of another version, which serves as the one of today does."""
    datapath.close()
    listed = subprocess.run(["nft", "list", "table", "ip", "moorage"], capture_output=True, text=True, check=True).stdout
    nft("delete table ip moorage\n" + listed.replace("moorage layout", "older layout"))


def test_a_table_of_an_older_layout_serves_until_the_first_apply(namespace: Namespace) -> None:
    def scenario() -> None:
        nft(render("moorage", Family.IPV4).replace("moorage layout", "older layout"))
        datapath = NftDatapath()
        datapath.start()
        assert "older layout" in ruleset()
        datapath.apply(FULL)
        assert "older layout" not in ruleset()
        assert "bridge" not in ruleset()
        assert shown(datapath) == FULL_V4
        datapath.close()

    namespace.run(scenario)


def test_a_bridge_that_a_crash_left_behind_is_taken_away(namespace: Namespace) -> None:
    def scenario() -> None:
        nft(render("moorage-bridge", Family.IPV4) + render("moorage", Family.IPV4))
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        assert "bridge" not in ruleset()
        assert "reference" not in ruleset()
        datapath.close()

    namespace.run(scenario)


def test_a_saved_ruleset_can_be_loaded_again(namespace: Namespace) -> None:
    """By whoever keeps all rules of a machine in a file: `nft list ruleset`, and at the next start `nft -f`."""
    many = (frontend(port=port, backends=(1, 2, 3), affinity=port % 3 * 60, inside=(1,)) for port in range(1, 20))

    def scenario() -> None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        datapath.apply(table(*many))
        saved, held = ruleset(), parts()
        nft("flush ruleset")
        nft(saved)
        assert parts() == held
        datapath.close()

    namespace.run(scenario)
