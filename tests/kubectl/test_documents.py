"""What kubectl reads of the API itself: OpenAPI in both versions, and health."""

from __future__ import annotations

import pytest

from tests.kubectl.conftest import Kubectl

OUTPUTS = ["plaintext", "plaintext-openapiv2"]
"""From `/openapi/v3`, and from `/openapi/v2` in protobuf."""


@pytest.mark.parametrize("output", OUTPUTS)
def test_explain_a_field(kubectl: Kubectl, output: str) -> None:
    told = kubectl.ok("explain", "service.spec.externalTrafficPolicy", f"--output={output}")
    assert "externalTrafficPolicy" in told
    assert "Local keeps it on the node where it arrives" in " ".join(told.split())


@pytest.mark.parametrize("output", OUTPUTS)
def test_explain_all_fields_below(kubectl: Kubectl, output: str) -> None:
    told = kubectl.ok("explain", "service.spec.ports", "--recursive", f"--output={output}")
    for field in ("appProtocol", "name", "nodePort", "port", "protocol", "targetPort"):
        assert f"\n  {field}\t<" in told or f"\n   {field}\t<" in told, told
    assert "port\t<integer> -required-" in told or output != "plaintext"


@pytest.mark.parametrize("kind", ["endpointslice", "node", "ipaddresspool", "pod", "configmap", "ingress", "event"])
def test_every_group_is_explained(kubectl: Kubectl, kind: str) -> None:
    told = kubectl.ok("explain", kind)
    assert "FIELDS:" in told
    assert "metadata\t<ObjectMeta>" in told


def test_health_in_detail(kubectl: Kubectl) -> None:
    assert kubectl.ok("get", "--raw", "/readyz?verbose").splitlines()[0] == "[+]ping ok"
    assert kubectl.ok("get", "--raw", "/livez") == "ok"
    assert "apiserver_request_total" in kubectl.ok("get", "--raw", "/metrics")
