"""Which records a list or watch shows: namespace, label selector, field selector.

Source: `AddFieldLabelConversionFunc` of each kind (`pkg/apis/*/v1/conversion.go`) for the fields and the refusals.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from moorage.manifest.convert import load
from moorage.model.errors import bad_request
from moorage.model.kinds import BY_RESOURCE, CONFIG_MAPS, EVENTS, NAMESPACES, NODES, PODS, SECRETS, SERVICES, Kind
from moorage.model.ports import Record
from moorage.model.selectors import Operator, Selector
from moorage.registry.strategy import Strategy

_META = ("metadata.name", "metadata.namespace")

_OWN_WORDS = {kind.resource for kind in (PODS, SERVICES, NODES, NAMESPACES, EVENTS, CONFIG_MAPS, SECRETS)}
"""Kinds that list their own fields upstream and refuse others in other words."""


class Selection(msgspec.Struct, frozen=True):
    """A predicate on records. An empty namespace means all."""

    strategy: Strategy[Any]
    namespace: str
    labels: Selector
    fields: Selector

    def __bool__(self) -> bool:
        """Whether anything is selected at all; a false one shows every record."""
        return bool(self.namespace or self.labels.requirements or self.fields.requirements)

    def shows(self, record: Record) -> bool:
        if self.namespace and record.key.namespace != self.namespace:
            return False
        if not self.labels.matches(record.labels):
            return False
        return not self.fields.requirements or self.fields.matches(self._values(record))

    def _values(self, record: Record) -> Mapping[str, str]:
        """Names come from the key; the body is looked into only when a field of it is asked for."""
        values = {"metadata.name": record.key.name, "metadata.namespace": record.key.namespace}
        if any(each.key not in values for each in self.fields.requirements):
            values.update(_own_values(self.strategy, record.resource, record.body))
        return values


@lru_cache(maxsize=512)
def _own_values(strategy: Strategy[Any], resource: str, body: bytes) -> Mapping[str, str]:
    """Many watchers ask about the same few new records."""
    return strategy.selectable(load(BY_RESOURCE[resource], body))


def select(kind: Kind, strategy: Strategy[Any], namespace: str, labels: Selector, fields: Selector) -> Selection:
    """Raises ApiError 400 where the field selector names a field that the kind does not offer."""
    offered = {*strategy.fields, "metadata.name", *(("metadata.namespace",) if kind.namespaced else ())}
    for requirement in fields.requirements:
        if requirement.key not in offered:
            raise bad_request(_refusal(kind, requirement.key, labels, fields))
    return Selection(strategy, namespace, labels, fields)


def _refusal(kind: Kind, field: str, labels: Selector, fields: Selector) -> str:
    if kind.resource in _OWN_WORDS:
        why = f"field label not supported: {field}"
    else:
        why = f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    resource = f"{kind.group}/{kind.version}, Resource={kind.plural}"
    selectors = f'label selector "{_text(labels)}", field selector "{_text(fields)}"'
    return f'Unable to find "{resource}" that match {selectors}: {why}'


_SIGNS = {Operator.IN: "=", Operator.NOT_IN: "!=", Operator.GREATER: ">", Operator.LESS: "<"}


def _text(selector: Selector) -> str:
    """A selector in the form that kubectl's `-l` and `--field-selector` take."""
    terms = []
    for each in selector.requirements:
        if each.operator is Operator.EXISTS:
            terms.append(each.key)
        elif each.operator is Operator.ABSENT:
            terms.append(f"!{each.key}")
        elif len(each.values) == 1:
            terms.append(f"{each.key}{_SIGNS[each.operator]}{each.values[0]}")
        else:
            terms.append(f"{each.key} {each.operator.value} ({','.join(each.values)})")
    return ",".join(terms)
