"""`moorage server | controller | node | edge`: one role in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import enum
import signal
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

Runner = Callable[[Coroutine[Any, Any, None]], None]


class LoadBalancer(enum.StrEnum):
    EDGE = "edge"
    ANNOUNCE = "announce"
    NONE = "none"


KubeconfigOption = Annotated[str, typer.Option(help="how to reach the API server")]
BesideOption = Annotated[
    bool,
    typer.Option(
        "--beside-other-proxy",
        help="start though another proxy's rules (kube-proxy's) are in the kernel: a connection is translated by the one "
        "whose rules were put in place last, and only what that one leaves by the other",
    ),
]
LogFormatOption = Annotated[str, typer.Option(help="text, json, or auto (text in a terminal)")]


def run_role(component: str, role: Coroutine[Any, Any, None], log_format: str, runner: Runner = asyncio.run) -> None:
    """Runs one role; SIGTERM and SIGINT cancel it, and it cleans up behind itself."""
    from moorage.observe.log_io import configure

    async def until_signalled() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            await role
        except asyncio.CancelledError:
            return

    configure(component, format=log_format)
    runner(until_signalled())


def server(
    data_dir: Annotated[str, typer.Option(help="where the database, certificates and tokens live")] = "/var/lib/moorage",
    listen: Annotated[list[str], typer.Option(help="HOST:PORT to serve at; may be repeated")] = ["127.0.0.1:6443"],  # noqa: B006
    listen_fd: Annotated[list[int], typer.Option(help="inherited listening socket; may be repeated")] = [],  # noqa: B006
    advertise: Annotated[str, typer.Option(help="HOST:PORT that Pods reach through the Service default/kubernetes")] = "",
    kubeconfig_out: Annotated[list[str], typer.Option(help="USER=SERVER_URL=PATH: writes a kubeconfig there")] = [],  # noqa: B006
    service_cidr: Annotated[str, typer.Option(help="range of ClusterIPs; a second family after a comma")] = "10.96.0.0/16",
    log_format: LogFormatOption = "auto",
) -> None:
    """The API server on SQLite."""
    import uvloop

    from moorage.run.server import KubeconfigTarget, ServerSettings, run_server

    targets = tuple(KubeconfigTarget(*each.split("=", 2)) for each in kubeconfig_out)
    settings = ServerSettings(
        data_dir=data_dir,
        listen=tuple(listen),
        listen_fds=tuple(listen_fd),
        advertise=advertise,
        service_cidr=service_cidr,
        kubeconfigs=targets,
    )
    run_role("server", run_server(settings), log_format, uvloop.run)


def controller(
    kubeconfig: KubeconfigOption,
    load_balancer: Annotated[
        LoadBalancer, typer.Option(help="who serves Services that name no loadBalancerClass; none: they stay pending")
    ] = LoadBalancer.EDGE,
    node_grace: Annotated[float, typer.Option(help="seconds without a Lease until a node counts as lost")] = 40.0,
    housekeeping: Annotated[bool, typer.Option(help="do what kube-controller-manager does, where there is none")] = True,
    probe_addresses: Annotated[
        bool, typer.Option(help="ask the network (ARP, NDP) whether a load-balancer address is in use before it is handed out")
    ] = True,
    log_format: LogFormatOption = "auto",
) -> None:
    """EndpointSlices, load-balancer addresses, node health, scheduling, garbage collection."""
    from moorage.run.controller import ControllerSettings, run_controller

    settings = ControllerSettings(
        kubeconfig=kubeconfig,
        load_balancer=load_balancer.value,
        node_grace=node_grace,
        housekeeping=housekeeping,
        probe_addresses=probe_addresses,
    )
    run_role("controller", run_controller(settings), log_format)


def node(
    name: Annotated[str, typer.Option(help="name of this node's Node object")],
    kubeconfig: KubeconfigOption,
    cluster_cidr: Annotated[list[str], typer.Option(help="Pod network; may be repeated")] = [],  # noqa: B006
    nodeport_addresses: Annotated[
        list[str],
        typer.Option(help="prefixes of the node's addresses at which NodePorts are served, or primary; may be repeated"),
    ] = ["primary"],  # noqa: B006
    localhost_nodeports: Annotated[bool, typer.Option(help="serve NodePorts on 127.0.0.0/8 too")] = True,
    metrics_bind_address: Annotated[
        str, typer.Option(help="ADDRESS:PORT at which /metrics is served; empty: nowhere")
    ] = "127.0.0.1:10249",
    dns_port: Annotated[int, typer.Option(help="serve cluster DNS at this port of the node; 0: do not")] = 0,
    self_check_port: Annotated[
        int, typer.Option(help="port of 127.0.0.1 at which the agent answers itself, through its own rules")
    ] = 10247,
    beside_other_proxy: BesideOption = False,
    log_format: LogFormatOption = "auto",
) -> None:
    """The node agent: Services into the kernel of this node."""
    from moorage.run.node import NodeSettings, run_node

    settings = NodeSettings(
        name=name,
        kubeconfig=kubeconfig,
        cluster_cidrs=tuple(cluster_cidr),
        node_port_addresses=tuple(nodeport_addresses),
        localhost_node_ports=localhost_nodeports,
        metrics=metrics_bind_address,
        dns_port=dns_port,
        self_check_port=self_check_port,
        beside_other_proxy=beside_other_proxy,
    )
    run_role("node", run_node(settings), log_format)


def edge(
    name: Annotated[str, typer.Option(help="name of this load balancer")],
    kubeconfig: KubeconfigOption,
    interface: Annotated[str, typer.Option(help="interface at which the load-balancer addresses are owned")],
    keep_source: Annotated[
        bool,
        typer.Option(
            help="nodes route answers to clients through this machine: with externalTrafficPolicy Local, Pods then see "
            "the client's address"
        ),
    ] = False,
    drain: Annotated[float, typer.Option(help="seconds from SIGTERM, when /healthz starts to refuse, to the end")] = 0.0,
    run_dir: Annotated[str, typer.Option(help="a directory for HAProxy's configuration and sockets")] = "/run/moorage-edge",
    health_interval: Annotated[float, typer.Option(help="seconds from one health check of a node to the next")] = 0.25,
    health_timeout: Annotated[float, typer.Option(help="seconds that a node has to answer")] = 0.5,
    health_fall: Annotated[int, typer.Option(help="failures in a row that take a node out of use")] = 2,
    health_rise: Annotated[int, typer.Option(help="successes in a row that take it in again")] = 2,
    health_port: Annotated[int, typer.Option(help="port of a node's health check")] = 10256,
    health_path: Annotated[str, typer.Option(help="what is asked for there")] = "/livez",
    beside_other_proxy: BesideOption = False,
    log_format: LogFormatOption = "auto",
) -> None:
    """A load balancer in front of the nodes."""
    from moorage.balance.health import HealthSettings
    from moorage.run.edge import EdgeSettings, run_edge

    probes = HealthSettings(health_interval, health_timeout, health_fall, health_rise, health_port, health_path)
    settings = EdgeSettings(
        name=name,
        kubeconfig=kubeconfig,
        interface=interface,
        beside_other_proxy=beside_other_proxy,
        probes=probes.checked(),
        keep_source=keep_source,
        drain=drain,
        directory=run_dir,
    )
    run_role("edge", run_edge(settings), log_format)


def register(app: typer.Typer) -> None:
    for role in (server, controller, node, edge):
        app.command()(role)
