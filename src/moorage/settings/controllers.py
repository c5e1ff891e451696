"""Which controllers run: kube-controller-manager's way of saying it.

Source: `cmd/kube-controller-manager/app/controllermanager.go`, `k8s.io/controller-manager/pkg/leadermigration` and its flag
`--controllers`: `*` all that are on by default, `foo` that one, `-foo` all but that one; the first that names one decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import msgspec

from moorage.model.errors import FieldError, invalid

NAMES = {
    "endpointslice-controller": "EndpointSlices of Services with a selector",
    "endpoints-controller": "`core/v1` Endpoints of the same",
    "endpointslice-mirroring-controller": "EndpointSlices of Endpoints that were written by hand",
    "broken-objects-controller": "events that say what is broken in Services and their slices",
    "load-balancer-controller": "addresses of Services of type LoadBalancer",
    "withdrawal-controller": "the condition `moorage.dev/withdrawn` of Pods that go away",
    "announcements-controller": "what nodes and edges that announce no more have left: Leases and statuses",
    "node-lifecycle-controller": "nodes that fell silent",
    "scheduler": "a node for each Pod",
    "garbage-collector-controller": "what belonged to objects that are gone",
    "serviceaccount-controller": "the ServiceAccount and the CA that every namespace has",
}
"""Each controller and what it looks after; those that kube-controller-manager has are called as there. All are on by default: a
standalone system has no other.
"""

ON_KUBERNETES = ("broken-objects-controller", "load-balancer-controller", "withdrawal-controller", "announcements-controller")
"""Those of a cluster that has kube-controller-manager and kube-scheduler: they do the rest."""


class Choice(msgspec.Struct, frozen=True):
    """The controllers that run, in the order of NAMES; what is wrong with the words."""

    names: tuple[str, ...]
    wrong: tuple[FieldError, ...]


def chosen(words: Sequence[str]) -> Choice:
    """What `--controllers` says. No word at all means none."""
    wrong = tuple(
        invalid(f"controllers[{index}]", word, _unknown(word))
        for index, word in enumerate(words)
        if word != "*" and word.removeprefix("-") not in NAMES
    )
    return Choice(tuple(name for name in NAMES if _runs(name, words)), wrong)


def _runs(name: str, words: Sequence[str]) -> bool:
    """The word that names it decides, wherever the star stands."""
    for word in words:
        if word == name:
            return True
        if word == f"-{name}":
            return False
    return "*" in words


def _unknown(word: str) -> str:
    near = get_close_matches(word.removeprefix("-"), NAMES, 1)
    return f"no controller has this name: did you mean {near[0]}?" if near else f"must be *, or one of {', '.join(NAMES)}"
