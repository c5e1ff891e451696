"""A Snapshot and the name of a Service -> why it works, or why not, hop by hop: from the object to the packets of each node.

Service -> address -> selector and Pods -> EndpointSlices -> load-balancer address -> who announces it -> frontends of each node
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from moorage.announce.roll import LOST
from moorage.control.address_condition import ADDRESS_ASSIGNED
from moorage.model.cluster import Event, Node
from moorage.model.meta import Key, is_true
from moorage.model.pods import Pod
from moorage.model.reason import Reason
from moorage.model.selectors import match_labels
from moorage.model.service import ANNOUNCE, EDGE, EXTERNAL_NAME, HEADLESS, LOAD_BALANCER, Service, provider_of
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.announced import BGP, Announcer, announcers, why_nobody
from moorage.table.compile import compile_table
from moorage.table.facts import NetworkSettings, node_facts
from moorage.table.ingress import PROXY_ANNOTATION, PROXY_VERSION, ingress_addresses, proxy_protocol
from moorage.table.left_out import left_out
from moorage.table.types import AddressKind, Frontend, FrontendAddress, NodeFacts


class Finding(msgspec.Struct, frozen=True):
    """One hop. `ok` None is a remark: neither good nor bad. `advice` says what to do about a bad one."""

    ok: bool | None
    hop: str
    text: str
    reason: Reason | None = None
    advice: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """`works` is whether no hop is bad."""

    service: str
    works: bool
    findings: tuple[Finding, ...]
    announcers: tuple[Announcer, ...] = ()


AS_AGENTS = NetworkSettings()
"""What node agents are told by default."""


def explain_service(snapshot: Snapshot, key: Key, now: float, settings: NetworkSettings = AS_AGENTS) -> Explanation:
    """Reads Services, Pods, EndpointSlices, Nodes and Events of the snapshot, and what announcing is made of: pools,
    advertisements, BGPPeers, statuses, Leases. `now` is in seconds since the epoch.
    """
    service = snapshot.get(Service, key)
    if service is None:
        namesakes = [str(each) for each in snapshot.all(Service) if each.name == key.name]
        advice = f"there is {', '.join(namesakes)}" if namesakes else "create it, or check the name and the namespace"
        return Explanation(str(key), False, (Finding(False, "Service", f"there is no Service {key}", None, advice),))
    who = announcers(snapshot, service, now)
    findings = (
        *_address(service),
        *_pods(snapshot, service),
        *_slices(snapshot, service),
        *_load_balancer(snapshot, service),
        *_announced(snapshot, service, who, now),
        *_nodes(snapshot, service, settings),
    )
    return Explanation(str(key), all(each.ok is not False for each in findings), findings, who)


def _address(service: Service) -> Iterator[Finding]:
    spec = service.spec
    ports = ", ".join(
        f"{each.port}/{each.protocol or 'TCP'}" + (f" (node port {each.node_port})" if each.node_port else "")
        for each in spec.ports
    )
    if spec.type == EXTERNAL_NAME:
        yield Finding(
            None, "Service", f"an alias of {spec.external_name}: DNS answers, nothing is forwarded", Reason.EXTERNAL_NAME
        )
    elif spec.cluster_ip == HEADLESS:
        yield Finding(None, "Service", "headless: DNS answers with the Pods' own addresses", Reason.HEADLESS)
    elif spec.cluster_ip:
        yield Finding(True, "Service", f"{spec.type} {spec.cluster_ip}, ports {ports}")
    else:
        yield Finding(False, "Service", "has no ClusterIP", Reason.INVALID_OBJECT, "the API server gives one: is it ours?")


def _pods(snapshot: Snapshot, service: Service) -> Iterator[Finding]:
    selector, namespace = service.spec.selector, service.metadata.namespace
    if service.spec.type == EXTERNAL_NAME:
        return
    words = ",".join(f"{key}={value}" for key, value in selector.items())
    if not selector:
        yield Finding(None, "Pods", "there is no selector: somebody else must write its EndpointSlices")
        return
    here = [pod for key, pod in snapshot.all(Pod).items() if key.namespace == namespace]
    pods = [pod for pod in here if match_labels(selector, pod.metadata.labels)]
    ready = [pod for pod in pods if is_true(pod.status.conditions, "Ready") and pod.metadata.deletion_timestamp is None]
    if not pods:
        advice = _nearest_labels(here, selector) or f"run Pods with these labels in the namespace {namespace}"
        yield Finding(False, "Pods", f"no Pod has the labels {words}", Reason.NO_READY_ENDPOINT, advice)
        return
    yield Finding(
        bool(ready),
        "Pods",
        f"{len(ready)} of {len(pods)} Pods with {words} are ready",
        None if ready else Reason.NO_READY_ENDPOINT,
    )
    for pod in pods:
        if pod not in ready:
            yield Finding(None, "Pods", f"{pod.metadata.name} is not ready: {_why_not_ready(pod)}", Reason.ENDPOINT_NOT_READY)


def _nearest_labels(pods: Iterable[Pod], selector: dict[str, str]) -> str:
    """The commonest mistake: a Pod that has the key, with another value."""
    for key, value in selector.items():
        other = sorted({pod.metadata.labels[key] for pod in pods if pod.metadata.labels.get(key, value) != value})
        if other:
            return f"Pods here have {key}={', '.join(other[:3])}: is the selector right?"
    return ""


def _why_not_ready(pod: Pod) -> str:
    if pod.metadata.deletion_timestamp is not None:
        return "it is being deleted"
    if not pod.spec.node_name:
        return "it has no node yet"
    for status in pod.status.container_statuses:
        waiting = status.state.get("waiting")
        if waiting:
            return f"container {status.name} waits: {waiting.get('reason', '')} {waiting.get('message', '')}".rstrip()
        if not status.ready:
            return f"container {status.name} does not pass its readiness probe"
    return f"its phase is {pod.status.phase or 'unknown'}"


def _slices_of(snapshot: Snapshot, service: Service) -> list[EndpointSlice]:
    return [
        each
        for key, each in snapshot.all(EndpointSlice).items()
        if key.namespace == service.metadata.namespace and each.service_name == service.metadata.name
    ]


def _slices(snapshot: Snapshot, service: Service) -> Iterator[Finding]:
    if service.spec.type == EXTERNAL_NAME:
        return
    slices = _slices_of(snapshot, service)
    endpoints = [endpoint for each in slices for endpoint in each.endpoints]
    ready = sum(endpoint.ready for endpoint in endpoints)
    if not slices:
        advice = "is the controller running?" if service.spec.selector else "write one: the Service has no selector"
        yield Finding(False, "EndpointSlices", "there is none", Reason.NO_READY_ENDPOINT, advice)
        return
    reason = None if ready else Reason.NO_READY_ENDPOINT
    yield Finding(bool(ready), "EndpointSlices", f"{len(slices)} with {ready} of {len(endpoints)} endpoints ready", reason)


def _load_balancer(snapshot: Snapshot, service: Service) -> Iterator[Finding]:
    if service.spec.type != LOAD_BALANCER:
        return
    addresses = [each.ip or each.hostname for each in service.status.load_balancer.ingress]
    if addresses:
        yield Finding(True, "LoadBalancer", f"address {', '.join(addresses)}", Reason.IP_ALLOCATED)
        if provider_of(service) != ANNOUNCE:
            yield _whom_pods_see(service)
        return
    word, message = _why_pending(snapshot, service)
    text = f"the address is pending: {message}" if message else "the address is pending"
    reason = next((each for each in Reason if each.value == word), None)
    yield Finding(False, "LoadBalancer", text, reason)


def _why_pending(snapshot: Snapshot, service: Service) -> tuple[str, str]:
    """Reason and message: what the Service's condition says, else the last event, as other load balancers write them."""
    said = next((each for each in service.status.conditions if each.type == ADDRESS_ASSIGNED), None)
    if said is not None:
        return said.reason, said.message
    events = [
        event
        for event in snapshot.all(Event).values()
        if event.involved_object.uid == service.metadata.uid and event.type == "Warning"
    ]
    last = max(events, key=lambda event: event.last_timestamp or "", default=None)
    return (last.reason, last.message) if last is not None else ("", "")


