"""Kinds -> paths of OpenAPI 3.0: which operations there are, with which parameters and bodies."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.api.exchange import JSON, YAML
from moorage.api.openapi_schemas import gvk, list_name, reference, schema_name
from moorage.api.routes import Verb, verbs
from moorage.api.shapes import fully_typed, takes_strategic_patch
from moorage.model.kinds import Kind
from moorage.model.wire import Tree

_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_STRATEGIC_TYPE = "application/strategic-merge-patch+json"

_LIST = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch", "timeoutSeconds")
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")

_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "get": ("resourceVersion",),
    "list": (*_LIST, "allowWatchBookmarks", "sendInitialEvents", "watch"),
    "post": ("dryRun", "fieldManager", "fieldValidation"),
    "put": ("dryRun", "fieldManager", "fieldValidation"),
    "patch": ("dryRun", "fieldManager", "fieldValidation", "force"),
    "delete": _DELETE,
    "deletecollection": (*_LIST, *_DELETE),
}

_PARAMETER_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("limit", "timeoutSeconds", "gracePeriodSeconds"), "integer"),
    **dict.fromkeys(("allowWatchBookmarks", "sendInitialEvents", "watch", "force", "orphanDependents"), "boolean"),
}


def _parameter(name: str) -> Tree:
    return {"name": name, "in": "query", "schema": {"type": _PARAMETER_TYPES.get(name, "string")}}


def paths_of(kind: Kind) -> Tree:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
    one = f"{collection}/{{name}}"
    whole = {"get": "list", "post": "post"}
    if Verb.DELETE_COLLECTION in verbs(kind):
        whole["delete"] = "deletecollection"
    paths = {
        collection: _operations(kind, collection, whole),
        one: _operations(kind, one, {"get": "get", "put": "put", "patch": "patch", "delete": "delete"}),
    }
    if kind.namespaced:
        paths[f"{prefix}/{kind.plural}"] = _operations(kind, f"{prefix}/{kind.plural}", {"get": "list"})
    if "status" in kind.subresources:
        paths[f"{one}/status"] = _operations(kind, f"{one}/status", {"get": "get", "put": "put", "patch": "patch"})
    return paths


def _operations(kind: Kind, path: str, actions: Mapping[str, str]) -> Tree:
    named = [name for name in ("namespace", "name") if f"{{{name}}}" in path]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    operations: Tree = {method: _operation(kind, action) for method, action in actions.items()}
    if parameters:
        operations["parameters"] = parameters
    return operations


def _operation(kind: Kind, action: str) -> Tree:
    one = reference(schema_name(kind.type, kind))
    answer = reference(list_name(kind)) if action in ("list", "deletecollection") else one
    operation: Tree = {
        "tags": [f"{kind.group or 'core'}_{kind.version}"],
        "parameters": [_parameter(name) for name in _PARAMETERS[action]],
        "responses": {"200": {"description": "OK", "content": {JSON: {"schema": answer}, YAML: {"schema": answer}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
    }
    if action in ("post", "put"):
        operation["requestBody"] = {"required": True, "content": {"*/*": {"schema": one}}}
    elif action == "patch":
        offered = takes_strategic_patch(kind) and fully_typed(kind.type)
        types = (*_PATCH_TYPES, _STRATEGIC_TYPE) if offered else _PATCH_TYPES
        operation["requestBody"] = {"required": True, "content": {each: {"schema": {"type": "object"}} for each in types}}
    return operation
