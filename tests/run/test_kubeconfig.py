"""A kubeconfig that our own client, and kubectl, can read."""

from __future__ import annotations

from moorage.api.certificates import Pair
from moorage.client.kubeconfig import Access, parse
from moorage.run.kubeconfig import by_certificate, by_token, render_kubeconfig

CLUSTER = Access(server="https://127.0.0.1:6443", ca_data=b"-----BEGIN", namespace="default")


def test_what_is_written_can_be_read() -> None:
    access = parse(render_kubeconfig(CLUSTER.server, CLUSTER.ca_data, "reader", by_token("secret")))
    assert (access.server, access.ca_data, access.token) == (CLUSTER.server, CLUSTER.ca_data, "secret")
    assert (access.namespace, access.certificate_data, access.key_data) == ("default", b"", b"")
    access = parse(render_kubeconfig(CLUSTER.server, CLUSTER.ca_data, "admin", by_certificate(Pair(b"certificate", b"key"))))
    assert (access.certificate_data, access.key_data, access.token) == (b"certificate", b"key", "")
