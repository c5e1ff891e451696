"""An API type -> how its values are taken apart into fields that have owners.

Each node of a schema names the parts of a value as FieldsV1 names them: `f:` and a field or map key, `k:` and the keys of a
list item, `v:` and a value of a set. A value may be a typed struct or a tree; both give the same parts. Schemas are made once
for each type.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from moorage.model.kinds import Kind
from moorage.model.meta import Object, ObjectMeta
from moorage.model.wire import ApiType, Tree
from moorage.registry.managed import lists

Parts = dict[str, Any]
"""Path element -> value."""


class Repeated(tuple[Any, ...]):
    """Items of one list with the same keys: owned together, as one value."""

    __slots__ = ()


class Node:
    """A value that is owned as a whole: a scalar, or something atomic. The other nodes derive from it."""

    named = False
    """Whether the parts are declared fields."""

    def parts(self, value: Any, zero: bool = True) -> Parts | None:
        """The parts of a value, None where it has none. `zero`: structs that upstream holds by value are always there."""
        return None

    def child(self, element: str) -> Node:
        return LEAF


LEAF = Node()
_EMPTY: Tree = {}


class Record(Node):
    """A struct. `fields` are (path element, attribute, default) of what has owners; `children` those that have parts;
    `always` those that upstream holds by value.
    """

    named = True

    def __init__(self, fields: list[tuple[str, str, Any]], children: Mapping[str, Node], always: tuple[str, ...]) -> None:
        self._elements = tuple(element for element, _, _ in fields)
        self._values = attrgetter(*(attribute for _, attribute, _ in fields), "__class__")
        self._defaults = tuple(default for _, _, default in fields)
        self._children = children
        self.always = always
        self._known = frozenset(self._elements)

    def parts(self, value: Any, zero: bool = True) -> Parts:
        if isinstance(value, dict):
            found = {element: each for name, each in value.items() if (element := f"f:{name}") in self._known}
        else:
            given = zip(self._elements, self._values(value), self._defaults, strict=False)
            found = {element: each for element, each, default in given if each is not default and each != default}
        if zero:
            for element in self.always:
                found.setdefault(element, _EMPTY)
        return found

    def child(self, element: str) -> Node:
        return self._children.get(element, LEAF)


class Entries(Node):
    """A map from strings to values of one kind."""

    def __init__(self, item: Node = LEAF) -> None:
        self._item = item

    def parts(self, value: Any, zero: bool = True) -> Parts | None:
        return {f"f:{name}": each for name, each in value.items()}

    def child(self, element: str) -> Node:
        return self._item


class Items(Node):
    """A list whose items are told apart by keys. Items without any key have no place and are left out (see `check`)."""

    def __init__(self, keys: tuple[str, ...], item: Node) -> None:
        self.keys = tuple(sorted(keys))
        self._item = item

    def parts(self, value: Any, zero: bool = True) -> Parts | None:
        if not isinstance(value, list | tuple):
            return None
        found: Parts = {}
        for each in value:
            element = self.element(each)
            if element is None:
                continue
            if element in found:
                before = found[element]
                each = Repeated((*before, each)) if isinstance(before, Repeated) else Repeated((before, each))
            found[element] = each
        return found

    def element(self, item: Any) -> str | None:
        """The name of an item, None where it has none of the keys."""
        keys = {}
        for key in self.keys:
            value = _given(item, key)
            value = lists.KEY_DEFAULTS.get(key) if value is None else value
            if value is not None:
                keys[key] = value
        return f"k:{written(keys)}" if keys else None

    def child(self, element: str) -> Node:
        return self._item


def _given(item: Any, key: str) -> Any:
    """A field of a list item by its wire name, None where it is absent."""
    if isinstance(item, dict):
        return item.get(key)
    attribute, default = _attributes(item.__class__).get(key, ("", None))
    value = getattr(item, attribute) if attribute else None
    return None if value == default else value


@functools.cache
def _attributes(type_: type[Any]) -> Mapping[str, tuple[str, Any]]:
    if not _is_struct(type_):
        return {}
    return {field.encode_name: (field.name, field.default) for field in msgspec.structs.fields(type_)}


class Values(Node):
    """A set of plain values."""

    def parts(self, value: Any, zero: bool = True) -> Parts | None:
        return {self.element(each): each for each in value}

    def element(self, item: Any) -> str:
        return f"v:{written(item)}"


class Loose(Node):
    """A struct without a type here: what is a map has parts, and fields that `lists.LOOSE` names are what it says."""

    named = True

    def parts(self, value: Any, zero: bool = True) -> Parts | None:
        return {f"f:{name}": each for name, each in value.items()} if isinstance(value, dict) else None

    def child(self, element: str) -> Node:
        return _LOOSE_FIELDS.get(element, LOOSE)


LOOSE = Loose()
_LOOSE_FIELDS: Mapping[str, Node] = {
    f"f:{name}": Items(rule.keys, LOOSE) if isinstance(rule, lists.Keyed) else LEAF for name, rule in lists.LOOSE.items()
}


def written(value: Any) -> str:
    """A key or value inside a path element: JSON as Go writes it."""
    text = msgspec.json.encode(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def schema_of(kind: Kind) -> Record:
    """The schema of a kind. In kinds that upstream knows by a CustomResourceDefinition alone nothing is held by value."""
    by_value = "." not in kind.group or kind.group.endswith(".k8s.io")
    return _record(kind.type, by_value)


@functools.cache
def _record(type_: type[ApiType], by_value: bool) -> Record:
    hints = typing.get_type_hints(type_)
    rules = lists.FIELDS.get(type_, {})
    untracked = lists.UNTRACKED if type_ is ObjectMeta else {"apiVersion", "kind"} if issubclass(type_, Object) else frozenset()
    fields, children, always = [], {}, []
    for field in msgspec.structs.fields(type_):
        name, element = field.encode_name, f"f:{field.encode_name}"
        if name in untracked:
            continue
        fields.append((element, field.name, {} if field.default_factory is dict else field.default))
        child = _node(hints[field.name], rules.get(name), by_value)
        if child is not LEAF:
            children[element] = child
        held = (isinstance(child, Record) and _is_struct(hints[field.name])) or rules.get(name) == lists.ALWAYS
        if held and (by_value or name == "metadata"):
            always.append(element)
    return Record(fields, children, tuple(always))


def _node(hint: Any, rule: lists.Rule | None, by_value: bool) -> Node:
    """The node of a field with that type; lists and atomic structs without a rule are leaves."""
    inner = next(each for each in _alternatives(hint) if each is not type(None))
    if rule == lists.ATOMIC:
        return LEAF
    if rule == lists.SET:
        return Values()
    if isinstance(rule, lists.Keyed):
        return Items(rule.keys, LEAF if rule.whole else _node(rule.of or typing.get_args(inner)[0], None, by_value))
    if _is_struct(inner):
        return LEAF if inner in lists.ATOMIC_TYPES else _record(inner, by_value)
    if typing.get_origin(inner) is dict:
        return LOOSE if typing.get_args(inner)[1] is Any else Entries()
    return LEAF


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, ApiType)
