"""The Helm chart: the same objects with their holes left open, and the values that fill them.

The CustomResourceDefinitions are in `crds/`: Helm installs those that a cluster does not have, never changes those that it
has, and leaves them there when the chart goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import msgspec

from moorage.deploy.common import CONFIGURATION
from moorage.deploy.emit import comment, stream_of, template_of, yaml_of
from moorage.deploy.objects import CRDS, documents
from moorage.deploy.tree import go_json
from moorage.deploy.values import VERSION, Group, Values, as_tree, description
from moorage.model.wire import Tree

GENERATED = "Made by `moorage manifests --format {format}`: change what it is made from, src/moorage/deploy."


def chart() -> dict[str, str]:
    """The files of the chart by their paths in it."""
    every = documents()
    files = dict.fromkeys(each.file for each in every if each.file != CRDS)
    head = "".join(f"{each}\n" for each in comment(GENERATED.format(format="helm"), 0))
    return {
        "Chart.yaml": head + yaml_of(_about()),
        "values.yaml": head + "".join(f"{each}\n" for each in _values(Values(), 0)),
        "values.schema.json": json.dumps(values_schema(), indent=2, ensure_ascii=False) + "\n",
        f"crds/{CRDS}.yaml": head + stream_of([each.tree for each in every if each.file == CRDS]),
        **{f"templates/{file}.yaml": template_of([each for each in every if each.file == file]) for file in files},
        "templates/NOTES.txt": _NOTES,
    }


def _about() -> Tree:
    return {
        "apiVersion": "v2",
        "name": "moorage",
        "description": "Kubernetes Services by the Linux kernel: in place of kube-proxy, and with load-balancer addresses",
        "type": "application",
        "version": VERSION,
        "appVersion": VERSION,
        "kubeVersion": ">=1.29.0-0",
        "annotations": {"moorage.dev/configuration": CONFIGURATION},
    }


def values_schema() -> Tree:
    """JSON Schema of the values. A chart that depends on this one hands down `global`."""
    schema: Tree = msgspec.json.schema(Values)
    schema["$defs"]["Values"]["properties"]["global"] = {"type": "object"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _values(group: Group, indent: int) -> Iterator[str]:
    """Every key with its sentence and its default."""
    hints: Mapping[str, Any] = get_type_hints(type(group), include_extras=True)
    tree = as_tree(group)
    for each in msgspec.structs.fields(group):
        if not indent and each.name != "image":
            yield ""
        yield from comment(description(hints[each.name]), indent)
        value = getattr(group, each.name)
        if isinstance(value, Group):
            yield f"{' ' * indent}{each.encode_name}:"
            yield from _values(value, indent + 2)
        else:
            yield f"{' ' * indent}{each.encode_name}: {go_json(tree[each.encode_name])}"


_NOTES = """Moorage {{ .Chart.AppVersion }} is installed in the namespace moorage-system.

Watch the agents come up, one node after the other:
  kubectl -n moorage-system rollout status daemonset/moorage-node
{{- if not .Values.apiServer.host }}

apiServer.host is not set: the agents reach the API server by its Service. Before you take kube-proxy away, set it to an
address that works without Services, or a node that starts anew cannot reach the API server:
  kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'
{{- end }}
"""