def _whom_pods_see(service: Service) -> Finding:
    if proxy_protocol(service):
        text = "over TCP the edge tells Pods the client's address in a PROXY protocol header (v2), which they have to read"
        return Finding(None, "LoadBalancer", text, Reason.PROXIED)
    text = (
        "the edge puts its own address in place of the client's, unless it runs with --keep-source and "
        f"externalTrafficPolicy is Local; the annotation {PROXY_ANNOTATION}: {PROXY_VERSION} has Pods told the client's"
    )
    return Finding(None, "LoadBalancer", text, Reason.MASQUERADED)


def _announced(snapshot: Snapshot, service: Service, who: tuple[Announcer, ...], now: float) -> Iterator[Finding]:
    """Who announces the addresses; where nobody does, why."""
    hop, there = "announcing", [each for each in who if each.there]
    if not ingress_addresses(service):
        return
    for each in who:
        if not each.there:
            name = f"the edge {each.name}" if each.how == EDGE else each.name
            text = f"{name} has not renewed its Lease for more than {LOST:.0f} s: what it has said counts no more"
            yield Finding(None, hop, text, Reason.NO_ANNOUNCER)
    if provider_of(service) == EDGE:
        yield _at_edges(hop, [each.name for each in there])
    elif provider_of(service) == ANNOUNCE:
        yield from (Finding(True, hop, _what(each), Reason.ADDRESS_ANNOUNCED) for each in there)
        if not there:
            yield from (Finding(False, hop, each.text, each.reason, each.advice) for each in why_nobody(snapshot, service, now))


