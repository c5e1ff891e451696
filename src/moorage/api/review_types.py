"""Questions about users and rights: they are created, answered at once and never kept.

Source: `authorization.k8s.io/v1` and `authentication.k8s.io/v1`. Their answers (`status`) are made as plain trees.
"""

from __future__ import annotations

from moorage.model.kinds import Kind
from moorage.model.meta import Object
from moorage.model.wire import ApiType

AUTHORIZATION = "authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"


class FieldSelectorRequirement(ApiType, frozen=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class FieldSelectorAttributes(ApiType, frozen=True):
    raw_selector: str = ""
    requirements: tuple[FieldSelectorRequirement, ...] = ()


class ResourceAttributes(ApiType, frozen=True):
    """Empty strings stand for all namespaces, any name."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    field_selector: FieldSelectorAttributes | None = None


class NonResourceAttributes(ApiType, frozen=True):
    path: str = ""
    verb: str = ""


class SelfSubjectAccessReviewSpec(ApiType, frozen=True):
    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None


class SelfSubjectAccessReview(Object, frozen=True):
    """`kubectl auth can-i VERB RESOURCE`."""

    spec: SelfSubjectAccessReviewSpec = SelfSubjectAccessReviewSpec()


class SubjectAccessReviewSpec(SelfSubjectAccessReviewSpec, frozen=True):
    user: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}
    uid: str = ""


class SubjectAccessReview(Object, frozen=True):
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()


class LocalSubjectAccessReview(Object, frozen=True):
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()


class SelfSubjectRulesReviewSpec(ApiType, frozen=True):
    namespace: str = ""


class SelfSubjectRulesReview(Object, frozen=True):
    """`kubectl auth can-i --list`."""

    spec: SelfSubjectRulesReviewSpec = SelfSubjectRulesReviewSpec()


class SelfSubjectReview(Object, frozen=True):
    """`kubectl auth whoami`."""


class TokenReviewSpec(ApiType, frozen=True):
    token: str = ""
    audiences: tuple[str, ...] = ()


class TokenReview(Object, frozen=True):
    spec: TokenReviewSpec = TokenReviewSpec()


def _review(group: str, type_: type[Object], namespaced: bool = False) -> Kind:
    singular = type_.__name__.lower()
    return Kind(
        group=group,
        version="v1",
        kind=type_.__name__,
        plural=f"{singular}s",
        singular=singular,
        namespaced=namespaced,
        type=type_,
    )


REVIEWS: tuple[Kind, ...] = (
    _review(AUTHORIZATION, SelfSubjectAccessReview),
    _review(AUTHORIZATION, SelfSubjectRulesReview),
    _review(AUTHORIZATION, SubjectAccessReview),
    _review(AUTHORIZATION, LocalSubjectAccessReview, namespaced=True),
    _review(AUTHENTICATION, SelfSubjectReview),
    _review(AUTHENTICATION, TokenReview),
)
"""Kinds with the one verb `create`."""
