"""Listings as kube-proxy 1.36 and kubelets make them."""

from __future__ import annotations

import pytest

from moorage.datapath.other_proxies import Chains, Traces, other_proxies, refusal, warning
from moorage.model.net import Family

V4, V6 = Family.IPV4, Family.IPV6

BUILT_IN = {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}
KUBELET: Chains = {
    (V4, "mangle"): {"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"},
    (V4, "nat"): {"KUBE-KUBELET-CANARY", "KUBE-MARK-DROP", *BUILT_IN},
    (V4, "filter"): {"KUBE-FIREWALL", "KUBE-KUBELET-CANARY", "INPUT", "OUTPUT"},
}
OTHERS: Chains = {(V4, "moorage"): {"services", "pick-3"}, (V4, "nat"): {"DOCKER", "FLANNEL-POSTRTG"}, (V6, "filter"): {"f2b"}}
NFTABLES = {
    "filter-prerouting-pre-dnat", "filter-output-pre-dnat", "filter-input", "filter-forward", "filter-output", "nat-prerouting",
    "nat-output", "nat-postrouting", "services", "service-endpoints-check", "nodeport-endpoints-check", "reject-chain",
    "cluster-ips-check", "firewall-check", "masquerading", "service-2QRHZV4L-default/kubernetes/tcp/https",
    "endpoint-5OJB2KTY-default/kubernetes/tcp/https__192.168.0.2/6443",
}  # fmt: skip
IPTABLES = {
    "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY", "KUBE-SVC-NPX46M4PTMTKRN6Y",
    "KUBE-SEP-6E7XQMQ4RAYOWTTM", "KUBE-KUBELET-CANARY", *BUILT_IN,
}  # fmt: skip
IPVS = {"KUBE-SERVICES", "KUBE-LOAD-BALANCER", "KUBE-NODE-PORT", "KUBE-MARK-MASQ", "KUBE-POSTROUTING", *BUILT_IN}


def told(traces: Traces) -> list[str]:
    return list(map(str, other_proxies(traces)))


@pytest.mark.parametrize("chains", [{}, OTHERS, KUBELET, {(V4, "kube-proxy"): set()}, {(V4, "filter"): {"KUBE-SERVICES"}}])
def test_what_translates_no_connection_to_a_service_is_no_proxy(chains: Chains) -> None:
    """A `filter` table with KUBE-SERVICES alone is what a clean-up cut short leaves; it refuses nothing that has a backend."""
    assert told(Traces(chains, legacy=KUBELET)) == []


@pytest.mark.parametrize(
    ("traces", "said"),
    [
        (
            Traces({(V4, "kube-proxy"): NFTABLES, (V6, "kube-proxy"): NFTABLES}),
            "kube-proxy in nftables mode (table ip kube-proxy, ip6 kube-proxy)",
        ),
        (Traces({(V6, "kube-proxy"): NFTABLES}), "kube-proxy in nftables mode (table ip6 kube-proxy)"),
        (
            Traces({(V4, "nat"): IPTABLES, (V6, "nat"): IPTABLES}),
            "kube-proxy in iptables mode, iptables-nft (chain KUBE-SERVICES of table ip nat, ip6 nat)",
        ),
        (
            Traces(legacy={(V4, "nat"): IPTABLES}),
            "kube-proxy in iptables mode, iptables-legacy (chain KUBE-SERVICES of table ip nat)",
        ),
        (Traces({(V4, "nat"): IPVS}), "kube-proxy in IPVS mode (chain KUBE-SERVICES of table ip nat)"),
        (Traces(virtual_servers=True), "IPVS, as kube-proxy or kube-router use it (virtual servers in /proc/net/ip_vs)"),
        (
            Traces(virtual_servers=True, ipvs_interface=True),
            "IPVS, as kube-proxy or kube-router use it (virtual servers in /proc/net/ip_vs, interface kube-ipvs0)",
        ),
    ],
)
def test_each_way_in_which_a_proxy_serves_is_named_with_its_place(traces: Traces, said: str) -> None:
    assert told(traces) == [said]


def test_the_error_says_what_to_do_about_all_that_was_found() -> None:
    found = other_proxies(
        Traces({(V4, "kube-proxy"): NFTABLES, (V4, "nat"): IPTABLES}, {(V6, "nat"): IPTABLES}, True, ipvs_interface=True)
    )
    text = refusal(found, "--anyway")
    assert text.startswith(warning(found))
    assert text.endswith(
        ". Stop it (kubectl -n kube-system delete daemonset kube-proxy) and take its rules away on this node "
        "(kube-proxy --cleanup, or nft delete table ip kube-proxy; "
        "iptables-nft-save | grep -v KUBE- | iptables-nft-restore; "
        "ip6tables-legacy-save | grep -v KUBE- | ip6tables-legacy-restore; "
        "ipvsadm --clear; ip link delete kube-ipvs0), or start beside it with --anyway"
    )
    assert "\n" not in text
