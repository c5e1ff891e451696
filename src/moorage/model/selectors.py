"""Label and field selectors: text -> a predicate. Source: apimachinery `pkg/labels/selector.go` and `pkg/fields`."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

import msgspec

from moorage.model.errors import bad_request


class Operator(enum.Enum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"


class Requirement(msgspec.Struct, frozen=True):
    """One term. `values` is empty for EXISTS and ABSENT; `k=v` is IN with one value, `k!=v` is NOT_IN with one."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        match self.operator:
            case Operator.IN:
                return self.key in labels and labels[self.key] in self.values
            case Operator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels


class Selector(msgspec.Struct, frozen=True):
    """All requirements must hold; an empty selector matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(each.matches(labels) for each in self.requirements)


EVERYTHING = Selector()

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<absent_key>{_KEY})"
    rf"|(?P<set_key>{_KEY})\s+(?P<set_operator>in|notin)\s*\((?P<set_values>[^()]*)\)"
    rf"|(?P<key>{_KEY})\s*(?:(?P<operator>==|=|!=)\s*(?P<value>[^,()\s]*))?)\s*"
)


def parse_label_selector(text: str) -> Selector:
    """`app=web,tier in (a, b),!legacy` as kubectl's `-l` takes it. Raises ApiError 400 with upstream's opening words."""
    requirements = []
    position = 0
    while position < len(text.rstrip()):
        match = _TERM.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise bad_request(f"unable to parse requirement: found '{text[position:].strip()}', expected: a label selector")
        requirements.append(_requirement(match))
        position = match.end() + 1
    return Selector(tuple(requirements))


def _requirement(match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return Requirement(match["absent_key"], Operator.ABSENT)
    if match["set_key"]:
        values = tuple(sorted(each.strip() for each in match["set_values"].split(",")))
        return Requirement(match["set_key"], Operator(match["set_operator"]), values)
    if match["operator"] is None:
        return Requirement(match["key"], Operator.EXISTS)
    operator = Operator.NOT_IN if match["operator"] == "!=" else Operator.IN
    return Requirement(match["key"], operator, (match["value"],))


def parse_field_selector(text: str) -> Selector:
    """`metadata.name=web,status.phase!=Running`. Raises ApiError 400 where a term is no `path=value`."""
    requirements = []
    for term in filter(None, (each.strip() for each in text.split(","))):
        match = re.fullmatch(r"([A-Za-z0-9_.\[\]]+)(==|!=|=)(.*)", term)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        operator = Operator.NOT_IN if match[2] == "!=" else Operator.IN
        requirements.append(Requirement(match[1], operator, (match[3],)))
    return Selector(tuple(requirements))


def match_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A Service's `spec.selector`: every pair must be present. An empty selector matches nothing (upstream rule)."""
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
