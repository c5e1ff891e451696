"""`serviceaccounts/NAME/token`: a TokenRequest is answered with a token. Nothing is stored.

Source: `pkg/registry/core/serviceaccount/storage/token.go`, `pkg/apis/authentication/validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from moorage.manifest.convert import encode, load
from moorage.model.clock import timestamp
from moorage.model.config import BoundObjectReference, ServiceAccount, TokenRequest, TokenRequestSpec, TokenRequestStatus
from moorage.model.errors import ApiError, FieldError, bad_request, conflict, invalid, unprocessable
from moorage.model.kinds import NODES, PODS, SECRETS, SERVICE_ACCOUNTS
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.ports import Outcome, Record, TokenIssuer
from moorage.model.tokens import DEFAULT_LIFE, ISSUER, LONGEST_LIFE, SHORTEST_LIFE, subject
from moorage.model.wire import Tree
from moorage.registry.refusals import missing
from moorage.registry.strategy import ReadView

if TYPE_CHECKING:
    from random import Random

_BOUND = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}


def read_token_request(tree: Tree, key: Key) -> TokenRequest:
    """The request, completed. Raises ApiError 400 for a wrong type or name, 422 for a life that is too short or too long."""
    stripped = {name: value for name, value in tree.items() if value is not None}
    try:
        asked = msgspec.convert(stripped, TokenRequest)
    except msgspec.ValidationError as error:
        message = f'TokenRequest in version "v1" cannot be handled as a TokenRequest: json: {error}'
        raise bad_request(message) from error
    if asked.metadata.name not in ("", key.name):
        raise bad_request("metadata.name must match the service account name")
    if asked.metadata.namespace not in ("", key.namespace):
        raise bad_request("metadata.namespace must match the namespace of the service account")
    spec = asked.spec
    life = DEFAULT_LIFE if spec.expiration_seconds is None else spec.expiration_seconds
    errors: list[FieldError] = []
    if life < SHORTEST_LIFE:
        errors.append(invalid("spec.expirationSeconds", life, "may not specify a duration less than 10 minutes"))
    if life > LONGEST_LIFE:
        errors.append(invalid("spec.expirationSeconds", life, "may not specify a duration larger than 2^32 seconds"))
    if errors:
        raise unprocessable("TokenRequest", "authentication.k8s.io", asked.metadata.name, errors)
    spec = msgspec.structs.replace(spec, audiences=spec.audiences or (ISSUER,), expiration_seconds=life)
    return msgspec.structs.replace(asked, spec=spec)


def grant(view: ReadView, key: Key, asked: TokenRequest, issuer: TokenIssuer | None, now: float, random: Random) -> Outcome:
    """Raises ApiError 404 where the account or what the token is bound to is missing, 409 where it is another by uid."""
    record = view.get(SERVICE_ACCOUNTS.resource, key)
    account = load(SERVICE_ACCOUNTS, record.body) if record else None
    if not isinstance(account, ServiceAccount):
        raise missing(SERVICE_ACCOUNTS, key)
    if issuer is None:
        raise ApiError(501, "NotImplemented", "this server has no key to sign tokens with")
    spec, begin = asked.spec, int(now)
    end = begin + (spec.expiration_seconds or 0)
    claims = {
        "aud": spec.audiences,
        "exp": end,
        "iat": begin,
        "iss": ISSUER,
        "jti": str(UUID(int=random.getrandbits(128), version=4)),
        "kubernetes.io": {
            "namespace": key.namespace,
            "serviceaccount": {"name": key.name, "uid": account.metadata.uid},
            **_bound(view, key, spec.bound_object_ref),
        },
        "nbf": begin,
        "sub": subject(key.namespace, key.name),
    }
    granted = TokenRequest(
        api_version="authentication.k8s.io/v1",
        kind="TokenRequest",
        metadata=ObjectMeta(name=key.name, namespace=key.namespace, creation_timestamp=timestamp(now)),
        spec=TokenRequestSpec(
            audiences=spec.audiences, expiration_seconds=spec.expiration_seconds, bound_object_ref=spec.bound_object_ref
        ),
        status=TokenRequestStatus(token=issuer.issue(claims), expiration_timestamp=timestamp(end)),
    )
    return Outcome(Record("tokenrequests.authentication.k8s.io", key, 0, encode(granted)), created=True)


def _bound(view: ReadView, account: Key, reference: BoundObjectReference | None) -> Tree:
    """The claim about what the token lives with, and where a Pod runs."""
    if reference is None:
        return {}
    kind = _BOUND.get(reference.kind)
    if kind is None or reference.api_version not in ("", "v1"):
        raise bad_request(f"cannot bind token to object of type {reference.api_version}, Kind={reference.kind}")
    key = Key(account.namespace if kind.namespaced else "", reference.name)
    record = view.get(kind.resource, key)
    if record is None:
        raise missing(kind, key)
    found = load(kind, record.body)
    if reference.uid and reference.uid != found.metadata.uid:
        text = f"the UID in the bound object reference ({reference.uid}) does not match the UID in record."
        raise conflict(kind.plural, kind.group, key.name, f"{text} The object might have been deleted and then recreated")
    claims = {kind.singular: _identity(found)}
    if isinstance(found, Pod):
        if found.spec.service_account_name != account.name:
            text = f'cannot bind token for serviceaccount "{account.name}" to pod running with different serviceaccount name.'
            raise bad_request(text)
        node = view.get(NODES.resource, Key("", found.spec.node_name))
        if node is not None:
            claims["node"] = _identity(load(NODES, node.body))
    return claims


def _identity(obj: Object) -> Tree:
    return {"name": obj.metadata.name, "uid": obj.metadata.uid}
