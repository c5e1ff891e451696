"""The contract of every datapath, kept by the kernel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.packing import element_messages
from moorage.datapath.types import Datapath
from moorage.model.errors import HostError
from moorage.model.net import Family
from tests.datapath.contract import CONTRACT, FULL, Inspectable, shown
from tests.datapath.tables import frontend, table
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("nft"))
    yield made
    made.close()


def nft(namespace: Namespace, command: str) -> str:
    return namespace.run(lambda: subprocess.run(["nft", command], capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("clause", CONTRACT, ids=lambda clause: str(clause.__name__))
def test_contract(namespace: Namespace, clause: Callable[[Inspectable], None]) -> None:
    datapath = NftDatapath()
    namespace.run(lambda: clause(datapath))
    namespace.run(datapath.remove)
    assert nft(namespace, "list ruleset") == ""


def test_it_is_a_datapath() -> None:
    datapath: Datapath = NftDatapath()
    assert datapath


def test_a_new_agent_puts_its_table_in_place_of_what_the_old_one_left(namespace: Namespace) -> None:
    other = table(*(frontend(f"10.96.1.{last}", backends=(1, 2), affinity=60) for last in range(1, 9)))

    def scenario() -> None:
        for tables in ((FULL, other), (other, FULL), (FULL, FULL)):
            old, new = NftDatapath(), NftDatapath()
            old.start()
            old.apply(tables[0])
            old.close()
            new.start()
            new.apply(tables[1])
            fake = FakeDatapath()
            fake.apply(tables[1])
            for family in Family:
                assert shown(new, family) == shown(fake, family)
            assert new.apply(tables[1]).operations == 0
            assert new.apply(table()).operations == fake.apply(table()).operations
            new.close()

    namespace.run(scenario)


@pytest.mark.parametrize(
    "interference",
    [
        "delete element ip moorage frontends { 10.96.0.10 . tcp . 80 }",
        "delete element ip moorage backends { 10.96.0.10 . tcp . 80 . 0:0 }",
        "add element ip moorage rejected { 10.96.0.12 . tcp . 1, 10.96.0.99 . tcp . 80 }",
        "add element ip moorage frontends { 10.96.0.10 . tcp . 99 : drop }; add element ip moorage cluster_ips { 10.96.0.12 }",
        "flush ruleset",
        "delete table ip moorage",
    ],
)
def test_interference_is_noticed_and_mended(namespace: Namespace, interference: str) -> None:
    """The refused change makes it look at what is really installed."""
    wanted = table(frontend(backends=(1, 5)), frontend("10.96.0.12", 1))

    def scenario() -> None:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(table(frontend(backends=(1, 2, 3)), sources=("10.0.0.0/8",)))
        nft_here(interference)
        datapath.apply(wanted)
        fresh = {each for each in shown(datapath) if "backends" not in each}
        assert fresh == {
            "frontends 10.96.0.10 . tcp . 80 : pick-2",
            "rejected 10.96.0.12 . tcp . 1",
            "cluster_ips 10.96.0.10",
            "cluster_ips 10.96.0.12",
            "unreachable 10.96.0.12",
        }
        assert datapath.apply(wanted).operations == 0
        datapath.close()

    namespace.run(scenario)


def test_other_tables_are_left_alone(namespace: Namespace) -> None:
    def scenario() -> None:
        nft_here("add table ip other")
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        datapath.remove()
        assert nft_here("list ruleset").split() == ["table", "ip", "other", "{", "}"]

    namespace.run(scenario)


def test_without_nft_it_says_what_to_install(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    datapath = NftDatapath()
    with pytest.raises(HostError, match="nft is not installed"):
        namespace.run(datapath.start)
    datapath.close()


def nft_here(command: str) -> str:
    return subprocess.run(["nft", command], capture_output=True, text=True, check=True).stdout


def test_an_impossible_element_names_what_was_tried(namespace: Namespace) -> None:
    def scenario() -> None:
        datapath = NftDatapath()
        datapath.start()
        kernel = Netlink.open()
        missing = ElementChanges(removed=(Element("cluster_ips", bytes(4)),))
        with pytest.raises(KernelRefusal, match=r"refused to delete 1 of cluster_ips \(IPv4\): No such file .*ENOENT"):
            kernel.transact(element_messages(Table(Family.IPV4, "moorage"), missing))
        kernel.close()
        datapath.close()

    namespace.run(scenario)
