"""What somebody wants to do, as authorization sees it, and the words in which it is refused.

Source: apiserver `pkg/endpoints/request/requestinfo.go`, `pkg/endpoints/handlers/responsewriters/errors.go`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from moorage.api.auth import User
from moorage.api.routes import Target, Verb
from moorage.model.errors import ApiError
from moorage.model.kinds import NAMESPACES


class Ask(msgspec.Struct, frozen=True):
    """A verb and a resource (plural, with its group apart), or a verb and the path of a document.

    `fields` is the field selector of a LIST, WATCH or DELETECOLLECTION.
    """

    verb: str
    resource: str = ""
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    fields: str = ""
    path: str = ""

    @property
    def full(self) -> str:
        """The resource as the table of roles names it: `pods`, `pods/status`, `leases.coordination.k8s.io`."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{resource}/{self.subresource}" if self.subresource else resource


def ask_of(verb: Verb, target: Target, query: Mapping[str, str]) -> Ask:
    """A Namespace counts as being inside of itself, as upstream has it."""
    kind = target.kind
    return Ask(
        verb=verb.value,
        resource=kind.plural,
        group=kind.group,
        subresource=target.subresource,
        namespace=target.name if kind is NAMESPACES else target.namespace,
        name=target.name,
        fields="" if target.name else query.get("fieldSelector", ""),
    )


def forbidden(user: User, ask: Ask, why: str = "") -> ApiError:
    """403 as upstream words it; `why` is added where there is a reason to tell."""
    words = _escaped(_what(user, ask)) + (f": {why}" if why else "")
    if not ask.resource:
        return ApiError(403, "Forbidden", f"forbidden: {words}")
    full = f"{ask.resource}.{ask.group}" if ask.group else ask.resource
    named = f"{full} {json.dumps(ask.name, ensure_ascii=False)}" if ask.name else full
    details = {"name": ask.name, "group": ask.group, "kind": ask.resource}
    return ApiError(403, "Forbidden", f"{named} is forbidden: {words}", details)


def not_admitted(ask: Ask, name: str, why: str) -> ApiError:
    """403 of an object that was understood and may not be written so."""
    full = f"{ask.resource}.{ask.group}" if ask.group else ask.resource
    details = {"name": name, "group": ask.group, "kind": ask.resource}
    return ApiError(403, "Forbidden", f"{full} {json.dumps(name, ensure_ascii=False)} is forbidden: {why}", details)


def _what(user: User, ask: Ask) -> str:
    if not ask.resource:
        return f'User "{user.name}" cannot {ask.verb} path "{ask.path}"'
    resource = f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource
    place = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {ask.verb} resource "{resource}" in API group "{ask.group}" {place}'


def _escaped(words: str) -> str:
    """A page that shows the message must not run what a path or a name smuggles in."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
