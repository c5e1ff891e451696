"""Reviews: a question about users or rights -> the same object with its answer in `status`.

Source: upstream `pkg/registry/authorization`, `pkg/registry/authentication` and the validation of their API groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from moorage.api.auth import AUTHENTICATED, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_gate import Gate
from moorage.api.auth_nodes import always
from moorage.api.auth_roles import ANY, Rule
from moorage.api.bodies import read_object
from moorage.api.exchange import Request, Response, json_document
from moorage.api.review_types import (
    REVIEWS,
    FieldSelectorAttributes,
    LocalSubjectAccessReview,
    SelfSubjectAccessReview,
    SelfSubjectAccessReviewSpec,
    SelfSubjectReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
    TokenReview,
)
from moorage.api.routes import Target, Verb
from moorage.api.status import method_not_allowed
from moorage.manifest.convert import decode, encode, to_tree
from moorage.model.clock import timestamp
from moorage.model.errors import FieldError, bad_request, invalid, unprocessable
from moorage.model.kinds import KINDS, Kind
from moorage.model.meta import Object
from moorage.model.wire import Tree

_PATHS = {(kind.group, kind.version, kind.plural): kind for kind in REVIEWS}

_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOT_BOTH = "cannot be specified in combination with resourceAttributes"

_INCOMPLETE = "what depends on the object is left out: a node may write what is its own"


def find_review(path: str) -> Target | None:
    """The collection of reviews that a path names, or None."""
    match path.strip("/").split("/"):
        case ["apis", group, version, "namespaces", namespace, plural]:
            kind = _PATHS.get((group, version, plural))
            return Target(kind, namespace) if kind is not None and kind.namespaced and namespace else None
        case ["apis", group, version, plural]:
            kind = _PATHS.get((group, version, plural))
            return Target(kind) if kind is not None and not kind.namespaced else None
    return None


class Reviews:
    """`clock` gives seconds since the epoch."""

    def __init__(self, gate: Gate, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._clock = clock

    async def answer(self, asked: Request, user: User, target: Target) -> Response:
        """Raises ApiError."""
        if asked.method != "POST":
            raise method_not_allowed()
        kind = target.kind
        self._gate.guard(asked, user, Ask(Verb.CREATE.value, kind.plural, kind.group, namespace=target.namespace))
        body = await read_object(asked, kind.type)
        obj = decode(kind, body.tree).obj
        status = self._status(user, kind, obj, target.namespace)
        tree = {**to_tree(encode(obj)), "kind": kind.kind, "apiVersion": kind.api_version}
        metadata = {"creationTimestamp": timestamp(self._clock())} if isinstance(obj, SelfSubjectReview) else {}
        return json_document({**tree, "metadata": {**tree.get("metadata", {}), **metadata}, "status": status}, 201)

    def _status(self, user: User, kind: Kind, obj: Object, namespace: str) -> Tree:
        match obj:
            case SelfSubjectAccessReview():
                return self._access(user, kind, obj.spec, ())
            case SubjectAccessReview():
                return self._access(_subject(obj.spec), kind, obj.spec, _without_subject(obj.spec))
            case LocalSubjectAccessReview():
                errors = [*_without_subject(obj.spec), *_elsewhere(obj.spec, namespace)]
                return self._access(_subject(obj.spec), kind, obj.spec, errors)
            case SelfSubjectRulesReview():
                if not obj.spec.namespace:
                    raise bad_request("no namespace on request")
                return rules_status(self._gate.authorizer.rules(user))
            case TokenReview():
                return self._token(obj)
            case _:
                return {"userInfo": _user_info(user)}

    def _access(self, user: User, kind: Kind, spec: SelfSubjectAccessReviewSpec, more: Iterable[FieldError]) -> Tree:
        errors = [*_attribute_errors(spec), *more]
        if errors:
            raise unprocessable(kind.kind, kind.group, "", errors)
        return {"allowed": self._gate.authorizer.allows(user, ask_about(spec))}

    def _token(self, review: TokenReview) -> Tree:
        if not review.spec.token:
            raise bad_request("token is required for TokenReview in authentication")
        user = self._gate.authenticator.user(review.spec.token)
        if user is None:
            return {"authenticated": False, "user": {}, "error": "invalid bearer token"}
        known = msgspec.structs.replace(user, groups=(*user.groups, AUTHENTICATED))
        return {"authenticated": True, "user": _user_info(known), "audiences": list(review.spec.audiences)}


def ask_about(spec: SelfSubjectAccessReviewSpec) -> Ask:
    """What a review asks about; one of the two kinds of attributes is there."""
    if spec.non_resource_attributes is not None:
        return Ask(spec.non_resource_attributes.verb, path=spec.non_resource_attributes.path)
    assert spec.resource_attributes is not None
    about = spec.resource_attributes
    return Ask(
        about.verb, about.resource, about.group, about.subresource, about.namespace, about.name, _fields(about.field_selector)
    )


def _fields(selector: FieldSelectorAttributes | None) -> str:
    if selector is None:
        return ""
    equal = [f"{each.key}={each.values[0]}" for each in selector.requirements if (each.operator, len(each.values)) == ("In", 1)]
    return selector.raw_selector or ",".join(equal)


def _attribute_errors(spec: SelfSubjectAccessReviewSpec) -> list[FieldError]:
    if spec.resource_attributes is None and spec.non_resource_attributes is None:
        return [invalid("spec.resourceAttributes", None, _ONE_OF)]
    if spec.resource_attributes is not None and spec.non_resource_attributes is not None:
        return [invalid("spec.nonResourceAttributes", spec.non_resource_attributes, _NOT_BOTH)]
    return []


def _without_subject(spec: SubjectAccessReviewSpec) -> list[FieldError]:
    if spec.user or spec.groups:
        return []
    return [invalid("spec.user", "", "at least one of user or group must be specified")]


def _elsewhere(spec: SubjectAccessReviewSpec, namespace: str) -> list[FieldError]:
    if spec.non_resource_attributes is not None:
        return [invalid("spec.nonResourceAttributes", spec.non_resource_attributes, "disallowed on this kind of request")]
    about = spec.resource_attributes
    if about is not None and about.namespace != namespace:
        return [invalid("spec.resourceAttributes.namespace", about.namespace, "must match metadata.namespace")]
    return []


def _subject(spec: SubjectAccessReviewSpec) -> User:
    return User(spec.user, spec.groups, spec.uid, spec.extra)


def _user_info(user: User) -> Tree:
    info: Tree = {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra}
    return {name: value for name, value in info.items() if value}


def rules_status(rules: Sequence[Rule]) -> Tree:
    """What may be done in any case. `*` with exceptions is written out; a rule with a condition cannot be told so."""
    sure = [each for each in rules if each.where is always]
    status: Tree = {
        "resourceRules": [one for rule in sure for one in _resource_rules(rule)],
        "nonResourceRules": [
            {"verbs": sorted(each.verbs), "nonResourceURLs": sorted(each.paths)} for each in sure if each.paths
        ],
        "incomplete": len(sure) < len(rules),
    }
    return {**status, "evaluationError": _INCOMPLETE} if status["incomplete"] else status


def _resource_rules(rule: Rule) -> list[Tree]:
    """One for each API group."""
    resources = rule.resources
    if ANY in resources and rule.but:
        resources = frozenset(kind.resource for kind in KINDS if kind.plural not in rule.but)
    groups: dict[str, list[str]] = {}
    for each in sorted(resources):
        name, slash, subresource = each.partition("/")
        plural, _, group = name.partition(".")
        groups.setdefault(ANY if each == ANY else group, []).append(f"{plural}{slash}{subresource}")
    return [{"verbs": sorted(rule.verbs), "apiGroups": [group], "resources": names} for group, names in groups.items()]
