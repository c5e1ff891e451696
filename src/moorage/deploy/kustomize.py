"""The kustomize base: the objects with the default values, one file for each part."""

from __future__ import annotations

from moorage.deploy.emit import comment, stream_of, yaml_of
from moorage.deploy.helm import GENERATED
from moorage.deploy.objects import wanted
from moorage.deploy.tree import filled
from moorage.deploy.values import Values, as_tree
from moorage.model.wire import Tree


def base(values: Values) -> dict[str, str]:
    """The files of the base by name. `images:` of an overlay sets another image, patches the rest."""
    given = as_tree(values)
    every = wanted(given)
    head = "".join(f"{each}\n" for each in comment(GENERATED.format(format="kustomize"), 0))
    parts: dict[str, list[Tree]] = {}
    for each in every:
        parts.setdefault(each.file, []).append(filled(each.tree, given))
    entry = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{file}.yaml" for file in parts],
    }
    return {
        "kustomization.yaml": head + yaml_of(entry),
        **{f"{file}.yaml": head + stream_of(trees) for file, trees in parts.items()},
    }
