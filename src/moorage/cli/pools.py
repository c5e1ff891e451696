"""`moorage pools --simulate`: what an edit of the address pools would do, before it is done."""

from __future__ import annotations

import enum
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json
from moorage.cli.questions import KubeconfigOption, ask
from moorage.run.state_io import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moorage.run.pool_questions import Forecast


class Provider(enum.StrEnum):
    EDGE = "edge"
    ANNOUNCE = "announce"
    NONE = "none"


MARKS = {"keeps": "[green]=[/green]", "gains": "[green]+[/green]", "changes": "[red]~[/red]", "loses": "[red]-[/red]"}


def pools(
    simulate: Annotated[
        str, typer.Option(metavar="FILE", help="all IPAddressPools as they would be applied; - reads them here")
    ],
    load_balancer: Annotated[Provider, typer.Option(help="as the controller was given it")] = Provider.EDGE,
    kubeconfig: KubeconfigOption = "",
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """Which Services would keep, change, lose or get an address, and why. Exit status 1 when one would not keep its own."""
    from moorage.model.errors import UserError
    from moorage.run.pool_questions import ask_pools

    try:
        text = sys.stdin.read() if simulate == "-" else Path(simulate).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{simulate} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    forecast = ask(kubeconfig, instance, lambda client: ask_pools(client, text, load_balancer.value, time.time()))
    if output is Output.JSON:
        print_json(as_json(forecast))
    else:
        _tell(forecast)
    if not forecast.fine:
        raise SystemExit(1)


def _tell(forecast: Forecast) -> None:
    for name in forecast.gone:
        console.print(f"IPAddressPool {name} would go: it is not in the file", soft_wrap=True)
    for each in forecast.prospects:
        before, after = (", ".join(map(str, addresses)) or "none" for addresses in (each.before, each.after))
        way = before if each.before == each.after else f"{before} -> {after}"
        console.print(f"{MARKS.get(each.fate.value, '·')} {each.fate.value:<8} {each.service}  {way}", soft_wrap=True)
        if each.why:
            console.print(f"  {'':<8} {each.why}", markup=False, soft_wrap=True)
    affected = sum(each.fate.value in ("changes", "loses") for each in forecast.prospects)
    if not forecast.prospects:
        console.print("there is no LoadBalancer Service")
    elif affected:
        console.print(f"[red]{affected} of {len(forecast.prospects)} Services would not keep their address[/red]")
    else:
        console.print("every Service would keep its address")


def as_json(forecast: Forecast) -> Mapping[str, object]:
    """Addresses as text."""
    services = [
        {
            "service": str(each.service),
            "fate": each.fate.value,
            "before": list(map(str, each.before)),
            "after": list(map(str, each.after)),
            "why": each.why,
        }
        for each in forecast.prospects
    ]
    return {"fine": forecast.fine, "services": services, "poolsGone": list(forecast.gone)}


def register(app: typer.Typer) -> None:
    app.command()(pools)
