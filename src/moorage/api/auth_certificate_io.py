"""The client certificate of a TLS connection -> whom it names and until when."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from typing import Any

from moorage.api.auth import CREDENTIAL_ID, User
from moorage.api.auth_requests import Certificate


def certificate_of(peer: Mapping[str, Any], der: bytes) -> Certificate | None:
    """`peer` is what `ssl.SSLSocket.getpeercert` tells of a certificate that TLS has verified, `der` the certificate itself.

    CN is the user, each O a group; without a CN it names nobody. Source: apiserver `pkg/authentication/request/x509`.
    """
    subject = [pair for part in peer.get("subject", ()) for pair in part]
    names = [value for key, value in subject if key == "commonName" and value]
    if not names:
        return None
    groups = tuple(value for key, value in subject if key == "organizationName")
    extra = {CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)}
    return Certificate(User(names[-1], groups, extra=extra), ssl.cert_time_to_seconds(peer["notAfter"]))
