"""Claims of ServiceAccount tokens. Source: `pkg/serviceaccount/claims.go` and `legacy.go`."""

from __future__ import annotations

from moorage.model.wire import Tree

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who issues tokens, and the audience that they have by default: the API server itself."""
LEGACY_ISSUER = "kubernetes/serviceaccount"
LEGACY_PREFIX = "kubernetes.io/serviceaccount/"

DEFAULT_LIFE = 3600
SHORTEST_LIFE = 600
LONGEST_LIFE = 2**32
"""Seconds."""


def subject(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def secret_claims(namespace: str, secret: str, account: str, uid: str) -> Tree:
    """What the token of a Secret says: it has no end of its own."""
    return {
        "iss": LEGACY_ISSUER,
        f"{LEGACY_PREFIX}namespace": namespace,
        f"{LEGACY_PREFIX}secret.name": secret,
        f"{LEGACY_PREFIX}service-account.name": account,
        f"{LEGACY_PREFIX}service-account.uid": uid,
        "sub": subject(namespace, account),
    }
