"""`moorage explain` and `moorage trace`: why a Service works or not, and where one packet goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json, show_findings
from moorage.run.state_io import DEFAULT_INSTANCE, require_running

if TYPE_CHECKING:
    from moorage.model.ports import Client
    from moorage.run.questions import Traced

T = TypeVar("T")

KubeconfigOption = Annotated[str, typer.Option(help="which cluster to ask; default: the running standalone system")]
CidrOption = Annotated[list[str], typer.Option(help="Pod network; default: those of the Nodes; may be repeated")]
NodePortOption = Annotated[list[str], typer.Option(help="as the node agents were given it; may be repeated")]

explain = typer.Typer(help="Why something works, or why not, hop by hop.", no_args_is_help=True)


def ask(kubeconfig: str, instance: str, question: Callable[[Client], Awaitable[T]]) -> T:
    from moorage.client.http_io import HttpClient
    from moorage.client.kubeconfig_io import load, through_proxy

    """Raises UserError where neither names a system that runs."""

    async def asked() -> T:
        access = through_proxy(load(kubeconfig or require_running(instance).kubeconfig))
        async with HttpClient(access, user_agent="moorage") as client:
            return await question(client)

    return asyncio.run(asked())


@explain.command("service")
def service(
    name: Annotated[str, typer.Argument(metavar="[NAMESPACE/]NAME")],
    kubeconfig: KubeconfigOption = "",
    cluster_cidr: CidrOption = [],  # noqa: B006
    nodeport_addresses: NodePortOption = ["primary"],  # noqa: B006
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Why a Service works, or why not: from the object to the packets of each node. Exit status 1 when it does not."""
    from moorage.run.network import network_settings
    from moorage.run.questions import ask_explain

    settings = network_settings(cluster_cidr, nodeport_addresses)
    explanation = ask(kubeconfig, instance, lambda client: ask_explain(client, name, settings))
    if output is Output.JSON:
        print_json(explanation)
    else:
        show_findings(explanation.findings, 15, reasons=True)
        console.print("it works" if explanation.works else "[red]it does not work[/red]")
    if not explanation.works:
        raise SystemExit(1)


def trace(
    source: Annotated[str, typer.Option("--from", help="pod/[NAMESPACE/]NAME, node/NAME, or an address outside")],
    target: Annotated[
        str,
        typer.Option(
            "--to",
            help="ADDRESS:PORT or SERVICE[.NAMESPACE]:PORT (or [NAMESPACE/]SERVICE:PORT), with /udp or /sctp where not TCP; "
            "ADDRESS/icmp: a ping. From outside a Service is asked at its load-balancer address, or a NodePort",
        ),
    ],
    at: Annotated[str, typer.Option(help="node at which a packet from outside arrives")] = "",
    kubeconfig: KubeconfigOption = "",
    cluster_cidr: CidrOption = [],  # noqa: B006
    nodeport_addresses: NodePortOption = ["primary"],  # noqa: B006
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """One packet through the table of a node, every decision with its reason. Exit status 1 when it is refused or dropped."""
    from moorage.run.network import network_settings
    from moorage.run.questions import ask_trace, parse_target
    from moorage.table.trace import Action

    wanted, settings = parse_target(target), network_settings(cluster_cidr, nodeport_addresses)
    traced = ask(kubeconfig, instance, lambda client: ask_trace(client, source, wanted, at, settings))
    verdict = traced.verdict
    if output is Output.JSON:
        print_json(as_json(traced))
    else:
        console.print(f"on {traced.node}:")
        for step in verdict.steps:
            console.print(f"  {step.text} [dim]{step.reason.value}[/dim]", soft_wrap=True)
        console.print(f"[bold]{verdict.action.value}[/bold] [dim]{verdict.reason.value}[/dim]")
    if verdict.action in (Action.REJECT, Action.DROP):
        raise SystemExit(1)


def as_json(traced: Traced) -> Mapping[str, object]:
    """What `moorage trace` found, in words and numbers; addresses as text. `port` is 0 and `protocol` null in a ping."""
    packet, verdict = traced.packet, traced.verdict
    deliveries = [
        {
            "address": str(each.backend.address),
            "port": each.backend.port,
            "node": each.backend.node,
            "share": each.share,
            "source": each.source.value,
        }
        for each in verdict.deliveries
    ]
    return {
        "node": traced.node,
        "source": str(packet.source),
        "destination": str(packet.destination),
        "port": packet.destination_port,
        "protocol": packet.protocol.value if packet.protocol is not None else None,
        "action": verdict.action.value,
        "reason": verdict.reason.value,
        "service": str(verdict.service) if verdict.service else None,
        "frontend": str(verdict.frontend.match) if verdict.frontend else None,
        "steps": [{"reason": each.reason.value, "text": each.text} for each in verdict.steps],
        "deliveries": deliveries,
    }


def register(app: typer.Typer) -> None:
    app.add_typer(explain, name="explain")
    app.command()(trace)