def _at_edges(hop: str, names: list[str]) -> Finding:
    if not names:
        advice = "run `moorage edge` on a machine of the network that the address belongs to, or look at its log"
        return Finding(False, hop, "no edge says that it is there", Reason.NO_ANNOUNCER, advice)
    if len(names) == 1:
        return Finding(True, hop, f"the edge {names[0]} is there to answer for it", Reason.ADDRESS_ANNOUNCED)
    text = f"the edges {', '.join(names)} share the addresses: which of them has this one is in their events and logs"
    return Finding(True, hop, text, Reason.ADDRESS_ANNOUNCED)


def _what(announcer: Announcer) -> str:
    if announcer.how == BGP:
        return f"{announcer.name} announces it to the routers {', '.join(announcer.peers)} (BGP)"
    at = f" at {', '.join(announcer.interfaces)}" if announcer.interfaces else ""
    return f"{announcer.name} answers for it{at} (ARP, NDP)"


def _nodes(snapshot: Snapshot, service: Service, settings: NetworkSettings) -> Iterator[Finding]:
    """What each node's table makes of the Service; the same compiler that the node agents run."""
    for name in sorted(key.name for key in snapshot.all(Node)):
        node = snapshot.all(Node)[Key("", name)]
        facts = node_facts(name, snapshot, settings)
        table = compile_table(snapshot, facts)
        hop = f"node {name}"
        if not is_true(node.status.conditions, "Ready"):
            yield Finding(False, hop, "the node is not ready", Reason.NODE_NOT_READY, "its Pods are left out until it is")
        for note in table.notes.get(service.key, ()):
            yield Finding(None if note.reason in _REMARKS else False, hop, note.message, note.reason)
        frontends = table.services.get(service.key, ())
        for each in frontends:
            where = _where(each, facts)
            text = f"{where} goes to {len(each.backends)} backends" if each.backends else f"{where} has no backend"
            yield Finding(bool(each.backends), hop, text, each.choice.narrowed or each.reason)
        if frontends:
            yield from _left_out(snapshot, service, facts)


def _where(frontend: Frontend, facts: NodeFacts) -> FrontendAddress:
    """What a client would type: a NodePort is shown at the node's first address of its family."""
    match = frontend.match
    first = next((each for each in facts.addresses if each.version == match.address.version), match.address)
    return replace(match, address=first) if frontend.kind is AddressKind.NODE_PORT else match


def _left_out(snapshot: Snapshot, service: Service, facts: NodeFacts) -> Iterator[Finding]:
    """Endpoints that the node does not use. Those that are not ready were told of with their Pods."""
    for each in left_out(service, _slices_of(snapshot, service), facts):
        if each.reason is not Reason.ENDPOINT_NOT_READY:
            names = [f"{backend.address}:{backend.port}" for backend in each.backends]
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            where = "for connections from outside, " if each.outside else ""
            text = f"{where}{len(names)} endpoints are left out: {', '.join(names[:_SHOWN])}{more}"
            yield Finding(None, f"node {facts.name}", text, each.reason)


_SHOWN = 3
"""Endpoints that are named; of the others the number is told."""

_REMARKS = (Reason.HEADLESS, Reason.EXTERNAL_NAME, Reason.OTHER_PROXY, Reason.UNSUPPORTED)
