"""An API server and one identity -> the text of a kubeconfig, complete in itself (no paths in it)."""

from __future__ import annotations

import base64

import yaml


def render_kubeconfig(server: str, ca_pem: bytes, user: str, token: str) -> str:
    """`server` is a URL such as `https://127.0.0.1:6443`; the one context is called `moorage`."""
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "moorage",
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca_pem).decode()},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "moorage", "context": {"cluster": "moorage", "user": user, "namespace": "default"}}],
        "current-context": "moorage",
    }
    text: str = yaml.safe_dump(tree, sort_keys=False)
    return text
