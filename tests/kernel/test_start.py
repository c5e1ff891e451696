"""What a kernel does not let an agent do is said in one line, before anything is changed."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from moorage.datapath import families_io, netlink
from moorage.datapath.netlink import Message
from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft import localhost_io, nft_io, ruleset, tables_io
from moorage.datapath.nft.counting_io import NftCounters
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.datapath.nft.features import FEATURES, PROBE, TABLES, Feature
from moorage.datapath.nft.features_io import SUBSYSTEMS, diagnosis, missing_features, require
from moorage.datapath.nft.messages import Table, list_chains
from moorage.datapath.nft.program import list_rules, read_program
from moorage.model.errors import HostError
from moorage.model.net import Family
from tests.datapath.contract import FULL, FULL_V4, shown
from tests.kernel.agents import EDGE, Agent, node
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]

WITHOUT_RIGHT = ("setpriv", "--bounding-set", "-net_admin")
UNKNOWN = "jump chain-that-is-not-there"
"""A rule that nft understands and every kernel refuses."""
_CLONE_NEWNS = 0x20000
_LIBC = ctypes.CDLL(None, use_errno=True)

RANDOM = next(each for each in FEATURES if each.word == "numgen random")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("start"))
    yield made
    made.close()


def listed() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def refused(start: Callable[[], object]) -> str:
    with pytest.raises(HostError) as caught:
        start()
    return str(caught.value)


@pytest.mark.parametrize("role", [node("--metrics-bind-address", ""), EDGE], ids=["node", "edge"])
def test_without_the_right_an_agent_says_so_and_ends(namespace: Namespace, tmp_path: Path, role: tuple[str, ...]) -> None:
    status, said = Agent(namespace.name, tmp_path, role, WITHOUT_RIGHT).ended()
    assert status == 1
    assert said == (
        "moorage: this process may not change the rules of the kernel, it lacks the capability NET_ADMIN: run it as root, "
        "or let its container have it (securityContext.capabilities.add: [NET_ADMIN])\n"
    )
    assert namespace.run(listed) == ""


def test_root_of_a_user_namespace_is_told_apart(namespace: Namespace, tmp_path: Path) -> None:
    status, said = Agent(namespace.name, tmp_path, node(), ("unshare", "--user", "--map-root-user", "--net")).ended()
    assert status == 1
    assert said.startswith("moorage: this process may change rules in its own user namespace only: ")


def test_this_kernel_has_all_that_is_asked_for(namespace: Namespace) -> None:
    assert namespace.run(lambda: missing_features(tuple(Family))) == {}
    assert namespace.run(listed) == ""


def expressions(kernel: Netlink, table: str) -> set[tuple[Family, bytes]]:
    """What the rules of a table are made of."""
    found = set()
    for family in Family:
        of_family = Table(family, table)
        program = read_program(of_family, kernel.dump(list_chains(family)), kernel.dump(list_rules(family)))
        rules = (rule for chain in program.values() for rule in chain[1:])
        found |= {(family, name) for rule in rules for name in _names(rule)}
    return found


def _names(rule: bytes) -> Iterable[bytes]:
    for _, expression in netlink.attributes(rule):
        yield dict(netlink.attributes(expression))[1].rstrip(b"\0")


def test_what_the_program_is_made_of_is_asked_for(namespace: Namespace) -> None:
    """Every kind of expression in the chains, those that come with Services too, is in some probe."""

    def scenario() -> tuple[set[tuple[Family, bytes]], set[tuple[Family, bytes]]]:
        datapath, kernel = NftDatapath(), Netlink.open()
        datapath.start()
        datapath.apply(FULL)
        program = expressions(kernel, "moorage")
        asked: set[tuple[Family, bytes]] = set()
        for feature in (TABLES, *FEATURES):
            for family in Family:
                nft_io.load(feature.probe(family))
            asked |= expressions(kernel, PROBE)
            for word in ("ip", "ip6"):
                nft_io.load(f"delete table {word} {PROBE}")
        kernel.close()
        datapath.close()
        return program, asked

    program, asked = namespace.run(scenario)
    assert (Family.IPV6, b"hash") in program
    assert program - asked == set()


def lost(feature: Feature) -> Feature:
    """The feature on a kernel that does not have it."""
    return replace(feature, rules=f"chain probe {{\n{UNKNOWN}\n}}")


@pytest.fixture
def without_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    program, without = ruleset.render, tuple(lost(each) if each is RANDOM else each for each in FEATURES)

    def render(name: str, family: Family) -> str:
        assert "meta mark set numgen random mod 2" in program(name, family)
        return program(name, family).replace("meta mark set numgen random mod 2", UNKNOWN)

    monkeypatch.setattr(ruleset, "render", render)
    monkeypatch.setattr(tables_io, "diagnosis", partial(diagnosis, features=without))


@pytest.mark.usefixtures("without_random_numbers")
def test_a_kernel_that_refuses_the_program_is_asked_what_it_lacks(namespace: Namespace) -> None:
    said = namespace.run(lambda: refused(NftDatapath().start))
    assert "it lacks random numbers (numgen): CONFIG_NFT_NUMGEN. Load the modules" in said
    assert "\n" not in said
    assert namespace.run(listed) == ""


def test_where_a_family_has_no_tables_nothing_else_is_asked(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refusing(text: str) -> bool:
        asked.append(text)
        return text.startswith("table ip6")

    monkeypatch.setattr(nft_io, "refused", refusing)
    assert missing_features(tuple(Family)) == {TABLES: [Family.IPV6]}
    assert sum(each.startswith("table ip6") for each in asked) == 1


def test_an_nft_that_does_not_know_the_words_is_told_apart(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "render", lambda name, family: f"table ip {name} {{ chain c {{\n nosuchword\n }}\n}}\n")
    said = namespace.run(lambda: refused(NftDatapath().start))
    assert "nft did not take the ruleset: " in said
    assert "syntax error" in said
    assert "It is nftables v" in said


@pytest.mark.parametrize("number", [0, 1], ids=["nf_tables", "conntrack"])
def test_a_part_of_the_kernel_that_does_not_answer_is_named(namespace: Namespace, number: int) -> None:
    """No kernel has a part of netfilter with the number 99."""
    question, name = SUBSYSTEMS[number]
    unknown = Message(netlink.message(99 << 8 | 1, 0, 0), question.what)

    def scenario() -> str:
        kernel = Netlink.open()
        require(kernel)
        try:
            return refused(lambda: require(kernel, [(unknown, name)]))
        finally:
            kernel.close()

    said = namespace.run(scenario)
    assert f"lacks what Services need: {name}. Load the module" in said
    assert "(CONFIG_NF_" in said


def test_without_ipv6_in_the_kernel_ipv4_is_served(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(families_io, "IPV6", tmp_path / "ipv6")

    def scenario() -> str:
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        assert shown(datapath) == FULL_V4
        nft_io.load("flush chain ip moorage services")
        again = NftDatapath()
        again.start()
        again.apply(FULL)
        assert NftCounters().read().requests == {}
        found = listed()
        again.remove()
        datapath.close()
        return found

    found = namespace.run(scenario)
    assert "table ip moorage" in found
    assert "jump" in found
    assert "ip6" not in found
    assert namespace.run(listed) == ""


def make_proc_sys_read_only() -> None:
    """For the calling thread, and what it starts."""
    if _LIBC.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run("mount --make-rprivate / && mount --bind -o ro /proc/sys /proc/sys", shell=True, check=True)


def test_where_localhost_cannot_be_opened_node_ports_are_served_elsewhere(namespace: Namespace) -> None:
    def scenario() -> tuple[set[str], list[str]]:
        make_proc_sys_read_only()
        datapath = NftDatapath()
        with capture_logs() as logs:
            datapath.start()
            datapath.apply(FULL)
            assert datapath.apply(FULL).operations == 0
        found = shown(datapath)
        datapath.remove()
        return found, [f"{each['event']} ({each['error']})" for each in logs if "error" in each]

    found, said = namespace.run(scenario)
    assert FULL_V4 - found == {"node_port_addresses 127.0.0.0-127.255.255.255"}
    assert said == [
        "NodePorts are not served on 127.0.0.1: set the parameter to 1, or let the agent write to /proc/sys, "
        "or start it with --no-localhost-nodeports (Read-only file system)"
    ]


def test_a_parameter_that_is_set_needs_no_writing(namespace: Namespace) -> None:
    def scenario() -> set[str]:
        localhost_io.ROUTE_LOCALNET.write_text("1")
        make_proc_sys_read_only()
        datapath = NftDatapath()
        datapath.start()
        datapath.apply(FULL)
        found = shown(datapath)
        datapath.remove()
        return found

    assert namespace.run(scenario) == FULL_V4
