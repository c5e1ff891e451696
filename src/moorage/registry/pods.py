"""Pod: defaults, what an update keeps, quality of service, grace.

Source: `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/pod`. The rules are in `pod_rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import msgspec

from moorage.model.config import DEFAULT_ACCOUNT
from moorage.model.errors import FieldError
from moorage.model.pods import (
    DEFAULT_GRACE_SECONDS,
    Container,
    ContainerPort,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
    Probe,
)
from moorage.model.wire import Tree
from moorage.registry import pod_rules
from moorage.registry.strategy import Strategy


class PodStrategy(Strategy[Pod]):
    """A Pod with a node is asked to end and has its grace; one without goes at once."""

    counts_generations = True
    fields = (
        "spec.hostNetwork", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "status.nominatedNodeName", "status.phase", "status.podIP", "status.podIPs",
    )  # fmt: skip

    def default(self, obj: Pod) -> Pod:
        spec = obj.spec
        host = spec.host_network
        grace = spec.termination_grace_period_seconds
        spec = msgspec.structs.replace(
            spec,
            restart_policy=spec.restart_policy or "Always",
            termination_grace_period_seconds=DEFAULT_GRACE_SECONDS if grace is None else grace,
            dns_policy=spec.dns_policy or "ClusterFirst",
            scheduler_name=spec.scheduler_name or "default-scheduler",
            enable_service_links=True if spec.enable_service_links is None else spec.enable_service_links,
            security_context={} if spec.security_context is None else spec.security_context,
            containers=tuple(_default_container(each, host) for each in spec.containers),
            init_containers=tuple(_default_container(each, host) for each in spec.init_containers),
        )
        status = obj.status
        if status.pod_ip and not status.pod_ips:
            status = msgspec.structs.replace(status, pod_ips=(PodIP(ip=status.pod_ip),))
        return msgspec.structs.replace(obj, spec=spec, status=status)

    def prepare_create(self, obj: Pod) -> Pod:
        """Source of the account: the admission plugin ServiceAccount."""
        account = obj.spec.service_account_name or obj.spec.service_account or DEFAULT_ACCOUNT
        spec = msgspec.structs.replace(obj.spec, service_account_name=account, service_account=account)
        return msgspec.structs.replace(
            obj, spec=spec, status=PodStatus(phase="Pending", qos_class=quality_of_service(obj.spec))
        )

    def prepare_status(self, before: Pod, after: Pod) -> Pod:
        status = msgspec.structs.replace(after.status, qos_class=before.status.qos_class)
        return msgspec.structs.replace(before, metadata=after.metadata, status=status)

    def validate(self, obj: Pod) -> list[FieldError]:
        return pod_rules.validate(obj.spec)

    def validate_update(self, before: Pod, after: Pod) -> list[FieldError]:
        return pod_rules.validate_update(before.spec, after.spec)

    def grace_seconds(self, obj: Pod, asked: int | None) -> int:
        if not obj.spec.node_name or obj.status.phase in ("Succeeded", "Failed"):
            return 0
        own = obj.spec.termination_grace_period_seconds
        seconds = (DEFAULT_GRACE_SECONDS if own is None else own) if asked is None else asked
        return seconds if seconds >= 0 else 1

    def selectable(self, obj: Pod) -> Mapping[str, str]:
        return {
            "spec.hostNetwork": "true" if obj.spec.host_network else "false",
            "spec.nodeName": obj.spec.node_name,
            "spec.restartPolicy": obj.spec.restart_policy,
            "spec.schedulerName": obj.spec.scheduler_name,
            "spec.serviceAccountName": obj.spec.service_account_name,
            "status.nominatedNodeName": obj.status.nominated_node_name,
            "status.phase": obj.status.phase,
            "status.podIP": obj.status.pod_ip,
            "status.podIPs": obj.status.pod_ip,
        }


def _default_container(container: Container, host_network: bool) -> Container:
    return msgspec.structs.replace(
        container,
        image_pull_policy=container.image_pull_policy or _pull_policy(container.image),
        termination_message_path=container.termination_message_path or "/dev/termination-log",
        termination_message_policy=container.termination_message_policy or "File",
        ports=tuple(_default_port(each, host_network) for each in container.ports),
        resources=_with_requests(container.resources),
        liveness_probe=_default_probe(container.liveness_probe),
        readiness_probe=_default_probe(container.readiness_probe),
        startup_probe=_default_probe(container.startup_probe),
    )


def _pull_policy(image: str) -> str:
    """Always for the tag `latest`, given or implied; a digest pins the image."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_port(port: ContainerPort, host_network: bool) -> ContainerPort:
    host_port = port.host_port or (port.container_port if host_network else 0)
    return msgspec.structs.replace(port, protocol=port.protocol or "TCP", host_port=host_port)


def _default_probe(probe: Probe | None) -> Probe | None:
    if probe is None:
        return None
    http = probe.http_get
    if http is not None:
        http = msgspec.structs.replace(http, path=http.path or "/", scheme=http.scheme or "HTTP")
    return msgspec.structs.replace(
        probe,
        http_get=http,
        timeout_seconds=probe.timeout_seconds or 1,
        period_seconds=probe.period_seconds or 10,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )


def _with_requests(resources: Tree) -> Tree:
    """A limit without a request is the request too."""
    limits = resources.get("limits")
    if not isinstance(limits, dict):
        return resources
    return {**resources, "requests": {**limits, **(resources.get("requests") or {})}}


def quality_of_service(spec: PodSpec) -> str:
    """Guaranteed, Burstable or BestEffort, of cpu and memory alone. Source: `pkg/apis/core/helper/qos`."""
    guaranteed = True
    anything = False
    for container in (*spec.containers, *spec.init_containers):
        requests = _amounts(container.resources, "requests")
        limits = _amounts(container.resources, "limits")
        anything = anything or bool(requests) or bool(limits)
        guaranteed = guaranteed and set(limits) == {"cpu", "memory"} and requests == limits
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _amounts(resources: Tree, which: str) -> dict[str, Decimal]:
    named = resources.get(which)
    if not isinstance(named, dict):
        return {}
    amounts = {name: _quantity(str(named[name])) for name in ("cpu", "memory") if name in named}
    return {name: amount for name, amount in amounts.items() if amount}


_SUFFIXES = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


def _quantity(text: str) -> Decimal:
    """`500m`, `1Gi`, `1e3` as a number; 0 for what is none."""
    match = re.fullmatch(r"([-+0-9.]+(?:[eE][-+]?[0-9]+)?)([A-Za-z]*)", text)
    try:
        return Decimal(match[1]) * _SUFFIXES.get(match[2], Decimal(0)) if match else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
