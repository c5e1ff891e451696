"""What an operator gives -> values: files of YAML, then `KEY=VALUE` after one another. Everything wrong is told at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import yaml

from moorage.deploy.values import Group, Values, as_tree
from moorage.manifest.read import read_documents
from moorage.model.errors import UserError
from moorage.model.wire import Tree


def values_of(files: Mapping[str, str], settings: Iterable[str]) -> Values:
    """`files` has texts by name, the later ones win; `settings` are `KEY=VALUE` and win over them.

    Raises UserError that names each unknown key with the nearest right one, and each value that its key cannot have.
    """
    given: Tree = {}
    wrong: list[str] = []
    for name, text in files.items():
        for tree in _read(name, text):
            wrong += [f"{name}: {each}" for each in _faults(tree, Values, "")]
            given = _merged(given, tree)
    for each in settings:
        try:
            tree = _one(each)
        except UserError as error:
            wrong.append(str(error))
            continue
        wrong += [f"--set {each}: {fault}" for fault in _faults(tree, Values, "")]
        given = _merged(given, tree)
    if not wrong:
        return msgspec.convert(_merged(as_tree(Values()), given), Values)
    raise UserError("\n".join(wrong))


def known_paths(type_: type[Group] = Values, above: str = "") -> Iterator[str]:
    """Every key that can be set: `image.tag`, `node.dnsPort`, `node.resources.requests`."""
    for key, annotation in _keys(type_).items():
        inner = _bare(annotation)
        if _is_group(inner):
            yield from known_paths(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _read(name: str, text: str) -> list[Tree]:
    try:
        return [each.tree for each in read_documents(text)]
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _one(setting: str) -> Tree:
    """`a.b=c` as a tree. A dot that is part of a key has a backslash before it. The type of the key says how `c` is read."""
    path, equals, text = setting.partition("=")
    keys = [each.replace("\\.", ".") for each in re.split(r"(?<!\\)\.", path)]
    if not equals or not all(keys):
        raise UserError(f"--set {setting}: must be KEY=VALUE, such as image.tag=1.2.3")
    value: Any = _value(text, _type_at(keys))
    for key in reversed(keys):
        value = {key: value}
    tree: Tree = value
    return tree


def _type_at(keys: list[str]) -> Any:
    """The type of what is at a path; `Any` where nothing is."""
    found: Any = Values
    for key in keys:
        if _is_group(found):
            found = _bare(_keys(found).get(key, Any))
        elif get_origin(found) is dict:
            found = get_args(found)[1]
        else:
            return Any
    return found


def _value(text: str, type_: Any) -> Any:
    """A text where texts belong; else what YAML makes of it. A list may be written `a,b`, `{a,b}` or `[a, b]`."""
    if type_ is str:
        return text
    if get_origin(type_) is tuple and not text.startswith("["):
        text = f"[{text[1:-1] if text.startswith('{') and ':' not in text else text}]"
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _faults(tree: Any, type_: type[Group], above: str) -> Iterator[str]:
    """What is wrong with a tree, each with its path."""
    if not isinstance(tree, dict):
        yield f"{above.rstrip('.')}: must be a mapping of {', '.join(_keys(type_))}"
        return
    keys = _keys(type_)
    for key, value in tree.items():
        path = f"{above}{key}"
        if key not in keys:
            yield _unknown(path, list(keys), above)
        elif _is_group(inner := _bare(keys[key])):
            yield from _faults(value, inner, f"{path}.")
        else:
            yield from _misfit(path, value, keys[key])


def _misfit(path: str, value: Any, annotation: Any) -> Iterator[str]:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        yield f"{path}: {str(error)[:1].lower()}{str(error)[1:].replace(' - at `$', ' at `' + path)}"


def _unknown(path: str, siblings: list[str], above: str) -> str:
    """The nearest of the keys beside it, else of all."""
    near = [f"{above}{each}" for each in get_close_matches(path.removeprefix(above), siblings, 1)]
    near = near or get_close_matches(path, list(known_paths()), 1, 0.7)
    beside = f"; beside it are {', '.join(siblings)}" if not near else f": did you mean {near[0]}?"
    return f"there is no key {path}{beside}"


def _merged(below: Tree, above: Tree) -> Tree:
    """As Helm merges: mappings key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _keys(type_: type[Group]) -> dict[str, Any]:
    hints = get_type_hints(type_, include_extras=True)
    return {each.encode_name: hints[each.name] for each in msgspec.structs.fields(type_)}


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _is_group(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, Group)
