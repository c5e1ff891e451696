"""Strategic merge patch: a merge patch that knows which lists are sets of named things.

Source: apimachinery `pkg/util/strategicpatch`. Directives: `$patch` (replace, delete, merge) in an object or list item,
`$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`, `$retainKeys`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moorage.api.shapes import Field, Strategy, shape
from moorage.model.errors import ApiError, bad_request
from moorage.model.wire import ApiType, Tree

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
ELEMENT_ORDER = "$setElementOrder/"

_UNKNOWN: Mapping[str, Field] = {}


def apply_strategic_patch(document: Tree, patch: Tree, type_: type[ApiType] | None) -> Tree:
    """The patched document; the given one stays as it is. `type_` None: nothing is known of the fields, lists are replaced.

    Raises ApiError 400 for a malformed directive, 422 for a list item without its merge key.
    """
    match patch.get(DIRECTIVE):
        case None:
            pass
        case "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        case "delete":
            return {}
        case "merge":
            patch = {key: value for key, value in patch.items() if key != DIRECTIVE}
        case other:
            raise bad_request(f"unknown patch type '{other}' in map: {_text(patch)}")
    merged = _retained(document, patch)
    fields = shape(type_) if type_ is not None else _UNKNOWN
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            _delete_from(merged, key.removeprefix(DELETE_FROM), value)
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(merged, key, value, fields.get(key))
    for key, value in patch.items():
        if key.startswith(ELEMENT_ORDER):
            name = key.removeprefix(ELEMENT_ORDER)
            _order(merged, document, patch, name, value, fields.get(name))
    return merged


def _retained(document: Tree, patch: Tree) -> Tree:
    """A copy of the document, without the keys that `$retainKeys` does not name."""
    if RETAIN_KEYS not in patch:
        return dict(document)
    names = patch[RETAIN_KEYS]
    keys = {key for key in patch if not key.startswith("$") and patch[key] is not None}
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names) or not keys <= set(names):
        raise bad_request("invalid patch format of retainKeys")
    return {key: value for key, value in document.items() if key in names}


def _delete_from(merged: Tree, name: str, values: Any) -> None:
    if not isinstance(values, list) or any(isinstance(each, dict | list) for each in values):
        raise bad_request("invalid patch format of primitive list")
    if isinstance(before := merged.get(name), list):
        merged[name] = [each for each in before if each not in values]


def _merge_field(merged: Tree, key: str, value: Any, field: Field | None) -> None:
    before = merged.get(key)
    type_ = field.type if field else None
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        merged[key] = apply_strategic_patch(before if isinstance(before, dict) else {}, value, type_)
    elif isinstance(value, list) and field is not None and field.strategy is not None:
        merged[key] = _merge_list(before if isinstance(before, list) else [], value, field.strategy, type_)
    else:
        merged[key] = value


def _merge_list(before: list[Any], patch: list[Any], strategy: Strategy, type_: type[ApiType] | None) -> list[Any]:
    if not strategy.key:
        return _ordered(list(dict.fromkeys([*_plain(before), *_plain(patch)])), _places(patch, ""), _places(before, ""), "")
    if any(_directive(item) == "replace" for item in patch):
        return [item for item in patch if _directive(item) is None]
    gone = {_key_of(item, strategy.key) for item in patch if _directive(item) == "delete"}
    merged = [item for item in before if _key_of(item, strategy.key) not in gone]
    server = _places(merged, strategy.key)
    places = dict(server)
    for item in patch:
        value = _key_of(item, strategy.key)
        match _directive(item):
            case "delete":
                continue
            case None | "merge":
                place = places.setdefault(value, len(merged))
                if place == len(merged):
                    merged.append({})
                merged[place] = apply_strategic_patch(merged[place], item, type_)
            case other:
                raise bad_request(f"unknown patch type '{other}' in list item: {_text(item)}")
    return _ordered(
        merged, _places([each for each in patch if _directive(each) != "delete"], strategy.key), server, strategy.key
    )


def _order(merged: Tree, document: Tree, patch: Tree, name: str, order: Any, field: Field | None) -> None:
    """Puts the list into the order the writer asked for."""
    if not isinstance(order, list):
        raise bad_request(f"invalid patch format of setElementOrder list: {name}")
    current = merged.get(name)
    if not isinstance(current, list) or field is None or field.strategy is None:
        return
    key = field.strategy.key
    wanted = _places(order, key)
    named = [wanted.get(_identity(each, key), -1) for each in patch.get(name) or [] if _directive(each) is None]
    if -1 in named or named != sorted(named):
        raise bad_request(
            f"The order in patch list:\n{_text(patch.get(name))}\n doesn't match {ELEMENT_ORDER}{name} list:\n{_text(order)}\n"
        )
    merged[name] = _ordered(current, wanted, _places(document.get(name) or [], key), key)


def _ordered(items: list[Any], wanted: Mapping[Any, int], server: Mapping[Any, int], key: str) -> list[Any]:
    """The items of the writer in the writer's order, and between them those that only the server has.

    One of the server's goes before the writer's next where both were on the server in that order; what is new there goes first.
    """
    ours = sorted((each for each in items if _identity(each, key) in wanted), key=lambda each: wanted[_identity(each, key)])
    result: list[Any] = []
    taken = 0
    for item in (each for each in items if _identity(each, key) not in wanted):
        place = server.get(_identity(item, key), -1)
        while taken < len(ours) and server.get(_identity(ours[taken], key), -1) < place:
            result.append(ours[taken])
            taken += 1
        result.append(item)
    return result + ours[taken:]


def _places(items: list[Any], key: str) -> dict[Any, int]:
    """Where each item is; of several with the same key, the first."""
    places: dict[Any, int] = {}
    for place, item in enumerate(items):
        places.setdefault(_identity(item, key), place)
    return places


def _identity(item: Any, key: str) -> Any:
    return _key_of(item, key) if key else _plain([item])[0]


def _directive(item: Any) -> Any:
    return item.get(DIRECTIVE) if isinstance(item, dict) else None


def _key_of(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise bad_request(f"invalid patch: a list item is no object: {_text(item)}")
    value = item.get(key)
    if value is None or isinstance(value, dict | list):
        raise ApiError(422, "Invalid", f"map: {_text(item)} does not contain declared merge key: {key}")
    return value


def _plain(values: list[Any]) -> list[Any]:
    if any(isinstance(each, dict | list) for each in values):
        raise bad_request("invalid patch format of primitive list")
    return values


def _text(value: Any) -> str:
    """A value in a message, shortened."""
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + " ..."
