"""An API server and one identity -> the text of a kubeconfig, complete in itself (no paths in it)."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import yaml

from moorage.api.certificates import Pair


def by_token(token: str) -> Mapping[str, str]:
    """A user of a kubeconfig that shows a bearer token."""
    return {"token": token}


def by_certificate(pair: Pair) -> Mapping[str, str]:
    """A user of a kubeconfig that shows a client certificate."""
    return {"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)}


def render_kubeconfig(server: str, ca_pem: bytes, user: str, credential: Mapping[str, str]) -> str:
    """`server` is a URL such as `https://127.0.0.1:6443`; the one context is called `moorage`."""
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "moorage",
                "cluster": {"server": server, "certificate-authority-data": _data(ca_pem)},
            }
        ],
        "users": [{"name": user, "user": dict(credential)}],
        "contexts": [{"name": "moorage", "context": {"cluster": "moorage", "user": user, "namespace": "default"}}],
        "current-context": "moorage",
    }
    text: str = yaml.safe_dump(tree, sort_keys=False)
    return text


def _data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
