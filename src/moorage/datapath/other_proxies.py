"""Names of chains that the kernel holds -> the other proxies whose rules those are, and what to do about them.

Source: kube-proxy 1.36, `pkg/proxy/{nftables,iptables,ipvs}/proxier.go`. Chains that a kubelet makes (KUBE-FIREWALL,
KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT) and canaries are no proxy's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from moorage.model.net import Family

KUBE_PROXY = "kube-proxy"
"""The table of kube-proxy in nftables mode, in each family."""

NAT = "nat"
SERVICES = "KUBE-SERVICES"
"""The chain of the nat table in which kube-proxy begins, in iptables mode and in IPVS mode."""
_OF_IPVS = {"KUBE-LOAD-BALANCER", "KUBE-NODE-PORT"}
IPVS_INTERFACE = "kube-ipvs0"
"""Where kube-proxy in IPVS mode puts the addresses of Services."""

_STOP = "Stop it (kubectl -n kube-system delete daemonset kube-proxy)"
_WORDS = {Family.IPV4: ("ip", "iptables"), Family.IPV6: ("ip6", "ip6tables")}

Chains = Mapping[tuple[Family, str], Collection[str]]
"""Family and table -> names of chains."""


class Traces(msgspec.Struct, frozen=True):
    """What there is of others: `chains` in nf_tables, `legacy` chains in ip_tables and ip6_tables, whether IPVS has virtual
    servers, whether the interface kube-ipvs0 is there.
    """

    chains: Chains = {}
    legacy: Chains = {}
    virtual_servers: bool = False
    ipvs_interface: bool = False


class OtherProxy(msgspec.Struct, frozen=True):
    """`where` its rules were seen; `commands` take them away."""

    name: str
    where: str
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.where})"


def other_proxies(traces: Traces) -> tuple[OtherProxy, ...]:
    """Those whose rules would translate connections to Services."""
    found = [*_nftables(traces.chains), *_iptables(traces)]
    if traces.virtual_servers or traces.ipvs_interface:
        signs = [
            *(["virtual servers in /proc/net/ip_vs"] if traces.virtual_servers else []),
            *([f"interface {IPVS_INTERFACE}"] if traces.ipvs_interface else []),
        ]
        found.append(OtherProxy("IPVS, as kube-proxy or kube-router use it", ", ".join(signs), _clear_ipvs(traces)))
    return tuple(found)


def warning(found: Iterable[OtherProxy]) -> str:
    return f"another proxy's rules are in this kernel: {'; '.join(map(str, found))}"


def refusal(found: Sequence[OtherProxy], option: str) -> str:
    """The error, in one line. `option` is the flag that lets the agent start in spite of it."""
    commands = dict.fromkeys(command for each in found for command in each.commands)
    return (
        f"{warning(found)}. {_STOP} and take its rules away on this node (kube-proxy --cleanup, or {'; '.join(commands)}), "
        f"or start beside it with {option}"
    )


def _nftables(chains: Chains) -> Iterable[OtherProxy]:
    families = [family for family in Family if chains.get((family, KUBE_PROXY))]
    if families:
        tables = [f"{_WORDS[family][0]} {KUBE_PROXY}" for family in families]
        yield OtherProxy(
            "kube-proxy in nftables mode", f"table {', '.join(tables)}", tuple(f"nft delete table {each}" for each in tables)
        )


def _iptables(traces: Traces) -> Iterable[OtherProxy]:
    for chains, kind in ((traces.chains, "nft"), (traces.legacy, "legacy")):
        families = [family for family in Family if SERVICES in chains.get((family, NAT), ())]
        if not families:
            continue
        tables = ", ".join(f"{_WORDS[family][0]} {NAT}" for family in families)
        by_ipvs = any(_OF_IPVS.intersection(chains[family, NAT]) for family in families)
        mode = "IPVS mode" if by_ipvs else f"iptables mode, iptables-{kind}"
        yield OtherProxy(
            f"kube-proxy in {mode}",
            f"chain {SERVICES} of table {tables}",
            tuple(_without_kube_chains(f"{_WORDS[family][1]}-{kind}") for family in families),
        )


def _without_kube_chains(program: str) -> str:
    """A kubelet makes its own chains again within a minute."""
    return f"{program}-save | grep -v KUBE- | {program}-restore"


def _clear_ipvs(traces: Traces) -> tuple[str, ...]:
    return (
        *(["ipvsadm --clear"] if traces.virtual_servers else []),
        *([f"ip link delete {IPVS_INTERFACE}"] if traces.ipvs_interface else []),
    )
