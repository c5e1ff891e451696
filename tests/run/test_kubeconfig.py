"""A kubeconfig that our own client, and kubectl, can read."""

from __future__ import annotations

from moorage.client.kubeconfig import parse
from moorage.run.kubeconfig import render_kubeconfig


def test_what_is_written_can_be_read() -> None:
    access = parse(render_kubeconfig("https://127.0.0.1:6443", b"-----BEGIN", "admin", "secret"))
    assert (access.server, access.ca_data, access.token) == ("https://127.0.0.1:6443", b"-----BEGIN", "secret")
    assert access.namespace == "default"
