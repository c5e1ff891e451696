"""Documents of OpenAPI 3.0 -> one of Swagger 2.0, as far as `openapi_paths` and `openapi_schemas` make use of either."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage.api.exchange import JSON, YAML
from moorage.api.openapi_schemas import REFERENCE
from moorage.model.wire import Tree

_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_DEFINITION = "#/definitions/"


def merged(documents: Iterable[Tree]) -> Tree:
    """At least one document; all have the same title and version."""
    whole: Tree = {"swagger": "2.0", "paths": {}, "definitions": {}}
    for document in documents:
        whole["info"] = document["info"]
        whole["paths"] |= {path: _path(item) for path, item in document["paths"].items()}
        whole["definitions"] |= {name: _schema(each) for name, each in document["components"]["schemas"].items()}
    return whole


def _path(item: Tree) -> Tree:
    found: Tree = {method: _operation(each) for method, each in item.items() if method in _METHODS}
    if "parameters" in item:
        found["parameters"] = [_parameter(each) for each in item["parameters"]]
    return found


def _operation(operation: Tree) -> Tree:
    found = {name: value for name, value in operation.items() if name.startswith("x-") or name == "tags"}
    parameters = [_parameter(each) for each in operation["parameters"]]
    if body := operation.get("requestBody"):
        schema = next(iter(body["content"].values()))["schema"]
        parameters.append({"name": "body", "in": "body", "required": True, "schema": _schema(schema)})
        found["consumes"] = list(body["content"])
    answers = {}
    for code, answer in operation["responses"].items():
        schema = next(iter(answer["content"].values()))["schema"]
        answers[code] = {"description": answer["description"], "schema": _schema(schema)}
    return {**found, "produces": [JSON, YAML], "parameters": parameters, "responses": answers}


def _parameter(parameter: Tree) -> Tree:
    schema: Tree = parameter["schema"]
    return {name: value for name, value in parameter.items() if name != "schema"} | schema


def _schema(schema: Any) -> Any:
    """References have no `allOf` around them, and numbers that may be text are text with a format."""
    found = dict(schema)
    if "oneOf" in found:
        del found["oneOf"]
        found["type"] = "string"
    if alternatives := found.pop("allOf", None):
        found |= alternatives[0]
    if "$ref" in found:
        found["$ref"] = _DEFINITION + found["$ref"].removeprefix(REFERENCE)
    for inner in ("items", "additionalProperties"):
        if inner in found:
            found[inner] = _schema(found[inner])
    if "properties" in found:
        found["properties"] = {name: _schema(each) for name, each in found["properties"].items()}
    return found
