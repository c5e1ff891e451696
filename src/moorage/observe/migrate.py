"""What runs in a cluster -> what would conflict with Moorage there, and the order of steps to it and back.

Nothing is changed. Two proxies side by side harm nobody: the kernel translates a connection once, by the rules that see it
first, which are ours, and remembers how. So the new one comes first, and the old one goes afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from moorage.allocate.pools import Pool
from moorage.model.cluster import Node
from moorage.model.lb import IPAddressPool
from moorage.model.net import Address
from moorage.model.reason import Reason
from moorage.model.service import CLASSES, LOAD_BALANCER, Service
from moorage.model.snapshot import Snapshot
from moorage.observe.explain import Finding
from moorage.observe.installed import Component, Does, installed
from moorage.observe.migrate_steps import Step, steps_for
from moorage.table.compile import compile_table
from moorage.table.ingress import ingress_addresses
from moorage.table.types import NodeFacts

OLDEST_KUBERNETES = (1, 29)
OLDEST_KERNEL = (5, 10)
"""What the agent's rules need, as distributions build it (`datapath.nft.features` names each part)."""

_NUMBERS = re.compile(r"(\d+)\.(\d+)")


class Migration(msgspec.Struct, frozen=True):
    """`ready` is whether no finding is bad. `steps` are in order; each names its way back."""

    ready: bool
    components: tuple[Component, ...]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]


def check(snapshot: Snapshot) -> Migration:
    """Reads Pods, Nodes, ConfigMaps, Services, EndpointSlices and IPAddressPools of the snapshot. One that has no entry for
    IPAddressPools, not even an empty one, is of a server that does not know them.
    """
    components = installed(snapshot)
    findings = (
        *_components(components),
        *_nodes(snapshot.all(Node).values()),
        *_services(snapshot),
        *_addresses(snapshot),
    )
    ready = all(each.ok is not False for each in findings)
    return Migration(ready, components, findings, steps_for(components, IPAddressPool in snapshot.by_type))


def _components(components: Iterable[Component]) -> Iterator[Finding]:
    found = {does: [each for each in components if each.does is does] for does in Does}
    for each in components:
        where = f"on {len(each.nodes)} nodes"
        mode = f", mode {each.mode}" if each.mode else ""
        yield Finding(None, "runs", f"{each.name} {each.does.value} {where}{mode}")
    for each in found[Does.PROXY]:
        if not each.name.startswith("kube-proxy"):
            text = f"{each.name} forwards Services in its own way, and packets that it takes never reach our rules"
            yield Finding(False, "proxy", text, None, f"{each.remedy} first")
    if not found[Does.PROXY]:
        yield Finding(
            None, "proxy", "no other proxy of Services was found among the Pods; a node agent looks into its kernel at start"
        )
    if len(found[Does.LOAD_BALANCER]) > 1:
        names = " and ".join(dict.fromkeys(each.name for each in found[Does.LOAD_BALANCER]))
        text = f"{names} both bring load-balancer addresses"
        yield Finding(False, "addresses", text, None, "end one of them, or give each its own loadBalancerClass")


def _nodes(nodes: Iterable[Node]) -> Iterator[Finding]:
    served = 0
    for node in nodes:
        name, info = node.metadata.name, node.status.node_info
        if info.operating_system not in ("", "linux"):
            yield Finding(None, "nodes", f"{name} runs {info.operating_system}, where its proxy has to stay")
            continue
        served += 1
        kernel, kubelet = _version(info.kernel_version), _version(info.kubelet_version)
        if kernel is not None and kernel < OLDEST_KERNEL:
            text = f"{name} has Linux {info.kernel_version}: the rules need {_written(OLDEST_KERNEL)} or newer"
            yield Finding(False, "nodes", text, None, "upgrade its kernel, or keep its proxy")
        if kubelet is not None and kubelet < OLDEST_KUBERNETES:
            text = f"{name} runs Kubernetes {info.kubelet_version}: {_written(OLDEST_KUBERNETES)} or newer is supported"
            yield Finding(False, "nodes", text, None, "upgrade Kubernetes")
    yield Finding(served > 0, "nodes", f"{served} Linux nodes")


def _services(snapshot: Snapshot) -> Iterator[Finding]:
    """What nodes could not do as asked, and whose load balancers others bring."""
    table = compile_table(snapshot, NodeFacts(""))
    services = snapshot.all(Service)
    yield Finding(True, "Services", f"{len(services)} Services, of which {len(table.services)} are forwarded")
    for key, notes in sorted(table.notes.items()):
        for note in notes:
            if note.reason in (Reason.INVALID_OBJECT, Reason.DUPLICATE_FRONTEND, Reason.UNSUPPORTED):
                yield Finding(None, "Services", f"{key}: {note.message}", note.reason)
            elif note.reason is Reason.OTHER_PROXY:
                yield Finding(None, "Services", f"{key}: {note.message}, and so do we", note.reason)
    classes = {each.spec.load_balancer_class for each in services.values() if each.spec.load_balancer_class}
    for name in sorted(classes - set(CLASSES)):
        yield Finding(None, "Services", f'load balancers of class "{name}" stay another controller\'s', Reason.OTHER_CLASS)


def _addresses(snapshot: Snapshot) -> Iterator[Finding]:
    """Addresses in use that no pool holds would be given up."""
    pools, bad = [], []
    for key, obj in sorted(snapshot.all(IPAddressPool).items()):
        try:
            pools.append(Pool.of(obj))
        except ValueError as error:
            bad.append(Finding(False, "addresses", f"IPAddressPool {key}: {error}", Reason.INVALID_OBJECT, "correct it"))
    yield from bad
    kept, lost = 0, list[tuple[Service, Address]]()
    for _, service in sorted(snapshot.all(Service).items()):
        if service.spec.type == LOAD_BALANCER and not service.spec.load_balancer_class:
            for address in ingress_addresses(service):
                if any(pool.usable(address) for pool in pools):
                    kept += 1
                else:
                    lost.append((service, address))
    if kept:
        yield Finding(True, "addresses", f"{kept} load-balancer addresses are in IPAddressPools and stay as they are")
    for service, address in lost:
        text = f"{service.key} has {address}, which no IPAddressPool holds: it would get another one"
        yield Finding(False, "addresses", text, Reason.ADDRESS_OUTSIDE_POOLS, "make an IPAddressPool with this address")


def _version(text: str) -> tuple[int, int] | None:
    """The first two numbers of `v1.36.0+k3s1` or `6.1.0-18-amd64`."""
    found = _NUMBERS.search(text)
    return (int(found[1]), int(found[2])) if found else None


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
