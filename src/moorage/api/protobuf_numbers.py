"""Field numbers of Kubernetes' protobuf messages, of those that clients send. Source: the `generated.proto` files of 1.36."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.api import review_types as reviews
from moorage.model.cluster import Namespace, NamespaceSpec
from moorage.model.config import (
    BoundObjectReference,
    ConfigMap,
    LocalObjectReference,
    Secret,
    ServiceAccount,
    TokenRequest,
    TokenRequestSpec,
)
from moorage.model.ingress import (
    HTTPIngressPath,
    HTTPIngressRuleValue,
    Ingress,
    IngressBackend,
    IngressRule,
    IngressServiceBackend,
    IngressSpec,
    IngressTLS,
    ServiceBackendPort,
    TypedLocalObjectReference,
)
from moorage.model.meta import ObjectMeta, ObjectReference, OwnerReference
from moorage.model.service import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from moorage.model.wire import ApiType

NUMBERS: Mapping[type[ApiType], Mapping[int, str]] = {
    ObjectMeta: {
        1: "name",
        2: "generateName",
        3: "namespace",
        5: "uid",
        6: "resourceVersion",
        7: "generation",
        8: "creationTimestamp",
        9: "deletionTimestamp",
        10: "deletionGracePeriodSeconds",
        11: "labels",
        12: "annotations",
        13: "ownerReferences",
        14: "finalizers",
    },
    OwnerReference: {1: "kind", 3: "name", 4: "uid", 5: "apiVersion", 6: "controller", 7: "blockOwnerDeletion"},
    Namespace: {1: "metadata", 2: "spec"},
    NamespaceSpec: {1: "finalizers"},
    Service: {1: "metadata", 2: "spec"},
    ServiceSpec: {
        1: "ports",
        2: "selector",
        3: "clusterIP",
        4: "type",
        5: "externalIPs",
        7: "sessionAffinity",
        8: "loadBalancerIP",
        9: "loadBalancerSourceRanges",
        10: "externalName",
        11: "externalTrafficPolicy",
        12: "healthCheckNodePort",
        13: "publishNotReadyAddresses",
        14: "sessionAffinityConfig",
        17: "ipFamilyPolicy",
        18: "clusterIPs",
        19: "ipFamilies",
        20: "allocateLoadBalancerNodePorts",
        21: "loadBalancerClass",
        22: "internalTrafficPolicy",
        23: "trafficDistribution",
    },
    ServicePort: {1: "name", 2: "protocol", 3: "port", 4: "targetPort", 5: "nodePort", 6: "appProtocol"},
    ConfigMap: {1: "metadata", 2: "data", 3: "binaryData", 4: "immutable"},
    Secret: {1: "metadata", 2: "data", 3: "type", 4: "stringData", 5: "immutable"},
    ServiceAccount: {1: "metadata", 2: "secrets", 3: "imagePullSecrets", 4: "automountServiceAccountToken"},
    TokenRequest: {1: "metadata", 2: "spec"},
    TokenRequestSpec: {1: "audiences", 3: "boundObjectRef", 4: "expirationSeconds"},
    BoundObjectReference: {1: "kind", 2: "apiVersion", 3: "name", 4: "uid"},
    LocalObjectReference: {1: "name"},
    ObjectReference: {
        1: "kind",
        2: "namespace",
        3: "name",
        4: "uid",
        5: "apiVersion",
        6: "resourceVersion",
        7: "fieldPath",
    },
    Ingress: {1: "metadata", 2: "spec"},
    IngressSpec: {1: "defaultBackend", 2: "tls", 3: "rules", 4: "ingressClassName"},
    IngressTLS: {1: "hosts", 2: "secretName"},
    IngressRule: {1: "host"},
    HTTPIngressRuleValue: {1: "paths"},
    HTTPIngressPath: {1: "path", 2: "backend", 3: "pathType"},
    IngressBackend: {3: "resource", 4: "service"},
    IngressServiceBackend: {1: "name", 2: "port"},
    ServiceBackendPort: {1: "name", 2: "number"},
    TypedLocalObjectReference: {1: "apiGroup", 2: "kind", 3: "name"},
    SessionAffinityConfig: {1: "clientIP"},
    ClientIPConfig: {1: "timeoutSeconds"},
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

EMBEDDED: Mapping[type[ApiType], Mapping[int, Mapping[int, str]]] = {IngressRule: {2: {1: "http"}}}
"""Messages that JSON does not have: their fields are fields of the type around them."""

BASE64 = frozenset({(ConfigMap, "binaryData"), (Secret, "data")})
"""Maps of bytes, which are base64 in JSON."""
