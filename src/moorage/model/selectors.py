"""Label and field selectors: text -> a predicate. Source: apimachinery `pkg/labels/selector.go` and `pkg/fields`."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping

import msgspec

from moorage.model.errors import ApiError, bad_request


class Operator(enum.Enum):
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "!"
    GREATER = "gt"
    LESS = "lt"


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
            case Operator.GREATER | Operator.LESS:
                value = labels.get(self.key, "")
                if not _is_integer(value):
                    return False
                wanted = int(self.values[0])
                return int(value) > wanted if self.operator is Operator.GREATER else int(value) < wanted


class Selector(msgspec.Struct, frozen=True):
    """All requirements must hold; an empty selector matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(each.matches(labels) for each in self.requirements)


EVERYTHING = Selector()

_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_SYMBOLS = frozenset(["==", "!=", "=", "!", "(", ")", ",", "<", ">"])
_KEY = re.compile(r"(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?").fullmatch
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?").fullmatch

_BINARY = {
    "in": Operator.IN, "notin": Operator.NOT_IN, "=": Operator.IN, "==": Operator.IN, "!=": Operator.NOT_IN,
    ">": Operator.GREATER, "<": Operator.LESS,
}  # fmt: skip


def parse_label_selector(text: str) -> Selector:
    """`app=web,tier in (a, b),!legacy,weight>3` as kubectl's `-l` takes it. Raises ApiError 400 in upstream's words."""
    return Selector(tuple(_LabelParser(text).requirements()))


class _LabelParser:
    """A text as tokens; the empty token is its end."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = [*_TOKEN.findall(text), ""]
        self._next = 0

    def requirements(self) -> Iterator[Requirement]:
        while self._look():
            if self._look() in _SYMBOLS - {"!"}:
                raise bad_request(f"found '{self._look()}', expected: !, identifier, or 'end of string'")
            yield self._requirement()
            found = self._take()
            if not found:
                return
            if found != ",":
                raise bad_request(f"found '{found}', expected: ',' or 'end of string'")
            if self._look() in _SYMBOLS - {"!"} or not self._look():
                raise bad_request(f"found '{self._look()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._look() == "!"
        if absent:
            self._take()
        key = self._identifier()
        if not _KEY(key):
            raise _refused(f'<nil>: Invalid value: "{key}": must be a qualified name')
        if absent:
            return Requirement(key, Operator.ABSENT)
        if self._look() in ("", ","):
            return Requirement(key, Operator.EXISTS)
        word = self._take()
        operator = _BINARY.get(word)
        if operator is None:
            raise _refused(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if word in ("in", "notin") else (self._value(),)
        for value in values:
            if not _VALUE(value):
                raise _refused(f'values[0][{key}]: Invalid value: "{value}": must be a label value')
            if operator in (Operator.GREATER, Operator.LESS) and not _is_integer(value):
                raise _refused(f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer")
        return Requirement(key, operator, values)

    def _value(self) -> str:
        return "" if self._look() in ("", ",") else self._identifier()

    def _values(self) -> tuple[str, ...]:
        found = self._take()
        if found != "(":
            raise _refused(f"found '{found}' expected: '('")
        values = {""} if self._look() in (")", ",") else set()
        while (found := self._take()) != ")":
            if found in _SYMBOLS - {","} or not found:
                raise _refused(f"found '{found}', expected: ',', ')' or identifier")
            if found != ",":
                values.add(found)
            elif self._look() in (",", ")"):
                values.add("")
            if found != "," and self._look() not in (",", ")"):
                raise _refused(f"found '{self._look()}', expected: ',' or ')'")
        return tuple(sorted(values))

    def _identifier(self) -> str:
        found = self._take()
        if not found or found in _SYMBOLS:
            raise _refused(f"found '{found}', expected: identifier")
        return found

    def _look(self) -> str:
        return self._tokens[self._next]

    def _take(self) -> str:
        found = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return found


def _refused(why: str) -> ApiError:
    return bad_request(f"unable to parse requirement: {why}")


def _is_integer(value: str) -> bool:
    """What Go's ParseInt takes for 64 bits."""
    return re.fullmatch(r"[-+]?[0-9]{1,19}", value, re.ASCII) is not None and -(1 << 63) <= int(value) < 1 << 63


def parse_field_selector(text: str) -> Selector:
    """`metadata.name=web,status.phase!=Running`; a backslash goes before a comma, an equals sign or a backslash in a value.

    Raises ApiError 400 where a term is no `path=value`.
    """
    requirements = []
    for term in filter(None, re.findall(r"(?:[^,\\]|\\.)+", text, re.DOTALL)):
        match = re.fullmatch(r"([^=!\\]+)(==|!=|=)((?:[^\\=,]|\\[\\=,])*)", term, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        operator = Operator.NOT_IN if match[2] == "!=" else Operator.IN
        requirements.append(Requirement(match[1], operator, (re.sub(r"\\(.)", r"\1", match[3]),)))
    return Selector(tuple(requirements))


def match_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A Service's `spec.selector`: every pair must be present. An empty selector matches nothing (upstream rule)."""
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
