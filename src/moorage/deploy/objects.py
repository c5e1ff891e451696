"""Every object that is installed, in the order in which it is applied."""

from __future__ import annotations

from moorage.deploy import controller, crds, node, rbac
from moorage.deploy.common import labels, obj
from moorage.deploy.rights import RIGHTS, SYSTEM
from moorage.deploy.tree import Document, filled, look_up
from moorage.deploy.values import Values, as_tree
from moorage.model.wire import Tree

CRDS = "crds"
"""The file of the CustomResourceDefinitions, which belong to every load balancer of a cluster, not to us alone."""


def documents() -> list[Document]:
    """With holes for the values. A namespace comes before what is in it, rights come before who uses them."""
    return [
        _namespace(),
        *(Document(CRDS, each) for each in crds.definitions()),
        *(each for role in RIGHTS for each in rbac.access(role)),
        *controller.documents(),
        *node.documents(),
    ]


def wanted(values: Tree, skip_crds: bool = False) -> list[Document]:
    """Those that are installed with these values."""
    every = [each for each in documents() if not (skip_crds and each.file == CRDS)]
    return [each for each in every if not each.when or look_up(each.when, values)]


def trees(values: Values, skip_crds: bool = False) -> list[Tree]:
    """What `moorage manifests` prints: filled, with comments."""
    given = as_tree(values)
    return [filled(each.tree, given) for each in wanted(given, skip_crds)]


def _namespace() -> Document:
    """A Pod in the network of its node is privileged in the words of the Pod Security Standards."""
    standards = {f"pod-security.kubernetes.io/{each}": "privileged" for each in ("enforce", "audit", "warn")}
    meta = {"name": SYSTEM, "labels": {**labels(), **standards}}
    return Document("namespace", obj("v1", "Namespace", meta), "namespace.create")
