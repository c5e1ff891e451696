"""Settings types -> the page that documents them, `docs/reference/configuration.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args, get_origin

from moorage.settings.controllers import NAMES, ON_KUBERNETES
from moorage.settings.fields import API_VERSION, Field, Settings, fields, shown
from moorage.settings.roles import ROLES

_HEAD = """# Configuration

Each role takes flags, and a file that `--config FILE` names: on a cluster a ConfigMap that is mounted. A flag wins over the
file, the file over the default. A key that does not exist is refused, and the nearest one named; everything that is wrong is
said at once, with its line. This page is made from the settings themselves (`src/moorage/settings/roles.py`).

    apiVersion: {version}
    kind: NodeConfiguration
    clusterCIDRs: [10.244.0.0/16]
    metricsBindAddress: 0.0.0.0:10249

    moorage node --config /etc/moorage/node.yaml --dns-port 10053

A list is given as a flag by repeating it, or with commas. Times are seconds.

Without a kubeconfig a role takes the service account of its Pod. How it logs in otherwise: `docs/reference/credentials.md`.
"""

_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", tuple: "list of text"}


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD.format(version=API_VERSION)]
    for type_ in ROLES:
        parts.append(f"## {type_.KIND}: {(type_.__doc__ or '').splitlines()[0].rstrip('.')}\n")
        parts.append("\n".join(_table(type_)) + "\n")
    parts.append("## Controllers\n\nWhat `controllers` (`--controllers`) may name, beside `*`:\n")
    rows = (f"| `{name}` | {what} |" for name, what in NAMES.items())
    parts.append("\n".join(("| name | looks after |", "|---|---|", *rows)) + "\n")
    others = ", ".join(f"`{each}`" for each in ON_KUBERNETES)
    parts.append(f"On a cluster with kube-controller-manager and kube-scheduler only {others} run; they do the rest.\n")
    return "\n".join(parts)


def _table(type_: type[Settings]) -> Iterator[str]:
    yield "| key | flag | type | default | meaning |"
    yield "|---|---|---|---|---|"
    for field in fields(type_):
        flag = f"`{field.flag}`"
        if get_args(field.type)[0] is bool:
            flag += f", `--no-{field.flag.removeprefix('--')}`"
        yield f"| `{field.key}` | {flag} | {_type(field)} | {_default(field)} | {field.about.replace('|', ' or ')} |"


def _type(field: Field) -> str:
    bare = get_args(field.type)[0]
    if get_origin(bare) is Literal:
        return " or ".join(f"`{each}`" for each in get_args(bare))
    return _TYPES[get_origin(bare) or bare]


def _default(field: Field) -> str:
    if field.required:
        return "required"
    return shown(field.default)
