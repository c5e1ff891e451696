"""`moorage manifests`: what to `kubectl apply` on a real cluster, as objects, as a Helm chart or as a kustomize base."""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.output import errors, print_json
from moorage.model.errors import HostError, UserError


class Format(enum.StrEnum):
    YAML = "yaml"
    JSON = "json"
    HELM = "helm"
    KUSTOMIZE = "kustomize"


def manifests(
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="a value, such as apiServer.host=192.0.2.1; may be repeated")
    ] = [],  # noqa: B006
    values: Annotated[list[Path], typer.Option(help="file of values (YAML); may be repeated, the last one wins")] = [],  # noqa: B006
    format: Annotated[Format, typer.Option("--format", help="yaml and json print objects; helm and kustomize write files")] = (
        Format.YAML
    ),
    out: Annotated[Path | None, typer.Option(help="directory for the files of helm and kustomize")] = None,
    skip_crds: Annotated[bool, typer.Option("--skip-crds", help="leave out MetalLB's kinds: the cluster has them")] = False,
) -> None:
    """What to `kubectl apply -f -` on a cluster: rights, MetalLB's kinds, the node agent, the controllers."""
    from moorage.deploy.emit import plain, stream_of
    from moorage.deploy.given import values_of
    from moorage.deploy.helm import chart
    from moorage.deploy.kustomize import base
    from moorage.deploy.objects import trees

    given = values_of({str(each): _read(each) for each in values}, set_)
    if format in (Format.HELM, Format.KUSTOMIZE):
        if out is None:
            raise UserError(f"--format {format.value} writes files: say where with --out DIR")
        if format is Format.HELM and (set_ or values):
            raise UserError("a chart has every value open: give --set and --values to helm, not here")
        if skip_crds:
            raise UserError(f"--skip-crds is for objects: take the file crds.yaml out of {out}, or tell helm --skip-crds")
        _write(out, chart() if format is Format.HELM else base(given))
        return
    if out is not None:
        raise UserError("--out is for --format helm and kustomize: objects are printed")
    wanted = trees(given, skip_crds)
    if format is Format.JSON:
        print_json({"apiVersion": "v1", "kind": "List", "items": [plain(each) for each in wanted]})
    else:
        sys.stdout.write(stream_of(wanted))
    if not given.api_server.host:
        errors.print(_WARNING, style="yellow", markup=False, soft_wrap=True)


_WARNING = (
    "moorage: apiServer.host is not set, so the agents reach the API server by its Service. Before kube-proxy goes, set it to "
    "an address that works without Services: --set apiServer.host=ADDRESS"
)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error.strerror if isinstance(error, OSError) else 'it is no text'}") from error


def _write(directory: Path, files: Mapping[str, str]) -> None:
    try:
        for path, text in files.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    except OSError as error:
        raise HostError(f"cannot write to {directory}: {error.strerror}") from error


def register(app: typer.Typer) -> None:
    app.command()(manifests)
