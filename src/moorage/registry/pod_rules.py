"""What a valid Pod is, and what may change of it. Source: `ValidatePodSpec` and `ValidatePodUpdate` in
`pkg/apis/core/validation/validation.go`, for the fields that Services and the lab use.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moorage.model.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from moorage.model.pods import Container, ContainerPort, PodSpec, Probe
from moorage.model.wire import Tree
from moorage.registry import formats
from moorage.registry.metadata import validate_labels

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
NOT_NEGATIVE = "must be greater than or equal to 0"

CHANGEABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def validate(spec: PodSpec) -> list[FieldError]:
    errors = [] if spec.containers else [required("spec.containers")]
    names: set[str] = set()
    for field, containers in (("initContainers", spec.init_containers), ("containers", spec.containers)):
        for index, container in enumerate(containers):
            path = f"spec.{field}[{index}]"
            errors += _container(container, path, spec.host_network)
            if container.name and container.name in names:
                errors.append(duplicate(f"{path}.name", container.name))
            names.add(container.name)
    return [*errors, *_pod(spec)]


def _pod(spec: PodSpec) -> Iterator[FieldError]:
    if spec.restart_policy not in RESTART_POLICIES:
        yield not_supported("spec.restartPolicy", spec.restart_policy, RESTART_POLICIES)
    if spec.dns_policy not in DNS_POLICIES:
        yield not_supported("spec.dnsPolicy", spec.dns_policy, DNS_POLICIES)
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        yield invalid("spec.activeDeadlineSeconds", deadline, formats.between(1, 2**31 - 1))
    yield from validate_labels(spec.node_selector, "spec.nodeSelector")
    if spec.node_name:
        yield from (invalid("spec.nodeName", spec.node_name, each) for each in formats.dns_subdomain(spec.node_name))
    for field, value in (("hostname", spec.hostname), ("subdomain", spec.subdomain)):
        if value:
            yield from (invalid(f"spec.{field}", value, each) for each in formats.dns_label(value))


def _container(container: Container, path: str, host_network: bool) -> Iterator[FieldError]:
    if not container.name:
        yield required(f"{path}.name")
    else:
        yield from (invalid(f"{path}.name", container.name, each) for each in formats.dns_label(container.name))
    if not container.image:
        yield required(f"{path}.image")
    elif container.image != container.image.strip():
        yield invalid(f"{path}.image", container.image, "must not have leading or trailing whitespace")
    if container.image_pull_policy not in PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    yield from _container_ports(container.ports, f"{path}.ports", host_network)
    for index, variable in enumerate(container.env):
        here = f"{path}.env[{index}]"
        if not variable.name:
            yield required(f"{here}.name")
        elif "=" in variable.name or not variable.name.isascii() or not variable.name.isprintable():
            detail = "a valid environment variable name must consist only of printable ASCII characters other than '='"
            yield invalid(f"{here}.name", variable.name, detail)
        if variable.value and variable.value_from is not None:
            yield invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty")
    yield from _probe(container.liveness_probe, f"{path}.livenessProbe", only_once=True)
    yield from _probe(container.readiness_probe, f"{path}.readinessProbe", only_once=False)
    yield from _probe(container.startup_probe, f"{path}.startupProbe", only_once=True)


def _container_ports(ports: Sequence[ContainerPort], path: str, host_network: bool) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        if port.name:
            yield from (invalid(f"{here}.name", port.name, each) for each in formats.port_name(port.name))
            if port.name in names:
                yield duplicate(f"{here}.name", port.name)
            names.add(port.name)
        if not port.container_port:
            yield required(f"{here}.containerPort")
        else:
            texts = formats.port_number(port.container_port)
            yield from (invalid(f"{here}.containerPort", port.container_port, each) for each in texts)
        if port.host_port:
            yield from (invalid(f"{here}.hostPort", port.host_port, each) for each in formats.port_number(port.host_port))
        if host_network and port.host_port != port.container_port:
            yield invalid(f"{here}.containerPort", port.container_port, "must match `hostPort` when `hostNetwork` is true")
        if port.protocol not in PROTOCOLS:
            yield not_supported(f"{here}.protocol", port.protocol, PROTOCOLS)


def _probe(probe: Probe | None, path: str, only_once: bool) -> Iterator[FieldError]:
    """`only_once`: one success counts, as for liveness and startup probes."""
    if probe is None:
        return
    yield from _handler(probe, path)
    numbers = {
        "initialDelaySeconds": probe.initial_delay_seconds,
        "timeoutSeconds": probe.timeout_seconds,
        "periodSeconds": probe.period_seconds,
        "successThreshold": probe.success_threshold,
        "failureThreshold": probe.failure_threshold,
    }
    for field, value in numbers.items():
        if value < 0:
            yield invalid(f"{path}.{field}", value, NOT_NEGATIVE)
    grace = probe.termination_grace_period_seconds
    if only_once:
        if probe.success_threshold != 1:
            yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")
        if grace is not None and grace <= 0:
            yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    elif grace is not None:
        yield invalid(f"{path}.terminationGracePeriodSeconds", grace, "must not be set for readinessProbes")


def _handler(probe: Probe, path: str) -> Iterator[FieldError]:
    """Exactly one of exec, httpGet, tcpSocket and grpc."""
    given = 0

    def again(field: str) -> Iterator[FieldError]:
        if given > 1:
            yield forbidden(f"{path}.{field}", "may not specify more than 1 handler type")

    if probe.exec is not None:
        given += 1
        yield from again("exec")
        if not probe.exec.command:
            yield required(f"{path}.exec.command")
    if probe.http_get is not None:
        given += 1
        yield from again("httpGet")
        yield from _target_port(probe.http_get.port, f"{path}.httpGet.port")
        if probe.http_get.scheme not in ("HTTP", "HTTPS"):
            yield not_supported(f"{path}.httpGet.scheme", probe.http_get.scheme, ("HTTP", "HTTPS"))
    if probe.tcp_socket is not None:
        given += 1
        yield from again("tcpSocket")
        yield from _target_port(probe.tcp_socket.port, f"{path}.tcpSocket.port")
    if probe.grpc is not None:
        given += 1
        yield from again("grpc")
    if not given:
        yield required(path, "must specify a handler type")


def _target_port(port: int | str, path: str) -> Iterator[FieldError]:
    texts = formats.port_number(port) if isinstance(port, int) else formats.port_name(port)
    yield from (invalid(path, port, each) for each in texts)


def validate_update(before: PodSpec, after: PodSpec) -> list[FieldError]:
    """A Pod's spec is what runs: only images, deadlines and further tolerations may change."""
    errors: list[FieldError] = []
    pairs = (
        ("containers", before.containers, after.containers),
        ("initContainers", before.init_containers, after.init_containers),
    )
    for field, old_containers, new_containers in pairs:
        if len(old_containers) != len(new_containers):
            errors.append(forbidden(f"spec.{field}", "pod updates may not add or remove containers"))
    if errors:
        return errors
    errors += _deadline(before.active_deadline_seconds, after.active_deadline_seconds)
    if not _only_more(before.tolerations, after.tolerations):
        errors.append(forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"))
    changed = _changed(_without_changeable(before), _without_changeable(after))
    if (before.termination_grace_period_seconds or 0) >= 0 or after.termination_grace_period_seconds != 1:
        changed += _changed_grace(before, after)
    if changed:
        detail = f"pod updates may not change fields other than {','.join(CHANGEABLE)}\nchanged: {', '.join(changed)}"
        errors.append(forbidden("spec", detail))
    return errors


def _deadline(before: int | None, after: int | None) -> Iterator[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if before is None:
        return
    if after is None:
        yield invalid(path, after, "must not update from a positive integer to nil value")
    elif after > before:
        yield invalid(path, after, f"must be less than or equal to previous value of {before}")


def _only_more(before: Sequence[Tree], after: Sequence[Tree]) -> bool:
    def bare(toleration: Tree) -> dict[str, Any]:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [bare(each) for each in after]
    return all(bare(each) in kept for each in before)


def _without_changeable(spec: PodSpec) -> PodSpec:
    def bare(containers: Sequence[Container]) -> tuple[Container, ...]:
        return tuple(msgspec.structs.replace(each, image="", image_pull_policy="") for each in containers)

    return msgspec.structs.replace(
        spec,
        containers=bare(spec.containers),
        init_containers=bare(spec.init_containers),
        active_deadline_seconds=None,
        termination_grace_period_seconds=None,
        tolerations=(),
    )


def _changed(before: PodSpec, after: PodSpec) -> list[str]:
    return [
        f"spec.{field.encode_name}"
        for field in msgspec.structs.fields(PodSpec)
        if getattr(before, field.name) != getattr(after, field.name)
    ]


def _changed_grace(before: PodSpec, after: PodSpec) -> list[str]:
    same = before.termination_grace_period_seconds == after.termination_grace_period_seconds
    return [] if same else ["spec.terminationGracePeriodSeconds"]
