"""`moorage bench bytes`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from moorage.cli.measured import figures, machine, tell
from moorage.cli.output import Output, OutputOption
from moorage.cli.progress import Progress

if TYPE_CHECKING:
    from moorage.run.bench_bytes import Report


def bytes_(
    services: Annotated[int, typer.Option(min=1, max=5000, help="how many Services, each with a slice")] = 200,
    nodes: Annotated[int, typer.Option(min=1, max=1000, help="how many Nodes")] = 50,
    output: OutputOption = Output.TEXT,
) -> None:
    """What a node agent and a leader cost the API server: bytes of lists, changes and renewals."""
    import asyncio

    from moorage.run.bench_bytes import bench_bytes

    with Progress(output) as progress:
        report = asyncio.run(bench_bytes(services, nodes, progress.step))
    table = figures("What one client costs the API server", _rows(report))
    where = f"measured on {machine()}; slices of {report.endpoints} endpoints"
    tell(output, {"machine": machine(), **msgspec.to_builtins(report)}, table, where)


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    for each in report.kinds:
        yield f"list of {each.objects} {each.kind}, for each", f"{each.list_bytes_each} B", ""
        yield f"one change of {each.kind}, to one watch", f"{each.change_bytes} B", f"protobuf: {each.protobuf_change} B"
    yield "one renewal of a leader's Lease, sent and received", f"{report.renewal.sent} + {report.renewal.received} B", ""
    yield "renewals a second of one leader", f"{report.renewals_per_second:g}", ""
    yield "watches of a node agent", str(report.watches), ""
    yield "of these for announcing", str(report.announcing), ""
