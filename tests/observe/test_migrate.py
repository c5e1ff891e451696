from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from moorage.model.cluster import Node, NodeSystemInfo
from moorage.model.config import ConfigMap
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Object, ObjectMeta
from moorage.model.pods import Container, Pod, PodSpec
from moorage.model.snapshot import Snapshot
from moorage.observe.installed import SERVICELB_LABEL, Does, installed
from moorage.observe.migrate import Migration, check
from tests.control.things import balanced, node, pool, service

CONFIG = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clusterCIDR: 10.244.0.0/16
mode: nftables
nodePortAddresses: [192.0.2.0/24, 198.51.100.0/24]
"""


def machine(name: str, kernel: str = "6.1.0-18-amd64", kubelet: str = "v1.36.0", system: str = "linux") -> Node:
    info = NodeSystemInfo(kernel_version=kernel, kubelet_version=kubelet, operating_system=system)
    made = node(name)
    return replace(made, status=replace(made.status, node_info=info))


def runs(name: str, labels: dict[str, str], where: str = "a", namespace: str = "kube-system", image: str = "") -> Pod:
    return Pod(
        metadata=ObjectMeta(name=f"{name}-{where}", namespace=namespace, labels=labels),
        spec=PodSpec(node_name=where, containers=(Container(name="main", image=image),)),
    )


def kube_proxy(*nodes: str) -> list[Pod]:
    return [runs("kube-proxy", {"k8s-app": "kube-proxy"}, each, image="registry.k8s.io/kube-proxy:v1.36.0") for each in nodes]


def config(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="kube-system"), data=data)


def checked(*objects: Object) -> Migration:
    return check(Snapshot.of(objects))


def commands(found: Migration) -> str:
    return "\n".join(command for each in found.steps for command in each.commands)


def bad(found: Migration) -> list[str]:
    return [each.text for each in found.findings if each.ok is False]


def test_kube_proxy_is_found_with_its_settings_and_these_are_carried_over() -> None:
    found = checked(
        machine("a"), machine("b"), *kube_proxy("a", "b"), config("kube-proxy", **{"config.conf": CONFIG}), service()
    )
    (proxy,) = found.components
    assert (proxy.name, proxy.mode, proxy.nodes) == ("kube-proxy", "nftables", ("a", "b"))
    assert found.ready
    assert "--set node.clusterCIDRs=10.244.0.0/16" in commands(found)
    assert "--set node.nodePortAddresses=192.0.2.0/24,198.51.100.0/24" in commands(found)
    assert "--image=registry.k8s.io/kube-proxy:v1.36.0 -- kube-proxy --cleanup" in commands(found)


def test_the_new_proxy_comes_before_the_old_one_goes_and_each_step_has_its_way_back() -> None:
    found = checked(machine("a"), *kube_proxy("a"))
    whats = [each.what for each in found.steps]
    assert whats == [
        "install the node agents beside the proxy that is there",
        "end kube-proxy",
        "take its rules away",
        "give the agents their usual ports",
    ]
    assert "node.besideOtherProxy=true" in found.steps[0].commands[0]
    assert "besideOtherProxy" not in found.steps[-1].commands[0]
    assert found.steps[1].back == ("kubectl apply -f kube-proxy.yaml",)


@pytest.mark.parametrize(("labels", "is_kube_proxy"), [({"k8s-app": "kube-proxy"}, True), ({"k8s-app": "kube-router"}, False)])
def test_rules_beside_another_proxy_than_kube_proxy_are_taken_away_by_hand(labels: dict[str, str], is_kube_proxy: bool) -> None:
    back = " ".join(checked(machine("a"), runs("proxy", labels)).steps[0].back)
    assert ("kube-proxy serves" in back, "moorage uninstall --node" in back) == (is_kube_proxy, not is_kube_proxy)


@pytest.mark.parametrize("text", ["", "mode: [", "- a list", "\x00"])
def test_a_configuration_that_cannot_be_read_means_the_default_mode(text: str) -> None:
    (proxy,) = installed(Snapshot.of([*kube_proxy("a"), config("kube-proxy", **{"config.conf": text})]))
    assert proxy.mode == "iptables"
    assert "kube-proxy --cleanup" in commands(checked(machine("a"), *kube_proxy("a")))


@pytest.mark.parametrize("labels", [{"app": "metallb"}, {"app.kubernetes.io/name": "metallb"}])
def test_metallb_keeps_its_pools_and_hands_its_addresses_over(labels: dict[str, str]) -> None:
    speaker = runs("speaker", labels, namespace="metallb-system")
    found = checked(machine("a"), speaker, pool("lan", "192.0.2.0/24"), balanced("web", "192.0.2.7"))
    assert [each.name for each in found.components] == ["MetalLB"]
    assert "1 load-balancer addresses are in IPAddressPools and stay as they are" in [each.text for each in found.findings]
    text = commands(found)
    assert (
        text.index("loadBalancer=none")
        < text.index("--replicas=0")
        < text.index("loadBalancer=announce")
        < text.index("daemonset speaker")
    )
    assert text.count("--skip-crds") == text.count("moorage manifests"), "its kinds stay as it brought them"
    assert "--skip-crds" not in commands(checked(machine("a"), *kube_proxy("a")))


def test_kinds_of_metallb_that_are_there_stay_as_they_are() -> None:
    """Whoever brought them. A server that does not know them gets ours."""
    without = Snapshot.of([machine("a"), *kube_proxy("a"), runs("speaker", {"app": "metallb"})])
    for snapshot, count in ((without, 0), (without.with_objects(IPAddressPool, {}), 3)):
        made = [each for each in commands(check(snapshot)).splitlines() if each.startswith("moorage manifests")]
        assert len(made) == 3
        assert sum(" --skip-crds " in each for each in made) == count
    back = "\n".join(command for each in check(without.with_objects(IPAddressPool, {})).steps for command in each.back)
    assert back.count("moorage manifests") == back.count("--skip-crds") == 1


def test_an_address_that_no_pool_holds_comes_first() -> None:
    found = checked(machine("a"), balanced("web", "192.0.2.7"), pool("lan", "198.51.100.0/24"))
    assert not found.ready
    assert bad(found) == ["default/web has 192.0.2.7, which no IPAddressPool holds: it would get another one"]
    assert checked(machine("a"), balanced("web", "192.0.2.7", load_balancer_class="example.com/lb")).ready


def test_cilium_counts_where_it_replaces_kube_proxy() -> None:
    pods = (machine("a"), runs("cilium", {"k8s-app": "cilium"}))
    assert checked(*pods).ready
    replacing = checked(*pods, config("cilium-config", **{"kube-proxy-replacement": "true"}))
    assert not replacing.ready
    assert [each.does for each in replacing.components] == [Does.PROXY]


def test_k3s_has_its_own_proxy_and_load_balancer() -> None:
    pods = runs("svclb-web", {SERVICELB_LABEL: "web"})
    found = checked(machine("a", kubelet="v1.36.0+k3s1"), pods)
    assert [each.name for each in found.components] == ["kube-proxy in k3s", "ServiceLB of k3s"]
    assert "--disable-kube-proxy" in commands(found)
    assert "--disable=servicelb" in commands(found)


def test_two_load_balancers_are_one_too_many() -> None:
    found = checked(machine("a"), runs("speaker", {"app": "metallb"}), runs("lb", {"app": "purelb"}))
    assert bad(found) == ["MetalLB and PureLB both bring load-balancer addresses"]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (machine("a", kernel="4.18.0-553.el8.x86_64"), "a has Linux 4.18.0-553.el8.x86_64: the rules need 5.10 or newer"),
        (machine("a", kubelet="v1.28.15"), "a runs Kubernetes v1.28.15: 1.29 or newer is supported"),
    ],
)
def test_old_nodes_come_first(made: Node, words: str) -> None:
    assert bad(checked(made)) == [words]


def test_nodes_of_another_system_keep_their_proxy() -> None:
    found = checked(machine("a"), machine("w", system="windows", kernel="10.0.20348.2113"))
    assert found.ready
    assert "w runs windows, where its proxy has to stay" in [each.text for each in found.findings]


def test_what_services_ask_in_vain_is_said() -> None:
    broken = service("api", external_ips=("nowhere",))
    others = service("mesh", labels={"service.kubernetes.io/service-proxy-name": "mesh"})
    said = [each.text for each in checked(machine("a"), broken, others).findings]
    assert 'default/api: spec.externalIPs: "nowhere" is no IP address' in said
    assert any(each.startswith("default/mesh: the label service.kubernetes.io/service-proxy-name leaves") for each in said)


def test_an_empty_cluster_has_one_step() -> None:
    found = checked(machine("a"))
    assert [each.what for each in found.steps] == ["install"]
    as_json: Any = msgspec.json.decode(msgspec.json.encode(found))
    assert as_json["ready"] is True
