"""What the API serves: `/api`, `/apis` and below, made from `model.kinds`; aggregated (KEP-3352) where a client asks for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from moorage.api.exchange import JSON, Response, json_document
from moorage.api.forms import parse_accept
from moorage.api.review_types import REVIEWS
from moorage.api.routes import verbs as verbs_of
from moorage.model.kinds import KINDS, Kind
from moorage.model.wire import Tree

VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+moorage",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "cpython",
    "platform": "linux",
}
"""The API level that is implemented. Clients read `major`, `minor` and `gitVersion`."""

_SUBRESOURCE_VERBS: Mapping[str, tuple[str, ...]] = {
    "status": ("get", "patch", "update"),
    "binding": ("create",),
    "token": ("create",),
}
_SUBRESOURCE_KINDS = {"binding": "Binding", "token": "TokenRequest"}

_SERVED = (*KINDS, *REVIEWS)

_GROUPS: Mapping[str, tuple[str, ...]] = {
    group: tuple(sorted({kind.version for kind in _SERVED if kind.group == group}, reverse=True))
    for group in dict.fromkeys(kind.group for kind in _SERVED)
}
"""Group -> its versions, the preferred one first; the core group is an empty name. Here `v1beta2` is younger than `v1beta1`."""


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
"""kubectl looks here before it says that there is no such kind. There are none."""

_NO_DEFINITIONS: Tree = {
    "kind": "CustomResourceDefinitionList",
    "apiVersion": "apiextensions.k8s.io/v1",
    "metadata": {"resourceVersion": "1"},
    "items": [],
}


def documents() -> Mapping[str, Callable[[str], Response]]:
    """Path -> what answers a GET there, given the `Accept` header."""
    found: dict[str, Callable[[str], Response]] = {
        "/api": functools.partial(_groups, core=True),
        "/apis": functools.partial(_groups, core=False),
        "/version": lambda accept: json_document(VERSION),
        DEFINITIONS: lambda accept: json_document(_NO_DEFINITIONS),
    }
    for group, versions in _GROUPS.items():
        if group:
            found[f"/apis/{group}"] = functools.partial(_document, {"kind": "APIGroup", "apiVersion": "v1", **_group(group)})
        for version in versions:
            found[_prefix(group, version)] = functools.partial(_document, _resource_list(group, version))
    return found


def _prefix(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _document(document: Tree, accept: str) -> Response:
    return json_document(document)


def _groups(accept: str, core: bool) -> Response:
    """The groups of one root, in the form that is asked for first."""
    for each in parse_accept(accept):
        if each.type == JSON and each.parameters.get("as") == "APIGroupDiscoveryList":
            version = each.parameters.get("v", "")
            if version in ("v2", "v2beta1"):
                content_type = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                return Response(200, content_type, json_document(_aggregated(core, version)).body)
        elif each.type in (JSON, "*/*"):
            break
    if core:
        return json_document({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
    groups = [_group(group) for group in _GROUPS if group]
    return json_document({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


def _group(group: str) -> Tree:
    versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in _GROUPS[group]]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resource_list(group: str, version: str) -> Tree:
    resources = []
    for kind in _kinds(group, version):
        resources.append(_resource(kind, kind.plural, kind.kind, _verbs(kind)))
        for sub in kind.subresources:
            name = _SUBRESOURCE_KINDS.get(sub, kind.kind)
            resources.append(_resource(kind, f"{kind.plural}/{sub}", name, _SUBRESOURCE_VERBS[sub]))
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _verbs(kind: Kind) -> tuple[str, ...]:
    return ("create",) if kind in REVIEWS else tuple(sorted(verb.value for verb in verbs_of(kind)))


def _kinds(group: str, version: str) -> list[Kind]:
    return sorted((kind for kind in _SERVED if (kind.group, kind.version) == (group, version)), key=lambda kind: kind.plural)


def _resource(kind: Kind, name: str, kind_name: str, verbs: tuple[str, ...]) -> Tree:
    resource: Tree = {"name": name, "singularName": "", "namespaced": kind.namespaced, "kind": kind_name, "verbs": verbs}
    if name == kind.plural:
        resource["singularName"] = kind.singular
        if kind.short_names:
            resource["shortNames"] = kind.short_names
        if kind.categories:
            resource["categories"] = kind.categories
    return resource


def _aggregated(core: bool, version: str) -> Tree:
    items = [
        {
            "metadata": {"name": group, "creationTimestamp": None},
            "versions": [
                {
                    "version": each,
                    "resources": [_aggregated_resource(kind) for kind in _kinds(group, each)],
                    "freshness": "Current",
                }
                for each in _GROUPS[group]
            ],
        }
        for group in _GROUPS
        if (not group) is core
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}, "items": items}


def _aggregated_resource(kind: Kind) -> Tree:
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _verbs(kind),
        "shortNames": kind.short_names,
        "categories": kind.categories,
        "subresources": [
            {
                "subresource": sub,
                "responseKind": {"group": kind.group, "version": kind.version, "kind": _SUBRESOURCE_KINDS.get(sub, kind.kind)},
                "verbs": _SUBRESOURCE_VERBS[sub],
            }
            for sub in kind.subresources
        ],
    }
