"""`moorage server | controller | node | edge`: one role in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

import typer
from msgspec.structs import replace

from moorage.cli.flags import command
from moorage.settings.roles import ControllerSettings, EdgeSettings, NodeSettings

Runner = Callable[[Coroutine[Any, Any, None]], None]

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


def controller(settings: ControllerSettings) -> None:
    """EndpointSlices, load-balancer addresses, node health, scheduling, garbage collection."""
    from moorage.run.controller import run_controller

    run_role("controller", run_controller(settings), settings.log_format)


def node(settings: NodeSettings) -> None:
    """The node agent: Services into the kernel of this node."""
    from moorage.run.node import run_node

    name = node_name(settings.name, os.environ, socket.gethostname())
    run_role("node", run_node(replace(settings, name=name)), settings.log_format)


def node_name(given: str, environ: Mapping[str, str], host: str) -> str:
    """What was said, or the variable that a DaemonSet sets from `spec.nodeName`, or the host's name as a kubelet takes it."""
    return given or environ.get("NODE_NAME", "") or host.lower()


def edge(settings: EdgeSettings) -> None:
    """A load balancer in front of the nodes."""
    from moorage.run.edge import run_edge

    run_role("edge", run_edge(replace(settings, name=settings.name or socket.gethostname())), settings.log_format)


def register(app: typer.Typer) -> None:
    app.command()(server)
    app.command()(command(ControllerSettings, controller))
    app.command()(command(NodeSettings, node))
    app.command()(command(EdgeSettings, edge))
