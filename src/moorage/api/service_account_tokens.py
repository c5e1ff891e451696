"""Tokens of ServiceAccounts: claims -> a signed JSON Web Token (RFC 7519) and back, and the user that a token names.

Signed with ES256 (RFC 7518 section 3.4: ECDSA with P-256 and SHA-256). Source of the claims: `pkg/serviceaccount/claims.go` and
`legacy.go`. A token is worth what it is bound to: its ServiceAccount, and the Pod, Node or Secret that it names, must still be
there with the same uid.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from moorage.api.auth import AUTHENTICATED, CREDENTIAL_ID, User
from moorage.manifest.convert import load
from moorage.model.config import Secret
from moorage.model.errors import ApiError
from moorage.model.kinds import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import Resources
from moorage.model.tokens import ISSUER, LEGACY_ISSUER, LEGACY_PREFIX
from moorage.model.wire import Tree

_ALGORITHM = "ES256"
_SIGNATURE = 64
"""Bytes of a signature: two numbers of 32."""
_LONGEST = 16 * 1024
"""Characters of a token that is looked at."""


def make_key() -> bytes:
    """A new signing key, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class TokenSigner:
    """Implements `model.ports.TokenIssuer`. Raises ValueError where the PEM holds no P-256 key. `ca` is the cluster's, PEM."""

    def __init__(self, key: bytes, ca: str) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(loaded.curve, ec.SECP256R1):
            raise ValueError("not a P-256 key")
        self.ca = ca
        self._key = loaded
        self._public = loaded.public_key()
        public = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        key_id = _encoded(hashlib.sha256(public).digest())
        self._head = _encoded(msgspec.json.encode({"alg": _ALGORITHM, "kid": key_id}))

    def issue(self, claims: Tree) -> str:
        signed = f"{self._head}.{_encoded(msgspec.json.encode(claims))}"
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """What a token says, or None where it is none of ours. Nothing but the signature is judged."""
        signed, _, signature = token.rpartition(".")
        head, _, body = signed.partition(".")
        if head != self._head or len(token) > _LONGEST:
            return None
        try:
            raw = _decoded(signature)
            if len(raw) != _SIGNATURE or _encoded(raw) != signature:  # padding, spare bits: not how it was issued
                return None
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            self._public.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = msgspec.json.decode(_decoded(body))
        except (InvalidSignature, binascii.Error, ValueError, msgspec.DecodeError):
            return None
        return claims if isinstance(claims, dict) else None


def _encoded(data: bytes) -> str:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


class ServiceAccountAuthenticator:
    """Implements `api.auth.Authenticator`. `clock` gives seconds since the epoch."""

    def __init__(self, signer: TokenSigner, resources: Resources, clock: Callable[[], float]) -> None:
        self._signer = signer
        self._resources = resources
        self._clock = clock

    def user(self, token: str) -> User | None:
        if not token.isascii() or token.count(".") != 2:
            return None
        claims = self._signer.claims(token)
        if claims is None:
            return None
        if claims.get("iss") == LEGACY_ISSUER:
            return self._of_secret(token, claims)
        if claims.get("iss") != ISSUER or ISSUER not in claims.get("aud", ()):
            return None
        if not claims.get("nbf", 0) <= self._clock() < claims.get("exp", 0):
            return None
        private = claims["kubernetes.io"]
        account = private["serviceaccount"]
        namespace = private["namespace"]
        if not self._is_there(SERVICE_ACCOUNTS, Key(namespace, account["name"]), account["uid"]):
            return None
        for name, kind in (("pod", PODS), ("secret", SECRETS), ("node", NODES)):
            bound = private.get(name)
            if bound and name == "node" and "pod" in private:
                continue  # where the Pod ran: the Pod decides
            if bound and not self._is_there(kind, Key(namespace if kind.namespaced else "", bound["name"]), bound["uid"]):
                return None
        return _user(namespace, account["name"], account["uid"], dict(_extra(claims, private)))

    def _of_secret(self, token: str, claims: Mapping[str, Any]) -> User | None:
        """A token that a Secret holds is valid as long as the Secret holds it."""
        namespace, name, account, uid = (
            claims[f"{LEGACY_PREFIX}{each}"]
            for each in ("namespace", "secret.name", "service-account.name", "service-account.uid")
        )
        secret = self._find(SECRETS, Key(namespace, name))
        held = secret.data.get("token", "") if isinstance(secret, Secret) else ""
        if base64.b64decode(held) != token.encode() or not self._is_there(SERVICE_ACCOUNTS, Key(namespace, account), uid):
            return None
        return _user(namespace, account, uid, {})

    def _is_there(self, kind: Kind, key: Key, uid: str) -> bool:
        found = self._find(kind, key)
        return found is not None and found.metadata.uid == uid

    def _find(self, kind: Kind, key: Key) -> Object | None:
        try:
            return load(kind, self._resources.get(kind, key).body)
        except ApiError:
            return None


def _user(namespace: str, name: str, uid: str, extra: dict[str, tuple[str, ...]]) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


def _extra(claims: Mapping[str, Any], private: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Source: apiserver `authentication/serviceaccount/util.go`."""
    if "jti" in claims:
        yield CREDENTIAL_ID, (f"JTI={claims['jti']}",)
    for name in ("node", "pod"):
        if name in private:
            yield f"authentication.kubernetes.io/{name}-name", (private[name]["name"],)
            yield f"authentication.kubernetes.io/{name}-uid", (private[name]["uid"],)
