"""Rules of RBAC: would they allow what is asked? Source: Kubernetes `pkg/registry/rbac/validation` (RuleAllows)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from moorage.api.auth_asks import Ask


class Right(Protocol):
    """One rule of a role: `resources` in one API group, with subresources as `services/status`.

    `names` narrow it to objects of these names, `namespace` to one namespace; empty is everywhere.
    """

    @property
    def group(self) -> str: ...
    @property
    def resources(self) -> Sequence[str]: ...
    @property
    def verbs(self) -> Sequence[str]: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def namespace(self) -> str: ...


def permits(rights: Iterable[Right], ask: Ask) -> bool:
    """A create has no name yet, so a rule with names never allows one."""
    return any(_permits(each, ask) for each in rights)


def _permits(right: Right, ask: Ask) -> bool:
    resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
    name = ask.name if ask.verb != "create" or ask.subresource else ""
    return (
        ask.group == right.group
        and resource in right.resources
        and ask.verb in right.verbs
        and (not right.names or name in right.names)
        and (not right.namespace or right.namespace == ask.namespace)
    )


def by_table(table: Mapping[str, Iterable[Right]]) -> Callable[[str, Ask], bool]:
    """Whether a role, named by its User-Agent `moorage-ROLE`, may do what is asked: by the rights that a table gives ROLE."""
    return lambda agent, ask: permits(table[agent.removeprefix("moorage-")], ask)
