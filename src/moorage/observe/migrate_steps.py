"""What runs in a cluster -> the steps from there to Moorage, each with what to expect after it and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from moorage.observe.installed import Component, Does

BESIDE = "--set node.besideOtherProxy=true --set node.healthPort=20256 --set node.metricsBindAddress=127.0.0.1:20249"
"""While kube-proxy runs, it has the ports 10256 and 10249 of every node."""

UNINSTALLED = "moorage uninstall --node   # on each node"
ROLLED_OUT = "kubectl -n moorage-system rollout status daemonset/moorage-node"


class Step(msgspec.Struct, frozen=True):
    """`commands` are for a shell with kubectl. NODE stands for each node in turn, ADDRESS for one of the API server that works
    without Services, IMAGE for where the nodes pull Moorage's image from, without a tag.
    """

    what: str
    commands: tuple[str, ...]
    expect: str
    back: tuple[str, ...] = ()


def steps_for(components: Iterable[Component], has_kinds: bool) -> tuple[Step, ...]:
    """In order. Where nothing runs, installing is all there is to do. `has_kinds`: MetalLB's kinds are there, and stay as they
    are, for its own controllers go on with them.
    """
    known = list(components)
    proxies = [each for each in known if each.does is Does.PROXY]
    balancers = [each for each in known if each.does is Does.LOAD_BALANCER]
    settings = (" --skip-crds" if has_kinds else "") + _carried_over(proxies)
    provider = " --set controller.loadBalancer=none" if balancers else ""
    steps: list[Step] = []
    if proxies:
        steps.append(
            Step(
                "install the node agents beside the proxy that is there",
                (f"moorage manifests{settings}{provider} {BESIDE} | kubectl apply -f -", ROLLED_OUT),
                "new connections go through our rules, which see them first; those under way stay as they are",
                _back(proxies),
            )
        )
        for each in proxies:
            steps += _without_proxy(each)
    steps.append(
        Step(
            "give the agents their usual ports" if proxies else "install",
            (f"moorage manifests{settings}{provider} | kubectl apply -f -", ROLLED_OUT),
            "one node after the other restarts its agent; the kernel goes on forwarding meanwhile",
            ("kubectl delete namespace moorage-system", UNINSTALLED),
        )
    )
    for each in balancers:
        steps += _without_balancer(each, settings)
    return tuple(steps)


def _back(proxies: Sequence[Component]) -> tuple[str, ...]:
    """An agent finds kube-proxy by its health port alone (`run/end_io.py`): beside others its rules stay."""
    if all(each.name in ("kube-proxy", "kube-proxy in k3s") for each in proxies):
        return ("kubectl delete namespace moorage-system   # each agent takes its rules away, since kube-proxy serves",)
    return ("kubectl delete namespace moorage-system", UNINSTALLED)


def _carried_over(proxies: Sequence[Component]) -> str:
    """What kube-proxy was told and an agent has to know too, and where the API server is when no Service works."""
    words = " --set image.repository=IMAGE --set apiServer.host=ADDRESS"
    for each in proxies:
        cidr, addresses = each.settings.get("clusterCIDR", ""), each.settings.get("nodePortAddresses", "")
        words += f" --set node.clusterCIDRs={cidr}" if cidr else ""
        words += f" --set node.nodePortAddresses={addresses}" if addresses else ""
    return words


def _without_proxy(proxy: Component) -> Iterator[Step]:
    if proxy.name == "kube-proxy":
        namespace = proxy.namespace
        saved = f"kubectl -n {namespace} get daemonset kube-proxy -o yaml > kube-proxy.yaml"
        yield Step(
            "end kube-proxy",
            (saved, proxy.remedy),
            "its rules stay in the kernels, and take no new connection; its health port 10256 answers no more",
            ("kubectl apply -f kube-proxy.yaml",),
        )
        yield Step("take its rules away", _cleaning(proxy), "the agent of each node sees no other proxy any more", ())
    else:
        what = f"end {proxy.name}" if proxy.name != "kube-proxy in k3s" else "end the kube-proxy of k3s, node by node"
        yield Step(what, (f"# {proxy.remedy}",), "the node's Services go on through our rules", ("# start it as before",))
        if proxy.name == "kube-proxy in k3s":
            rules = ("k3s-killall.sh   # or, with less effect: iptables-save | grep -v KUBE- | iptables-restore   # on NODE",)
            yield Step("take its rules away", rules, "the agent of the node sees no other proxy any more", ())


def _cleaning(proxy: Component) -> tuple[str, ...]:
    """kube-proxy of every mode takes the rules of all of them away."""
    image = proxy.image or "registry.k8s.io/kube-proxy:VERSION"
    return (f"kubectl debug node/NODE --profile=sysadmin --image={image} -- kube-proxy --cleanup",)


def _without_balancer(balancer: Component, settings: str) -> Iterator[Step]:
    if balancer.name != "MetalLB":
        yield Step(
            f"end {balancer.name}",
            (f"# {balancer.remedy}",),
            "its Services lose their address, and get one of an IPAddressPool at the next step",
            ("# start it as before",),
        )
        yield _take_over(settings, "each LoadBalancer Service shows an address of a pool")
        return
    namespace = balancer.namespace
    yield Step(
        "end MetalLB's controller, and keep its pools",
        (f"kubectl -n {namespace} scale deployment --selector=component=controller,app=metallb --replicas=0",),
        "addresses stay as they are; new LoadBalancer Services wait",
        (f"kubectl -n {namespace} scale deployment --selector=component=controller,app=metallb --replicas=1",),
    )
    yield _take_over(
        settings, "each address stays, and our nodes announce it too: for a moment two of them answer, and both serve"
    )
    yield Step(
        "end MetalLB's speakers",
        (
            f"kubectl -n {namespace} get daemonset speaker -o yaml > speaker.yaml",
            f"kubectl -n {namespace} delete daemonset speaker   # not the namespace: the pools are in it",
        ),
        "each address has one owner: kubectl get servicel2statuses -A",
        ("kubectl apply -f speaker.yaml",),
    )


def _take_over(settings: str, expect: str) -> Step:
    return Step(
        "take the load-balancer addresses over",
        (f"moorage manifests{settings} --set controller.loadBalancer=announce | kubectl apply -f -", ROLLED_OUT),
        expect,
        (f"moorage manifests{settings} --set controller.loadBalancer=none | kubectl apply -f -",),
    )
