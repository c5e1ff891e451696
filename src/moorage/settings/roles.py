"""The settings of the roles that meet a cluster through its API: node agent, controllers, edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from moorage.model.cluster import KUBE_PROXY_PORT, SYSTEM_NAMESPACE
from moorage.model.errors import FieldError, invalid
from moorage.model.net import parse_address
from moorage.settings.checks import PRIMARY, bind_address, wrong_bind_address, wrong_node_port_addresses, wrong_prefixes
from moorage.settings.controllers import chosen
from moorage.settings.fields import Settings, setting

_BESIDE_TEXT = (
    "Start though another proxy's rules (kube-proxy's) are in the kernel: ours see a connection first, and what they leave is "
    "translated by the other's."
)
_HEALTH_PORT = setting("Port of every address at which /healthz and /livez are served.", ge=1, le=65535)


class RoleSettings(Settings, frozen=True, kw_only=True):
    """What every role is told."""

    kubeconfig: Annotated[
        str, setting("File that says where the API server is and how to log in; empty: the service account of this Pod.")
    ] = ""
    context: Annotated[str, setting("Context of the kubeconfig; empty: its current-context.")] = ""
    compress_lists: Annotated[
        bool,
        setting(
            "Take lists compressed (gzip): for nodes behind a slow network. The first list of a node agent is 14 times smaller "
            "so, and takes the API server twice the time."
        ),
    ] = False
    log_format: Annotated[Literal["auto", "text", "json"], setting("How logs are written; auto is text in a terminal.")] = (
        "auto"
    )


class NodeSettings(RoleSettings, frozen=True, kw_only=True):
    """`moorage node`."""

    KIND: ClassVar[str] = "NodeConfiguration"

    name: Annotated[
        str,
        setting("Name of this node's Node object; empty: the environment's NODE_NAME, else the host's name in lower case."),
    ] = ""
    cluster_cidrs: Annotated[
        tuple[str, ...],
        setting(
            "Pod networks, of both families where there are two; none: those that the Node objects carry.", "--cluster-cidr"
        ),
    ] = ()
    node_port_addresses: Annotated[
        tuple[str, ...],
        setting(
            f"Prefixes of the node's addresses at which NodePorts are served, or {PRIMARY}: the Node's InternalIPs.",
            "--nodeport-addresses",
        ),
    ] = (PRIMARY,)
    localhost_node_ports: Annotated[bool, setting("Serve NodePorts on 127.0.0.0/8 too.", "--localhost-nodeports")] = True
    health_port: Annotated[int, _HEALTH_PORT] = KUBE_PROXY_PORT
    metrics_bind_address: Annotated[str, setting("ADDRESS:PORT at which /metrics is served; empty: nowhere.")] = (
        "127.0.0.1:10249"
    )
    dns_port: Annotated[int, setting("Port of the node at which cluster DNS is served; 0: it is not.", ge=0, le=65535)] = 0
    follow_nodes: Annotated[
        Literal["all", "own"],
        setting(
            "Nodes that are watched. own is enough for forwarding and costs the API server the least; without the others their "
            "weights (moorage.dev/weight on Nodes) count for nothing, and no node can announce addresses."
        ),
    ] = "all"
    self_check_port: Annotated[
        int,
        setting("Port of 127.0.0.1 at which the agent answers itself, through its own rules.", ge=1, le=65535),
    ] = 10247
    beside_other_proxy: Annotated[
        bool,
        setting(f"{_BESIDE_TEXT} An agent that ends while kube-proxy answers at port {KUBE_PROXY_PORT} takes its rules away."),
    ] = False

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """None where they are not wanted."""
        return bind_address(self.metrics_bind_address)

    def wrong(self) -> Iterator[FieldError]:
        yield from wrong_prefixes("clusterCIDRs", self.cluster_cidrs)
        yield from wrong_node_port_addresses("nodePortAddresses", self.node_port_addresses)
        yield from wrong_bind_address("metricsBindAddress", self.metrics_bind_address)


class ControllerSettings(RoleSettings, frozen=True, kw_only=True):
    """`moorage controller`. Times are seconds.

    Source of the leader election's fields and defaults: `k8s.io/component-base/config` LeaderElectionConfiguration.
    """

    KIND: ClassVar[str] = "ControllerConfiguration"

    controllers: Annotated[
        tuple[str, ...],
        setting(
            "Controllers that run: * is all of them, NAME one, -NAME all but that one (as kube-controller-manager has it)."
        ),
    ] = ("*",)
    load_balancer: Annotated[
        Literal["edge", "announce", "none"],
        setting("Who serves the addresses of Services that name no loadBalancerClass; none: these stay pending."),
    ] = "edge"
    probe_addresses: Annotated[
        bool,
        setting("Ask the network (ARP, NDP) whether a load-balancer address is in use before it is handed out."),
    ] = True
    node_grace: Annotated[float, setting("Seconds without a Lease until a node counts as lost.", gt=0)] = 40.0
    health_port: Annotated[
        int, setting("Port of every address at which /healthz, /livez, /readyz are served; 0: nowhere.", ge=0, le=65535)
    ] = 10266
    leader_elect: Annotated[
        bool, setting("Work only while holding a Lease that all candidates share: for more than one replica.")
    ] = False
    lease_namespace: Annotated[
        str, setting("Namespace of the leader's Lease.", "--leader-elect-resource-namespace", min_length=1)
    ] = SYSTEM_NAMESPACE
    lease_name: Annotated[str, setting("Name of the leader's Lease.", "--leader-elect-resource-name", min_length=1)] = (
        "moorage-controller"
    )
    lease_duration: Annotated[
        float,
        setting("Whole seconds for which a silent leader is believed to be at work.", "--leader-elect-lease-duration", ge=1),
    ] = 15.0
    renew_deadline: Annotated[
        float,
        setting("Seconds after which a leader that cannot renew its Lease stops.", "--leader-elect-renew-deadline", gt=0),
    ] = 10.0
    retry_period: Annotated[float, setting("Seconds between two looks at the Lease.", "--leader-elect-retry-period", gt=0)] = (
        2.0
    )

    def wrong(self) -> Iterator[FieldError]:
        yield from chosen(self.controllers).wrong
        if self.lease_duration != int(self.lease_duration):
            yield invalid("leaseDuration", self.lease_duration, "must be whole seconds: so the Lease has it")
        if self.lease_duration <= self.renew_deadline:
            yield invalid("renewDeadline", self.renew_deadline, "must be less than leaseDuration, or two would lead at a time")
        if self.renew_deadline <= 1.2 * self.retry_period:
            yield invalid("retryPeriod", self.retry_period, "renewDeadline must be more than 1.2 times as long")


class EdgeSettings(RoleSettings, frozen=True, kw_only=True):
    """`moorage edge`. Times are seconds."""

    KIND: ClassVar[str] = "EdgeConfiguration"

    name: Annotated[str, setting("Name of this load balancer; empty: the host's name.")] = ""
    interface: Annotated[str, setting("Interface at which the load-balancer addresses are announced.", min_length=1)]
    meet_at: Annotated[
        tuple[str, ...],
        setting(
            "Addresses of this machine at which other edges meet it (UDP port 7578), to share the load-balancer addresses; "
            "none: the first of each family at the interface."
        ),
    ] = ()
    health_port: Annotated[int, _HEALTH_PORT] = 10256
    keep_source: Annotated[
        bool,
        setting(
            "Nodes route answers to clients through this machine: with externalTrafficPolicy Local, Pods then see the client's "
            "address."
        ),
    ] = False
    drain: Annotated[float, setting("Seconds from SIGTERM, when /healthz starts to refuse, to the end.", ge=0)] = 0.0
    run_dir: Annotated[str, setting("Directory for HAProxy's configuration and sockets.", min_length=1)] = "/run/moorage-edge"
    probe_interval: Annotated[float, setting("Seconds between two probes of a node.", ge=0.05, le=60)] = 0.25
    probe_timeout: Annotated[float, setting("Seconds that a node has to answer.", ge=0.05, le=60)] = 0.5
    probe_fall: Annotated[
        int,
        setting(
            "Failures in a row until a node is not used: a dead one is out after so many timeouts and intervals.", ge=1, le=100
        ),
    ] = 2
    probe_rise: Annotated[int, setting("Successes in a row until it is used again.", ge=1, le=100)] = 2
    probe_port: Annotated[int, setting("Port of the node that is probed.", ge=1, le=65535)] = 10256
    probe_path: Annotated[
        str, setting("What is asked for there. /healthz would refuse for a node about to go away.", pattern="^/[!-~]*$")
    ] = "/livez"
    beside_other_proxy: Annotated[bool, setting(_BESIDE_TEXT)] = False

    def wrong(self) -> Iterator[FieldError]:
        for index, each in enumerate(self.meet_at):
            if parse_address(each) is None:
                yield invalid(f"meetAt[{index}]", each, "must be an IP address")


ROLES: tuple[type[RoleSettings], ...] = (NodeSettings, ControllerSettings, EdgeSettings)
