"""`core/v1` Pod: the fields that Services and the lab use are typed, the others are carried unchanged."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.model.meta import Condition, Object
from moorage.model.wire import ApiType, Tree

DEFAULT_GRACE_SECONDS = 30


class ContainerPort(ApiType, frozen=True):
    name: str = ""
    host_port: int = 0
    container_port: int = 0
    protocol: str = ""
    host_ip: str = ""


class EnvVar(ApiType, frozen=True):
    name: str = ""
    value: str = ""
    value_from: Tree | None = None


class HTTPGetAction(ApiType, frozen=True):
    path: str = ""
    port: int | str = 0
    host: str = ""
    scheme: str = ""
    http_headers: tuple[Tree, ...] = ()


class TCPSocketAction(ApiType, frozen=True):
    port: int | str = 0
    host: str = ""


class ExecAction(ApiType, frozen=True):
    command: tuple[str, ...] = ()


class Probe(ApiType, frozen=True):
    """Zero stands for "not given"; defaulting sets period 10 s, timeout 1 s, thresholds 1 and 3."""

    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    exec: ExecAction | None = None
    grpc: Tree | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None


class Container(ApiType, frozen=True):
    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env_from: tuple[Tree, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: Tree = {}
    volume_mounts: tuple[Tree, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Tree | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: Tree | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    restart_policy: str | None = None
    restart_policy_rules: tuple[Tree, ...] = ()
    resize_policy: tuple[Tree, ...] = ()
    volume_devices: tuple[Tree, ...] = ()


class PodSpec(ApiType, frozen=True):
    volumes: tuple[Tree, ...] = ()
    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    dns_config: Tree | None = None
    node_selector: dict[str, str] = {}
    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    node_name: str = ""
    host_network: bool = False
    security_context: Tree | None = None
    image_pull_secrets: tuple[Tree, ...] = ()
    hostname: str = ""
    subdomain: str = ""
    affinity: Tree | None = None
    scheduler_name: str = ""
    tolerations: tuple[Tree, ...] = ()
    host_aliases: tuple[Tree, ...] = ()
    priority_class_name: str = ""
    priority: int | None = None
    readiness_gates: tuple[Tree, ...] = ()
    enable_service_links: bool | None = None
    preemption_policy: str | None = None
    topology_spread_constraints: tuple[Tree, ...] = ()
    set_hostname_as_fqdn: bool | None = msgspec.field(default=None, name="setHostnameAsFQDN")
    service_account: str = ""
    host_pid: bool = msgspec.field(default=False, name="hostPID")
    host_ipc: bool = msgspec.field(default=False, name="hostIPC")
    host_users: bool | None = None
    share_process_namespace: bool | None = None
    runtime_class_name: str | None = None
    overhead: dict[str, Any] = {}
    ephemeral_containers: tuple[Tree, ...] = ()
    os: Tree | None = None
    scheduling_gates: tuple[Tree, ...] = ()
    resource_claims: tuple[Tree, ...] = ()
    resources: Tree | None = None
    hostname_override: str | None = None


class PodIP(ApiType, frozen=True):
    ip: str = ""


class ContainerStatus(ApiType, frozen=True):
    """`state` and `last_state` hold one of the keys waiting, running, terminated, as upstream."""

    name: str = ""
    state: dict[str, Any] = {}
    last_state: dict[str, Any] = {}
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    started: bool | None = None
    allocated_resources: dict[str, Any] = {}
    resources: Tree | None = None
    volume_mounts: tuple[Tree, ...] = ()
    user: Tree | None = None
    allocated_resources_status: tuple[Tree, ...] = ()
    stop_signal: str | None = None


class PodStatus(ApiType, frozen=True):
    observed_generation: int = 0
    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    message: str = ""
    reason: str = ""
    host_ip: str = ""
    host_ips: tuple[PodIP, ...] = ()
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    start_time: str | None = None
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    qos_class: str = ""
    nominated_node_name: str = ""
    ephemeral_container_statuses: tuple[Tree, ...] = ()
    resize: str = ""
    resource_claim_statuses: tuple[Tree, ...] = ()
    extended_resource_claim_status: Tree | None = None


class Pod(Object, frozen=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Binding(Object, frozen=True):
    """What a scheduler posts to `pods/NAME/binding`: `target.name` is the node."""

    target: Tree = {}
