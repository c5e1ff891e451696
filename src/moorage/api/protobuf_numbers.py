"""Field numbers of protobuf messages that only an API server reads. Source: the `generated.proto` files of Kubernetes 1.36."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.api import review_types as reviews
from moorage.api.options import DeleteBody, Preconditions
from moorage.model.wire import ApiType

NUMBERS: Mapping[type[ApiType], Mapping[int, str]] = {
    DeleteBody: {
        1: "gracePeriodSeconds",
        2: "preconditions",
        3: "orphanDependents",
        4: "propagationPolicy",
        5: "dryRun",
    },
    Preconditions: {1: "uid", 2: "resourceVersion"},
    reviews.SelfSubjectAccessReview: {1: "metadata", 2: "spec"},
    reviews.SelfSubjectAccessReviewSpec: {1: "resourceAttributes", 2: "nonResourceAttributes"},
    reviews.SubjectAccessReview: {1: "metadata", 2: "spec"},
    reviews.LocalSubjectAccessReview: {1: "metadata", 2: "spec"},
    reviews.SubjectAccessReviewSpec: {1: "resourceAttributes", 2: "nonResourceAttributes", 3: "user", 4: "groups", 6: "uid"},
    reviews.ResourceAttributes: {
        1: "namespace",
        2: "verb",
        3: "group",
        4: "version",
        5: "resource",
        6: "subresource",
        7: "name",
        8: "fieldSelector",
    },
    reviews.FieldSelectorAttributes: {1: "rawSelector", 2: "requirements"},
    reviews.FieldSelectorRequirement: {1: "key", 2: "operator", 3: "values"},
    reviews.NonResourceAttributes: {1: "path", 2: "verb"},
    reviews.SelfSubjectRulesReview: {1: "metadata", 2: "spec"},
    reviews.SelfSubjectRulesReviewSpec: {1: "namespace"},
    reviews.SelfSubjectReview: {1: "metadata"},
    reviews.TokenReview: {1: "metadata", 2: "spec"},
    reviews.TokenReviewSpec: {1: "token", 2: "audiences"},
}
